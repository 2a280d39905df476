"""The figure of feature maps of a group of layers for one input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from markupsafe import Markup
from PIL import Image
from torch import Tensor

from convscope.see.features import FeatureMaps, Filters, PictureCorrelation
from convscope.see.units import LayerHealth
from convscope.show import tinted
from convscope.show.images import feature_map
from convscope.show.images.draw import data_uri, lossless_uri
from convscope.show.images.heatmap import EMBER
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import written
from convscope.show.report.figures.network import way
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element, join, named
from convscope.worlds import Piece

YOSINSKI = (
    "Jason Yosinski et al. (2015), arXiv:1506.06579; Hung-yi Lee, lecture “Convolutional Neural Network”"
)
SMALL = 16
"""Side in pixels up to which PNG is smaller than WebP."""
POINTS = 300
"""Most points of the curve of a map with one axis."""
HEIGHT = 60.0
"""Height of such a curve, in units of its drawing."""


@dataclass(frozen=True)
class Reading:
    """What of the input maps can be read beside: its texts, and what of a picture they follow.

    Attributes:
        pieces: words or characters; () for an input that is no text.
        spans: by layer, what of the input each position of its maps sees: first position, and the one after
            the last.
        follows: by layer, which property of the picture the maps that are shown follow.
        ink: whether the picture is drawn as ink.
    """

    pieces: tuple[Piece, ...] = ()
    spans: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    follows: Mapping[str, Sequence[PictureCorrelation]] = field(default_factory=dict)
    ink: bool = False


def figure(
    layers: Sequence[FeatureMaps],
    strongest: int,
    labels: Sequence[str],
    health: Mapping[str, LayerHealth],
    kernels: Mapping[str, Filters],
    limit: float,
    reading: Reading = Reading(),
    *,
    shown: Sequence[str] = (),
) -> Figure:
    """Build the figure of a group of layers for one input: some of them shown, the others folded.

    A layer with spatial axes shows the maps of its strongest units; any other layer shows its values as bars.

    Args:
        layers: activations of each layer, in execution order; at least one.
        strongest: most units shown of each layer, see `FeatureMaps.strongest`.
        labels: names of the classes, written beside the units of the output if their numbers match.
        health: dead, saturated and redundant units, by layer; layers that are missing get no such line.
        kernels: kernels by layer, shown where given.
        limit: the magnitude of the full colour on the scale of the whole network.
        reading: the texts of the input; a map along them is shown as the colours of their words.
        shown: names of layers that are shown, the others are folded; all are shown if left out.

    Returns:
        The figure.
    """
    rows = [
        _row(maps, strongest, labels, health.get(maps.place), kernels.get(maps.place), limit, reading)
        for maps in layers
    ]
    names = [maps.place for maps in layers]
    body: list[Markup] = []
    for is_shown, run in groupby(range(len(rows)), key=lambda k: not shown or names[k] in shown):
        numbers = list(run)
        if is_shown:
            body += [rows[k] for k in numbers]
            continue
        key = "look.maps.more" if len(numbers) > 1 else "look.maps.more_one"
        words = bilingual(key, count=len(numbers), first=names[numbers[0]], last=names[numbers[-1]])
        body.append(element("details", element("summary", words), *(rows[k] for k in numbers), class_="fold"))
    named_by = next((name for name in reversed(names) if name in shown), names[-1])
    return Figure("look.maps", join(body), "", YOSINSKI, wide=True, name=named_by)


def limit_of(maps: FeatureMaps, strongest: int) -> float:
    """Return the magnitude of the full colour on the scale of one layer.

    Args:
        maps: activations of the layer.
        strongest: how many units are shown.

    Returns:
        The largest of the magnitudes of the maps that are shown.
    """
    chosen = maps.maps[maps.strongest(strongest)].float()
    return max((feature_map.full_colour(one) for one in chosen), default=0.0)


def has_maps(maps: FeatureMaps) -> bool:
    """Return whether a layer's units have maps of one or two axes with more than one position.

    Args:
        maps: activations of the layer.

    Returns:
        Whether they have.
    """
    return maps.maps.dim() in (2, 3) and maps.maps[0].numel() > 1


def palettes() -> Markup:
    """Return the SVG filters that give coded feature maps their colours; a page needs them once."""
    return element(
        "svg",
        _palette("embers", EMBER),
        _palette("signed", feature_map.SIGNED),
        aria_hidden="true",
        class_="palettes",
        width=0,
        height=0,
    )


def _palette(name: str, table: Sequence[tuple[int, int, int]]) -> Markup:
    channels = [
        element(f"feFunc{letter}", type="table", tableValues=" ".join(f"{hue[k] / 255:.3f}" for hue in table))
        for k, letter in enumerate("RGB")
    ]
    transfer = element("feComponentTransfer", *channels)
    return element("filter", transfer, id=f"palette-{name}", color_interpolation_filters="sRGB")


def _row(
    maps: FeatureMaps,
    strongest: int,
    labels: Sequence[str],
    health: LayerHealth | None,
    kernels: Filters | None,
    network: float,
    reading: Reading,
) -> Markup:
    """Build the row of one layer."""
    limit = limit_of(maps, strongest)
    words = element("div", _heading(maps, limit, maps.alike(strongest)), class_="mini")
    units = maps.strongest(strongest)
    spans = reading.spans.get(maps.place, ())
    if reading.pieces and len(spans) == maps.maps.shape[-1] and maps.maps.dim() == 2:
        lines = [_sentence(maps, unit, reading.pieces, spans) for unit in units]
        body = element("div", *lines, class_="sentences")
    elif has_maps(maps):
        signed = bool((maps.maps < 0).any())
        follows = {one.unit: one for one in reading.follows.get(maps.place, ()) if one.follows}
        below = {unit: _followed(one, ink=reading.ink) for unit, one in follows.items()}
        tiles = [_tile(maps, unit, limit, network, below.get(unit), signed=signed) for unit in units]
        body = element("div", *tiles, class_="sheet", style="--tile:6.2rem")
    else:
        values, names = maps.degrees, [_name(maps, unit, labels) for unit in units]
        bars = [_value(name, float(values[u]), values) for name, u in zip(names, units, strict=True)]
        kind = "values named" if maps.place.startswith("output") and labels else "values"
        body = element("div", *bars, class_=kind, translate="no")
    shown = _kernels(kernels, units if kernels is not None and len(kernels.weights) == len(maps.maps) else ())
    return element("div", words, _health(health), body, shown, class_="stage")


def _heading(maps: FeatureMaps, limit: float, alike: int) -> Markup:
    """Name a layer: how many units and maps of which size, how many are left out, and the layer's scale."""
    key = "look.maps.layer" if has_maps(maps) else "look.maps.values"
    extent = "×".join(map(str, maps.maps.shape[1:]))
    words = [bilingual(key, name=maps.place, units=len(maps.maps), extent=extent)]
    if maps.zero_maps:
        words.append(bilingual("look.maps.zero", count=maps.zero_maps))
    if alike:
        words.append(bilingual("look.maps.alike", count=alike))
    if has_maps(maps):
        words.append(
            element("span", bilingual("look.maps.limit", limit=written(_short(limit))), class_="limit")
        )
    return join(words)


