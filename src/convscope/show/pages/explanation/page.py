"""Attributions as one HTML page: which map the metrics favour, all maps over the input, and the numbers."""

from collections.abc import Sequence

from markupsafe import Markup

from convscope.graph import TensorSpec
from convscope.see.attribution import Explanation, MethodComparison
from convscope.show import html, tinted
from convscope.show.images import heatmap, input_image
from convscope.show.images.draw import data_uri, webp_uri, with_longer_side
from convscope.show.pages import crop
from convscope.show.pages.explanation import verdicts
from convscope.show.pages.explanation.attribution import (
    heat_over,
    heat_picture,
    metric_lines,
    photo_of,
    pieces_in,
)
from convscope.show.pages.explanation.axes import axes_of, with_axes
from convscope.show.pages.explanation.text import sentences, share_of
from convscope.show.report.figure import Figure, Section
from convscope.show.report.i18n import LANGUAGES, Text, bilingual, bilingual_of, spoken
from convscope.show.report.report import Report, render
from convscope.show.svg import drawing, element, named
from convscope.worlds import Sample

SIDE = 448
"""Longer side of the input on the page, in pixels."""
SMALL = 96
"""Longer side of heatmaps whose positions are shown as squares, in pixels."""


def page(
    explanations: Sequence[Explanation],
    command: str,
    comparisons: Sequence[MethodComparison] = (),
    sample: Sample | None = None,
) -> str:
    """Render attributions as a self-contained HTML page in English and Chinese.

    For each example it says which map the metrics favour and why, shows all maps over the input with sliders
    for their opacity, and the numbers.

    Args:
        explanations: of the same examples and targets, by different methods; at least one.
        command: the terminal command that makes the page again; printed on it.
        comparisons: one for each example; none without metrics.
        sample: what was opened and explained, of which the part that the network sees is framed where it is
            cropped; None where that is not known.

    Returns:
        The HTML document.
    """
    first, sections = explanations[0], []
    for row in range(len(first)):
        sections += _sections(explanations, row, comparisons[row] if comparisons else None, sample)
    facts: list[tuple[str, Markup | str]] = [("explain.fact.methods", str(len(explanations)))]
    if len(first) == 1:
        facts += _facts(first, comparisons)
    values = {"net": first.task.net.name, "count": len(explanations), **html.made_with()}
    sections.append(Section("explain.read" if axes_of(first) is None else "explain.read_spectrogram", ()))
    return render(Report(tuple(sections), command, "explain", facts, values, parts=("explain",)))


def _facts(first: Explanation, comparisons: Sequence[MethodComparison]) -> list[tuple[str, Markup | str]]:
    """List what is known of a single example: its probability, and how many maps pass the checks."""
    found: list[tuple[str, Markup | str]] = []
    if comparisons:
        found.append(("explain.fact.passing", str(len(comparisons[0].passing))))
    if first.task.classes[0] is not None:
        name = element("span", first.task.target_names[0].split(",")[0], translate="no")
        found += [("explain.fact.target", name)]
        found += [("explain.fact.probability", share_of(float(first.probabilities[0])))]
    return found


def _sections(
    explanations: Sequence[Explanation],
    row: int,
    comparison: MethodComparison | None,
    sample: Sample | None,
) -> list[Section]:
    """Build the sections of one example."""
    task = explanations[0].task
    name = f"{row + 1}-{task.target_names[row]}"
    values = {"target": task.target_names[row].split(",")[0]}
    order = verdicts.order(explanations, row, comparison)
    parts = [
        Section("explain.verdict", (_verdict(explanations, row, comparison, order, sample),), values, name),
        Section("explain.maps", (_cards(explanations, row, comparison, order),), values, name),
    ]
    if comparison is not None:
        parts.append(
            Section("explain.numbers", (_table(explanations, row, comparison, order),), values, name)
        )
    return parts


def _verdict(
    explanations: Sequence[Explanation],
    row: int,
    comparison: MethodComparison | None,
    order: Sequence[int],
    sample: Sample | None,
) -> Figure:
    """Build the figure that says which map the metrics favour: the input, the maps, and the reasons."""
    titles = {e.method.name: e.method.title for e in explanations}
    shown = comparison.best if comparison is not None else ()
    cells = [_over(explanations[k], row, titled=True) for k in shown[:2]]
    photo = photo_of(explanations[0], row)
    cropped = crop.sentence(sample, _spec(explanations[0])) if sample is not None else None
    first, *rest = sentences(explanations[order[0]], row, cropped)
    why = (
        verdicts.reasons(comparison, titles, in_words=bool(pieces_in(explanations[0], row)))
        if comparison is not None
        else ()
    )
    lines = [bilingual_of(line, tag="p") for line in (first, *why[:-1], *rest)]
    scale = [bilingual_of(line, tag="p", class_="mini") for line in why[-1:]]
    words = element("div", *lines, *scale, class_="reasons")
    pictures = element(
        "div", _file(explanations[0], sample), _source(explanations[0], row), *cells, class_="over-row"
    )
    body = element("div", pictures if photo is not None or cells else None, words, class_="verdict")
    verdict = verdicts.verdict(comparison, titles, len(explanations))
    told = {"verdict": verdict, "shown": _shown(explanations[0], row, len(cells))}
    return Figure("explain.figure", body, "", "", told, wide=True, name=str(row + 1))


