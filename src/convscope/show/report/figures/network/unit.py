"""Figures of the report of one unit."""

from collections.abc import Sequence

import torch
from markupsafe import Markup

from convscope.graph import TensorSpec
from convscope.see.units import (
    Patch,
    SyntheticImage,
    UnitReport,
    class_of_largest_mean,
    overrepresented_class,
)
from convscope.show.images import input_image
from convscope.show.images.draw import tag
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import LANGUAGES, Text, bilingual, label, spoken
from convscope.show.svg import drawing, element, join, responsive
from convscope.system.counting import percent_short_of
from convscope.worlds import render

OLAH = "Chris Olah, Alexander Mordvintsev, Ludwig Schubert, Feature Visualization, Distill (2017)"
BOROWSKI = (
    "Judy Borowski et al. (2021), arXiv:2010.12606: real examples explain units better than synthetic ones"
)
LUO = "Wenjie Luo, Yujia Li, Raquel Urtasun, Richard Zemel (2016), arXiv:1701.04128"
BARS, HEIGHT, FOOT = 48, 170.0, 30.0
CLASSES = 12
SIDE = 144
WHOLE = 999.5
"""Values from here on are written without decimals."""


def number(value: float) -> str:
    """Format a value with three significant digits and a true minus sign, so that neighbours compare.

    Args:
        value: a finite number.

    Returns:
        The text: `−24.0` beside `−24.8`, `2.22e−07`; whole from 1,000 on.
    """
    text = f"{value:#.3g}".rstrip(".") if abs(value) < WHOLE else f"{value:.0f}"
    return text.replace("-", "\u2212")


def wanted(portrait: UnitReport, spec: TensorSpec, command: str) -> Figure | None:
    """Build the figure of the two synthetic images: one maximises the unit's activation, one minimises it.

    Args:
        portrait: the unit's report.
        spec: the network's input spec.
        command: reproduces the figure.

    Returns:
        The figure; None where there are none.
    """
    parts = []
    if portrait.maximizing is None or portrait.minimizing is None or portrait.percentile is None:
        return None
    for key, made in (("maximizing", portrait.maximizing), ("minimizing", portrait.minimizing)):
        shown = None if made.no_gradient else _synthetic(made, spec, key)
        words = bilingual(f"unit.wanted.{key}", tag="p", class_="mini")
        line = bilingual(
            "unit.wanted.no_gradient" if made.no_gradient else "unit.wanted.value",
            tag="p",
            class_="mini",
            value=number(made.value),
        )
        heard = input_image.player(made.picture, spec, spoken(f"unit.wanted.{key}")) if shown else None
        parts.append(element("div", words, shown, heard, line))
    best, worst = portrait.top[0].example.value, portrait.bottom[0].example.value
    body = element("div", *parts, class_="pair")
    values = {
        "percentile": percent_short_of(portrait.percentile / 100),
        "best": number(best),
        "worst": number(worst),
        "part": _said("part") if portrait.maximizing.is_part else dict.fromkeys(LANGUAGES, ""),
        "short": _shortfall(portrait),
        "maximizing": number(portrait.maximizing.value),
        "minimizing": number(portrait.minimizing.value),
    }
    return Figure("unit.wanted", body, command, OLAH, values)


def _synthetic(made: SyntheticImage, spec: TensorSpec, key: str) -> Markup:
    """Draw a synthetic image as real ones are: the receptive field, below it the whole with a frame."""
    name, whole = spoken(f"unit.wanted.{key}"), render(made.picture, spec)
    if not made.is_part:
        return tag(whole, name, input_image.kind(spec))
    width, height = input_image.frame(spec, SIDE)
    framed = input_image.outlined(whole, made.box, width, spec.size, height)
    return element(
        "div",
        tag(input_image.fitted(render(made.crop, spec), width, height), name, "photo"),
        tag(framed, spoken(f"unit.wanted.framed_{key}"), "photo"),
        class_="sheet",
        style="--tile:7rem",
    )