def _followed(one: PictureCorrelation, *, ink: bool) -> Markup:
    """Name what of the picture a map follows, and how closely."""
    name = way.name_of(one, ink=ink)
    return element("small", bilingual(f"look.follows.{name}"), " ", f"{one.value:.2f}")


def _tile(
    maps: FeatureMaps, unit: int, limit: float, network: float, below: Markup | None, *, signed: bool
) -> Markup:
    """Build the map of one unit, with its share of the layer's and of the network's scale."""
    values = maps.maps[unit].float().cpu().numpy()
    own = feature_map.full_colour(values)
    style = f"--layer:{own / (limit or 1.0):.4f};--network:{own / (network or 1.0):.4f}"
    alt = spoken("look.maps.alt", place=maps.place, unit=unit)
    if values.ndim == 2:
        drawn = _image(feature_map.coded(values, signed=signed), alt, f"map {'signed' if signed else ''}")
    else:
        drawn = _curve(values, own, alt, signed=signed)
    scale = element("i", written(_short(own)), class_="signed scale" if signed else "scale")
    caption = element("span", element("b", str(unit)), scale, class_="caption")
    place = f"{maps.place}:{unit}"
    return element(
        "button", drawn, caption, below, class_="tile", type="button", style=style, data_place=place
    )


def _sentence(
    maps: FeatureMaps, unit: int, pieces: Sequence[Piece], spans: Sequence[tuple[int, int]]
) -> Markup:
    """Build a line with the words of the input, each in the colour of the strongest window that it is in."""
    seen = maps.maps[unit].float().cpu().numpy()
    held = [k for k, (low, high) in enumerate(spans) if any(low < p.last and high > p.first for p in pieces)]
    best = max(held, key=lambda k: float(seen[k]), default=0)
    low, high = spans[best]
    frames = [low < piece.last and high > piece.first for piece in pieces]
    values = tinted.highest(pieces, seen, spans)
    words = tinted.paragraph(
        pieces, values, label=spoken("look.maps.alt", place=maps.place, unit=unit), frames=frames
    )
    head = element("p", element("b", str(unit)), " ", written(_short(float(seen[best]))), class_="mini")
    return element("div", head, words, class_="sentence")


