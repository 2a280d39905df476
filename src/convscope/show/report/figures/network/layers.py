"""The figure of feature maps of every layer for one input."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from torch import Tensor

from convscope.see.features import FeatureMaps
from convscope.see.units import LayerHealth
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import written
from convscope.show.report.figures.network.units import sheet
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element, join

YOSINSKI = (
    "Jason Yosinski et al. (2015), arXiv:1506.06579; Hung-yi Lee, lecture “Convolutional Neural Network”"
)


def figure(
    layers: Sequence[FeatureMaps],
    strongest: int,
    labels: Sequence[str],
    health: Mapping[str, LayerHealth],
    command: str,
) -> Figure:
    """Build the figure of all layers' activations for one input: one row for each layer.

    A layer with two spatial axes shows the feature maps of its strongest units, each layer on its own colour
    scale; any other layer shows its values as bars.

    Args:
        layers: activations of each layer, in execution order.
        strongest: most units shown of each layer, those with the largest sum of their map.
        labels: names of the classes, written beside the units of the output if their numbers match.
        health: dead, saturated and redundant units, by layer; layers that are missing get no such line.
        command: reproduces the figure.

    Returns:
        The figure.
    """
    rows = [_row(maps, strongest, labels, health.get(maps.place)) for maps in layers]
    units = sum(len(maps.maps) for maps in layers)
    silent = sum(maps.silent for maps in layers)
    return Figure(
        "look.maps",
        join(rows),
        command,
        YOSINSKI,
        {
            "layers": len(layers),
            "units": f"{units:,}",
            "share": f"{100 * silent / max(units, 1):.0f}",
            "strongest": strongest,
        },
        wide=True,
    )


def _row(maps: FeatureMaps, strongest: int, labels: Sequence[str], health: LayerHealth | None) -> Markup:
    """Build the row of one layer."""
    extent = "×".join(map(str, maps.maps.shape))
    top = float(maps.maps.abs().max())
    words = bilingual(
        "look.maps.layer",
        tag="p",
        class_="mini",
        name=maps.place,
        extent=extent,
        limit=written(_short(top)),
        silent=maps.silent,
    )
    units = maps.strongest(strongest)
    names = [_name(maps, unit, labels) for unit in units]
    if maps.maps.dim() == 3:
        chosen = maps.maps[units].float()
        kind = "signed" if bool((maps.maps < 0).any()) else "ink"
        shown = chosen if kind == "signed" else chosen / (top or 1.0)
        body = sheet(shown, names, kind=kind, tile="4.2rem", limit=top or 1.0)
    else:
        values = maps.degrees
        bars = [_value(name, float(values[u]), values) for name, u in zip(names, units, strict=True)]
        body = element("div", *bars, class_="values")
    return element("div", words, _health(health), body, class_="stage")


def _name(maps: FeatureMaps, unit: int, labels: Sequence[str]) -> str:
    """Return the class of a unit of the output, else the unit's number."""
    named = maps.place.startswith("output") and len(labels) == len(maps.maps)
    return labels[unit].split(",")[0] if named else str(unit)


def _value(name: str, value: float, values: Tensor) -> Markup:
    """Draw one value as a bar, relative to the largest magnitude of the layer."""
    largest = float(values.abs().max()) or 1.0
    share = max(0.0, 100 * abs(value) / largest)
    bar = element("i", style=f"width:{share:.0f}%", class_="above" if value >= 0 else "below")
    return element("div", element("b", name), element("span", bar), written(_short(value)))


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
        silent=f"{100 * health.silent:.0f}",
    )


def _short(value: float) -> float:
    """Round to three significant digits."""
    return float(f"{value:.3g}")