def _shortfall(portrait: UnitReport) -> Text:
    """Say at which end of the unit's range a real input goes further than the synthetic one, if at any."""
    high, low = portrait.maximizing, portrait.minimizing
    best, worst = portrait.top[0].example.value, portrait.bottom[0].example.value
    ends = [
        *(["high"] if high is not None and high.value < best else []),
        *(["low"] if low is not None and low.value > worst else []),
    ]
    said = [_said(f"short_{end}") for end in ends]
    return {language: "".join(text[language] for text in said) for language in LANGUAGES}


def _said(key: str) -> Text:
    """Return a sentence of the caption, with a space before it in English."""
    return {
        language: text if language == "zh" else f" {text}"
        for language, text in spoken(f"unit.wanted.{key}").items()
    }


def is_floor(portrait: UnitReport) -> bool:
    """Return whether all inputs with the smallest activations have the same one, so that chance chose them.

    Args:
        portrait: the unit's report.

    Returns:
        Whether they have, such as 0 after a ReLU; False for a single one.
    """
    values = {patch.example.value for patch in portrait.bottom}
    return len(portrait.bottom) > 1 and len(values) == 1


def floor(portrait: UnitReport, command: str) -> Figure:
    """Build what stands in the place of the smallest activations where all of them are the same.

    Args:
        portrait: the unit's report.
        command: reproduces the figure.

    Returns:
        The figure, which is words alone.
    """
    told = {"count": len(portrait.bottom), "value": number(portrait.bottom[0].example.value)}
    return Figure("unit.floor", Markup(""), command, "", told)


def patches(portrait: UnitReport, spec: TensorSpec, command: str, *, bottom: bool = False) -> Figure:
    """Build the figure of the real images with the largest (or smallest) activations.

    Each is shown as the patch that the unit sees at its extreme, and as the whole image with that patch
    outlined. Where several share the smallest activation, as after a ReLU, these are not shown.

    Args:
        portrait: the unit's report.
        spec: the network's input spec.
        command: reproduces the figure.
        bottom: whether to show the smallest activations instead of the largest.

    Returns:
        The figure.
    """
    chosen = portrait.bottom if bottom else portrait.top
    if bottom and is_floor(portrait):
        return floor(portrait, command)
    cells = [_patch(patch, spec, portrait.classes) for patch in chosen]
    tile = 5.5 * input_image.frame(spec, SIDE)[0] / SIDE
    body = element("div", *cells, class_="sheet", style=f"--tile:{tile:g}rem")
    values: dict[str, object] = {
        "count": len(chosen),
        "images": f"{portrait.entry.images:,}",
        "value": number(chosen[0].example.value),
    }
    if bottom:
        return Figure("unit.bottom", body, command, BOROWSKI, values, wide=True)
    leading = overrepresented_class(portrait.entry)
    if leading is None:
        return Figure("unit.top", body, command, BOROWSKI, values, wide=True, finding="mixed")
    sizes = portrait.entry.class_sizes
    values |= {
        "times": int((portrait.entry.class_shares[leading] * len(portrait.entry.top)).round()),
        "name": portrait.classes[leading],
        "base": f"{100 * float(sizes[leading] / sizes.sum()):.3g}",
    }
    return Figure("unit.top", body, command, BOROWSKI, values, wide=True)


def _patch(patch: Patch, spec: TensorSpec, classes: Sequence[str]) -> Markup:
    """Build the tile of one real image: patch, outlined image, activation and class."""
    whole, crop = (render(picture, spec) for picture in (patch.picture, patch.crop))
    name = classes[patch.example.label]
    part, framed = (
        spoken(f"page.alt.{key}", number=patch.example.image, name=name) for key in ("part", "framed")
    )
    width, height = input_image.frame(spec, SIDE)
    outlined = input_image.outlined(whole, patch.box, width, patch.picture.shape[1:], height)
    return element(
        "div",
        tag(input_image.fitted(crop, width, height), part, "photo"),
        input_image.player(patch.crop, spec, part),
        tag(outlined, framed, "photo"),
        input_image.player(patch.picture, spec, framed),
        element("b", number(patch.example.value)),
        " · ",
        name,
        class_="tile",
    )