def _image(image: Image.Image, alt: Mapping[str, str], kind: str) -> Markup:
    source = data_uri(image) if max(image.size) <= SMALL else lossless_uri(image)
    size = {"width": image.width, "height": image.height}
    return element("img", src=source, class_=kind.strip(), **size, **named("alt", alt))


def _curve(values: "np.ndarray", own: float, alt: Mapping[str, str], *, signed: bool) -> Markup:
    """Draw a map with one axis as a curve; of several values at one point that of largest magnitude."""
    parts = np.array_split(values, min(len(values), POINTS))
    peaks = [float(part[np.abs(part).argmax()]) for part in parts]
    zero, scale = (HEIGHT / 2, HEIGHT / 2) if signed else (HEIGHT, HEIGHT)
    step = 100 / max(len(peaks) - 1, 1)
    points = " ".join(
        f"{k * step:.1f},{zero - scale * min(max(value / (own or 1.0), -1), 1):.1f}"
        for k, value in enumerate(peaks)
    )
    line = element("polyline", points=points, class_="curve", style=f"transform-origin:0 {zero:g}px")
    axis = element("path", d=f"M0 {zero:g}H100", class_="hair")
    return element(
        "svg",
        axis,
        line,
        viewBox=f"0 0 100 {HEIGHT:g}",
        preserveAspectRatio="none",
        role="img",
        class_="map",
        **named("aria-label", alt),
    )


def _name(maps: FeatureMaps, unit: int, labels: Sequence[str]) -> str:
    """Return the class of a unit of the output, else the unit's number."""
    named_unit = maps.place.startswith("output") and len(labels) == len(maps.maps)
    return labels[unit].split(",")[0] if named_unit else str(unit)


def _value(name: str, value: float, values: Tensor) -> Markup:
    """Draw one value as a bar, relative to the largest magnitude of the layer."""
    largest = float(values.abs().max()) or 1.0
    share = max(0.0, 100 * abs(value) / largest)
    bar = element("i", style=f"width:{share:.0f}%", class_="above" if value >= 0 else "below")
    return element("div", element("b", name), element("span", bar), written(_short(value)))


def _kernels(kernels: Filters | None, units: Sequence[int]) -> Markup | None:
    """Build the folded row of the kernels of some units of a layer, where these have an extent."""
    if kernels is None or not units or not kernels.has_extent:
        return None
    tiles = [
        element(
            "div",
            _image(
                kernel(kernels, unit), spoken("look.maps.kernel", place=kernels.place, unit=unit), "kernel"
            ),
            str(unit),
            class_="tile",
        )
        for unit in units
    ]
    extent = "×".join(map(str, kernels.weights.shape))
    words = element("summary", bilingual("look.maps.kernels", extent=extent))
    sheet = element("div", *tiles, class_="sheet", style="--tile:2.6rem")
    return element("details", words, sheet, class_="kernels")


def kernel(kernels: Filters, unit: int) -> Image.Image:
    """Draw the kernel of one unit: in colour over three channels, else one image of all its channels.

    Args:
        kernels: of one layer.
        unit: index of the kernel.

    Returns:
        An image of mode RGB with a pixel for each weight.
    """
    picture = kernels.pictures[unit]
    if kernels.pictures.dim() == 4:
        return Image.fromarray((picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    mean = picture.mean((0, 1))
    return feature_map.coloured(mean * 2 - 1, 1.0, signed=True)


def _health(health: LayerHealth | None) -> Markup | None:
    """Build the line on dead, saturated and redundant units of a layer."""
    if health is None:
        return None
    return bilingual(
        "look.maps.health",
        tag="p",
        class_="mini",
        images=f"{health.images:,}",
        dead=len(health.dead),
        saturated=len(health.saturated),
        redundant=len(health.redundant),
        units=health.units,
        inactive=f"{100 * health.inactive_share:.0f}",
    )


def _short(value: float) -> float:
    """Round to three significant digits."""
    return float(f"{value:.3g}")