def _shown(explanation: Explanation, row: int, maps: int) -> Text:
    """Say what the verdict's figure shows: the input, and what the slider below each map does, if any is."""
    if photo_of(explanation, row) is None or pieces_in(explanation, row):
        return dict.fromkeys(LANGUAGES, "")
    key = "slider" if maps else "alone"
    return spoken(f"explain.figure.{key}", shown=spoken(f"explain.figure.shown_{_lies_over(explanation)}"))


def _lies_over(explanation: Explanation) -> str:
    """Return the end of the keys of texts that name what heatmaps lie over."""
    return "input" if axes_of(explanation) is None else "spectrogram"


def _spec(explanation: Explanation) -> TensorSpec:
    """Return the spec of what was opened, also where the output of a layer is attributed."""
    return (explanation.task.whole or explanation.task).net.input_spec


def _file(explanation: Explanation, sample: Sample | None) -> Markup | None:
    """Draw the whole photograph with a frame around what the network sees; nothing where it sees all."""
    spec = _spec(explanation)
    if sample is None or not crop.is_cropped(sample, spec):
        return None
    share = f"{100 * (crop.share_seen(sample, spec) or 1):.0f}"
    words = bilingual("look.input.framed", tag="p", class_="mini", share=share)
    return element("div", words, crop.framed(sample, spec))


def _source(explanation: Explanation, row: int) -> Markup | None:
    """Draw the input once; the maps of all methods refer to it."""
    photo = photo_of(explanation, row)
    if photo is None:
        return None
    large = with_longer_side(photo, max(SIDE, max(photo.size)))
    width, height = large.size
    uri = data_uri(photo) if max(photo.size) <= SMALL else webp_uri(large)
    image = element("image", id=f"input-{row}", href=uri, width=width, height=height)
    name, first = (
        spoken(f"explain.figure.{_lies_over(explanation)}"),
        explanation.task.whole or explanation.task,
    )
    return element(
        "div",
        bilingual_of(name, tag="p", class_="mini"),
        with_axes(explanation, drawing(width, height, image, label=name, class_="over")),
        input_image.player(first.inputs[0][row], first.net.input_spec, spoken("explain.figure.input")),
    )


def _over(explanation: Explanation, row: int, *, titled: bool = False) -> Markup:
    """Draw the heat of one method over the input, with a slider for its opacity; a band for signals."""
    photo, method = photo_of(explanation, row), explanation.method
    label = spoken("explain.figure.heat", method=method.title)
    pieces = pieces_in(explanation, row)
    if pieces:
        name = element("p", element("b", method.title, translate="no"), class_="mini") if titled else None
        values = tinted.totals(pieces, explanation.heatmap[row].cpu().numpy())
        return element("div", name, tinted.paragraph(pieces, values, label=label))
    if photo is None:
        picture = heat_picture(explanation, row)
        size = {"width": picture.width, "height": picture.height}
        return element("img", src=data_uri(picture), class_="band", **size, **named("alt", label))
    times = max(SIDE, max(photo.size)) / max(photo.size)
    width, height = (max(1, round(extent * times)) for extent in photo.size)
    heat = heatmap.layer(heat_over(explanation, row, photo), signed=method.signed)
    uri = data_uri(heat) if max(heat.size) <= SMALL else webp_uri(heat)
    drawn = drawing(
        width,
        height,
        element("use", href=f"#input-{row}", class_="below"),
        element("image", href=uri, width=width, height=height, class_="heat", preserveAspectRatio="none"),
        label=label,
        class_=f"over {'signed' if method.signed else 'embers'}",
    )
    name = element("p", element("b", method.title, translate="no"), class_="mini") if titled else None
    return element(
        "div",
        name,
        with_axes(explanation, drawn),
        _slider(spoken("explain.opacity_one", method=method.title)),
    )


def _slider(label: Text) -> Markup:
    attributes = named("aria-label", label)
    return element(
        "input", type="range", min=0, max=100, value=100, class_="opacity", hidden="", **attributes
    )