def histogram(portrait: UnitReport, command: str) -> Figure:
    """Build the histogram of the unit's activation (its map's maximum) over the real images.

    Lines mark the activation of the maximising synthetic image and of the best real image.

    Args:
        portrait: the unit's report.
        command: reproduces the figure.

    Returns:
        The figure.
    """
    entry = portrait.entry
    used = entry.counts.nonzero().flatten()
    first, last = int(used[0]), int(used[-1]) + 1
    step = -(-(last - first) // BARS)
    counts = torch.nn.functional.pad(entry.counts[first:last], (0, -(last - first) % step))
    bars, width = counts.view(-1, step).sum(1).tolist(), step * float(entry.edges[1] - entry.edges[0])
    low = float(entry.edges[first])
    marks = {"real": portrait.top[0].example.value}
    if portrait.maximizing is not None:
        marks["made"] = portrait.maximizing.value
    body = responsive(lambda paper: _bars(bars, low, width, marks, paper))
    values = {
        "images": f"{entry.images:,}",
        "mean": number(entry.mean),
        "std": number(entry.std),
        "active": percent_short_of(1 - entry.inactive_share),
        "percentile": "—" if portrait.percentile is None else f"{portrait.percentile:.1f}",
    }
    return Figure("unit.histogram", body, command, "—", values)


def _bars(bars: list[int], low: float, width: float, marks: dict[str, float], paper: float) -> Markup:
    """Draw the histogram `paper` pixels wide; `low` is where the first bar begins, `width` that of a bar."""
    high = max(low + width * len(bars), *marks.values())
    left = min(low, *marks.values())
    span, top = high - left or 1.0, max(bars)

    def x(value: float) -> float:
        return 8 + (paper - 16) * (value - left) / span

    foot = HEIGHT + 24
    drawn = [
        element(
            "rect",
            x=x(low + i * width),
            y=foot - HEIGHT * n / top,
            height=max(HEIGHT * n / top, 0.8),
            width=max(x(low + width) - x(low) - 0.7, 0.7),
            class_="mark-soft",
        )
        for i, n in enumerate(bars)
        if n
    ]
    lines = []
    for key, level in (("real", 22.0), ("made", 8.0)):
        if key not in marks:
            continue
        at = x(marks[key])
        side = "end" if at > paper / 2 else ""
        style = "mark-above" if key == "made" else "mark-below"
        lines.append(element("rect", x=at - 1, y=level + 4, width=2.0, height=foot - level - 4, class_=style))
        words = label(at + (-5 if side else 5), level + 3, f"unit.histogram.{key}", f"tiny {side}".strip())
        lines.append(words)
    ticks = [
        element("text", number(value), x=x(value), y=foot + 16, class_=f"tiny muted {where}".strip())
        for value, where in ((left, ""), (high, "end"))
    ]
    if left < 0 < high and paper * 0.12 < x(0) < paper * 0.88:
        ticks.append(element("text", "0", x=x(0), y=foot + 16, class_="tiny muted middle"))
    axis = element("path", d=f"M8 {foot:.1f}H{paper - 8:.1f}", class_="axis")
    return drawing(paper, foot + FOOT, *drawn, axis, *lines, *ticks, label=spoken("unit.histogram.alt"))


def classes(portrait: UnitReport, command: str) -> Figure:
    """Build the figure of the unit's mean activation for each class, the largest first.

    Beside each of up to 12 classes stands how many of the top images belong to it.

    Args:
        portrait: the unit's report.
        command: reproduces the figure.

    Returns:
        The figure.
    """
    means = portrait.entry.by_class.nan_to_num(-torch.inf)
    order = means.argsort(descending=True).tolist()
    order = [k for k in order if torch.isfinite(means[k])][:CLASSES]
    shares = (portrait.entry.class_shares * len(portrait.top)).round().int().tolist()
    rows = [(portrait.classes[k], float(means[k]), shares[k]) for k in order]
    body = responsive(lambda paper: _rows(rows, len(portrait.top), paper))
    (first, mean, _), (second, following, _) = rows[0], rows[1]
    values = {
        "first": first,
        "mean": number(mean),
        "second": second,
        "next": number(following),
        "shown": len(rows),
        "all": len(portrait.classes),
        "count": len(portrait.top),
    }
    finding = "alike" if class_of_largest_mean(portrait.entry) is None else "title"
    return Figure("unit.classes", body, command, "—", values, finding=finding)


def _rows(rows: Sequence[tuple[str, float, int]], count: int, paper: float) -> Markup:
    """Draw a bar for each class: name, mean activation, number of top images."""
    name, foot = min(150.0, paper * 0.32), 22.0
    room = paper - name - 118
    low, high = min(0.0, *(v for _, v, _ in rows)), max(0.0, *(v for _, v, _ in rows))
    scale = room / ((high - low) or 1.0)
    zero, drawn = name + 8 - low * scale, []
    for i, (class_name, value, share) in enumerate(rows):
        y = 6 + i * foot
        drawn.append(element("text", _short(class_name, name), x=name, y=y + 13, class_="end small"))
        drawn.append(
            element(
                "rect",
                x=min(zero, zero + value * scale),
                y=y + 3,
                height=13.0,
                width=max(abs(value) * scale, 0.8),
                class_="mark-above" if value >= 0 else "mark-below",
            )
        )
        text = f"{number(value)}" + (f" · {share}/{count}" if share else "")
        drawn.append(element("text", text, x=name + 16 + room, y=y + 13, class_="tiny muted"))
    return drawing(paper, 12 + foot * len(rows), join(drawn), label=spoken("unit.classes.alt"))


def _short(name: str, room: float) -> str:
    most = int(room / 8)
    return name if len(name) <= most else name[: most - 1] + "…"


def field(portrait: UnitReport, spec: TensorSpec, command: str) -> Figure | None:
    """Build the figure of the unit's theoretical receptive field, and of the effective one by gradients.

    Args:
        portrait: the unit's report.
        spec: the network's input spec.
        command: reproduces the figure.

    Returns:
        The figure; None where the effective receptive field was not measured or there is no real image.
    """
    measured, known = portrait.effective, portrait.field
    if measured is None or not portrait.top:
        return None
    best = portrait.top[0]
    width, height = input_image.frame(spec, 160) if len(spec.size) == 1 else (320, None)
    seen = input_image.outlined(render(best.picture, spec), best.box, width, spec.size, height)
    influence = input_image.heat(measured.influence)
    box = tuple((round(low), max(round(high), round(low) + 1)) for low, high in measured.box)
    drawn = (
        input_image.outlined(influence, box, width, spec.size, height)
        if box
        else input_image.fitted(influence, width, height)
    )
    cells = [
        element(
            "div",
            bilingual(key, tag="p", class_="mini"),
            tag(image, spoken(key), "photo"),
        )
        for key, image in (("unit.field.seen", seen), ("unit.field.moved", drawn))
    ]
    analytic = "×".join(map(str, known.size)) if known is not None and known.axes else "?"
    rank = measured.influence.dim()
    size = measured.size**rank if rank else 0
    values = {
        "analytic": analytic,
        "side": "×".join([f"{measured.size:.0f}"] * max(rank, 1)),
        "unit": {"en": "pixels", "zh": "像素"} if rank == 2 else {"en": "samples", "zh": "采样点"},
        "images": measured.images,
        "share": f"{100 * size / measured.influence.numel():.1f}",
        "place": measured.place,
    }
    return Figure("unit.field", element("div", *cells, class_="pair"), command, LUO, values)
