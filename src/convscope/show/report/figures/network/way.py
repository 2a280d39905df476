"""What the maps of one picture follow in it, and the figure of the way through the layers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from convscope.graph import DIGIT
from convscope.nets import LayerAddress, Net
from convscope.see.features import FeatureMaps, PictureCorrelation, picture_correlations
from convscope.see.units import receptive_field
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import LANGUAGES, bilingual, plain, spoken
from convscope.show.svg import element, join
from convscope.worlds import Sample, world_of

SEPARATORS = {"en": ", ", "zh": "、"}
PICTURES = ("image", DIGIT)
"""Kinds of inputs that maps can be compared with."""
Follows = Mapping[str, Sequence[PictureCorrelation]]
INKED = {"light": "ink", "dark": "paper"}
"""Names of high and low values where the world draws ink."""


def followed(net: Net, sample: Sample, layers: Sequence[FeatureMaps], strongest: int) -> Follows:
    """Correlate the maps that a page shows with the picture.

    Args:
        net: the network.
        sample: the input.
        layers: activations of each layer.
        strongest: most units shown of each layer.

    Returns:
        Correlations of the strongest units by layer, as `picture_correlations` finds them; nothing for inputs
            that are no pictures.
    """
    spec = net.input_spec
    if spec.kind not in PICTURES:
        return {}
    found = {
        maps.place: picture_correlations(maps, sample.input, spec, maps.strongest(strongest))
        for maps in layers
    }
    return {place: units for place, units in found.items() if units}


def fields_of(net: Net, places: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return how much of the input one position in the middle of each layer's map sees.

    Args:
        net: the network.
        places: names of layers.

    Returns:
        Pixels along each axis, without padding; layers whose receptive field is not known are left out.
    """
    found = {}
    for place in places:
        field = receptive_field(net, LayerAddress.parse(place))
        if field is None or len(field.axes) != 2:
            continue
        box = field.box([extent // 2 for extent in field.positions])
        if box:
            found[place] = tuple(high - low for low, high in box)
    return found


def name_of(one: PictureCorrelation, *, ink: bool) -> str:
    """Return the end of the key of what a map follows.

    Args:
        one: the correlation.
        ink: whether high values are drawn as ink.

    Returns:
        Its name; `ink` and `paper` in place of `light` and `dark` where ink is drawn.
    """
    return INKED.get(one.name, one.name) if ink else one.name


def names_of(units: Sequence[PictureCorrelation], *, ink: bool) -> dict[str, str]:
    """List what some maps follow, in words: `edges (5), bright areas (2)`.

    Args:
        units: correlations of the maps; those that follow nothing are left out.
        ink: whether high values are drawn as ink.

    Returns:
        The list in each language, the commonest first; empty where no map follows anything.
    """
    counts = Counter(name_of(one, ink=ink) for one in units if one.follows)
    return {
        language: SEPARATORS[language].join(
            plain("look.way.count", language, name=plain(f"look.follows.{name}", language), count=count)
            for name, count in counts.most_common()
        )
        for language in LANGUAGES
    }


def figure(
    net: Net, layers: Sequence[FeatureMaps], follows: Follows, anchors: Mapping[str, str]
) -> Figure | None:
    """Build the table of the way through the network: a row for each layer that stands for its group.

    Args:
        net: the network.
        layers: activations of the layers that have a row.
        follows: what the strongest units of each follow.
        anchors: id of the part of the page that shows a layer, by layer.

    Returns:
        The figure; None where fewer than two of the layers have maps that can be compared with a picture.
    """
    rows = [maps for maps in layers if maps.maps.dim() == 3 and maps.has_maps]
    compared = [maps.place for maps in rows if maps.place in follows]
    if len(compared) < 2:
        return None
    ink = world_of(net.input_spec).is_ink
    fields, whole = fields_of(net, [maps.place for maps in rows]), tuple(net.input_spec.shape[1:])
    head = element(
        "tr",
        *(element("th", bilingual(f"look.way.{name}")) for name in ("layer", "maps", "sees", "follow")),
    )
    lines = [
        _line(maps, fields.get(maps.place), whole, follows.get(maps.place, ()), anchors, ink=ink)
        for maps in rows
    ]
    table = element("table", element("thead", head), element("tbody", *lines), class_="exact through")
    first, last = (follows[compared[k]] for k in (0, -1))
    early, late = (sum(one.follows for one in units) for units in (first, last))
    said = _widening([maps.place for maps in rows], fields, whole)
    if late < early:
        names = {"first": compared[0], "last": compared[-1]}
        counts = {"early": early, "late": late, "shown": len(first), "shown_late": len(last)}
        said.append(bilingual("look.way.fewer", tag="p", class_="said", **names, **counts))
    return Figure(
        "look.way", join([*said, table]), "", "", {"least": PictureCorrelation.fewest_positions}, wide=True
    )


def _widening(
    places: Sequence[str], fields: Mapping[str, tuple[int, ...]], whole: tuple[int, ...]
) -> list[Markup]:
    """Say how much of the input a position sees in the first and in the last layer, if that grows."""
    first, last = (fields.get(places[k]) for k in (0, -1))
    if first is None or last is None or math.prod(first) >= math.prod(last):
        return []
    sizes = ["×".join(map(str, one)) for one in (first, last, whole)]
    large = spoken("look.way.all") if last == whole else dict.fromkeys(LANGUAGES, sizes[1])
    names = {"first": places[0], "last": places[-1], "small": sizes[0], "whole": sizes[2]}
    return [bilingual("look.way.widens", tag="p", class_="said", **names, large=large)]


def _line(
    maps: FeatureMaps,
    field: tuple[int, ...] | None,
    whole: tuple[int, ...],
    units: Sequence[PictureCorrelation],
    anchors: Mapping[str, str],
    *,
    ink: bool,
) -> Markup:
    count, height, width = maps.maps.shape
    parts = maps.place.split(".")
    broken = [part for one in parts[:-1] for part in (f"{one}.", element("wbr"))]
    name = element("a", *broken, parts[-1], href=f"#{anchors[maps.place]}", translate="no")
    if field is None:
        seen = Markup("—")
    elif all(one >= extent for one, extent in zip(field, whole, strict=True)):
        seen = bilingual("look.way.all")
    else:
        seen = element("span", "×".join(map(str, field)), translate="no")
    number = sum(one.follows for one in units)
    share = element("b", bilingual("look.way.of", count=number, shown=len(units))) if units else Markup("—")
    what = names_of(units, ink=ink)
    words = [element("small", text, lang=language) for language, text in what.items() if text]
    detail = element("div", *words) if words else None
    extent = element("span", f"{count:,} × {height}×{width}", translate="no")
    return element(
        "tr",
        element("td", name),
        element("td", extent),
        element("td", seen),
        element("td", share, detail),
    )