def _cards(
    explanations: Sequence[Explanation], row: int, comparison: MethodComparison | None, order: Sequence[int]
) -> Figure:
    """Build a card for each method: its map, its metrics and curves, its settings and source."""
    cards = []
    for k in order:
        e = explanations[k]
        state = verdicts.state(comparison, k) if comparison is not None else ""
        badge = bilingual(f"explain.cards.{state}", class_=f"badge-{state}") if state else None
        lines = [
            element("li", bilingual_of(text), class_=None if good is None else "good" if good else "bad")
            for text, good in metric_lines(e, row, comparison)
        ]
        if e.share < 1:
            lines.append(element("li", bilingual("explain.cards.stopped"), class_="bad"))
        head = element("h4", element("span", e.method.title, translate="no"), badge)
        cards.append(
            element("article", _over(e, row), head, element("ul", *lines), _curves(e, row), _details(e))
        )
    master = element(
        "label", bilingual("explain.opacity"), _slider(spoken("explain.opacity")), class_="master", hidden=""
    )
    photo = photo_of(explanations[0], row)
    body = element("div", master if photo is not None else None, element("div", *cards, class_="methods"))
    return Figure("explain.cards", body, "", "", wide=True, name=str(row + 1))


def _details(e: Explanation) -> Markup:
    """Build the folded details of a method: what it computes, after whom, with which settings."""
    chosen = {**e.method.settings(), **({"layer": e.layer} if e.layer else {})}
    settings = ", ".join(f"{name}={value}" for name, value in chosen.items())
    words = " ".join((type(e.method).__doc__ or "").split())
    return element(
        "details",
        element("summary", bilingual("explain.cards.how")),
        element("p", element("span", words, lang="en", class_="always", translate="no")),
        element("p", element("span", e.method.source, translate="no"), "."),
        element(
            "p",
            element("code", settings, translate="no") if settings else bilingual("explain.cards.plain"),
            "; ",
            bilingual("explain.cards.seconds", seconds=f"{e.seconds:.1f}"),
        ),
    )


def _curves(e: Explanation, row: int) -> Markup:
    """Draw the insertion curve (full line) and the deletion curve (dashed) of one method."""
    found = e.faithfulness[row].deletion_insertion if e.faithfulness else None
    if not found:
        return Markup("")
    width, height = 300.0, 84.0
    top = max(1e-9, *found.curves.deletion, *found.curves.insertion)

    def line(values: Sequence[float], kind: str) -> Markup:
        points = [
            f"{width * k / (len(values) - 1):.1f},{height - (height - 4) * max(v, 0) / top:.1f}"
            for k, v in enumerate(values)
        ]
        return element("polyline", points=" ".join(points), class_=kind)

    axis = element("line", x1=0, y1=height, x2=width, y2=height, class_="axis")
    insertion, deletion = line(found.curves.insertion, "line-a"), line(found.curves.deletion, "line-b")
    label = spoken("explain.cards.curves", top=f"{top:.2f}")
    return drawing(width, height + 2, axis, insertion, deletion, label=label)


def _table(
    explanations: Sequence[Explanation], row: int, comparison: MethodComparison, order: Sequence[int]
) -> Figure:
    """Build the table of all methods' scores, randomisation, drop, completeness and likeness."""
    heads = ("method", *comparison.scores, "random", "drop", "gap", "like")
    head = element("tr", *(element("th", bilingual(f"explain.table.{name}")) for name in heads))
    rows = [_cells(explanations[k], row, comparison, k, order[0]) for k in order]
    chance = [
        element("td", f"{comparison.chance[c]:.2f} ± {comparison.margin[c]:.2f}") for c in comparison.scores
    ]
    blank = [element("td", "—")] * 4
    foot = element("tr", element("th", bilingual("explain.table.chance")), *chance, *blank)
    table = element("table", element("thead", head), element("tbody", *rows, foot), class_="scores")
    body = element("div", table, class_="scroller", tabindex=0)
    return Figure("explain.table", body, "", "", wide=True, name=str(row + 1))


def _cells(e: Explanation, row: int, comparison: MethodComparison, k: int, first: int) -> Markup:
    """Build the row of one method."""
    checked, off = e.faithfulness[row], "off"
    cells = [
        element(
            "td",
            f"{round(values[k], 2) + 0.0:.2f}",
            class_=None if values[k] - comparison.chance[baseline] > comparison.margin[baseline] else off,
        )
        for baseline, values in comparison.scores.items()
    ]
    random, drop, gap = checked.weight_randomization, checked.average_drop, checked.completeness
    cells += [
        element("td", f"{random.correlations[-1]:+.2f}", class_=None if random.fades else off)
        if random
        else element("td", "—"),
        element("td", share_of(drop.drop) if drop else "—"),
        element("td", share_of(min(gap.gap, 99.0)) if gap else "—"),
        element("td", f"{comparison.alike[first][k]:+.2f}"),
    ]
    return element("tr", element("th", e.method.title, scope="row", translate="no"), *cells)
