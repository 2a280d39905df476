"""The figure of the whole network, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from markupsafe import Markup

from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual
from convscope.show.svg import drawing, element, join

COLUMNS = ("shape", "parameters", "filter", "macs", "field")


@dataclass(frozen=True)
class LayerRow:
    """Numbers of one layer.

    Attributes:
        name: of the layer.
        kind: of the layer.
        shape: of its output, without batch axis.
        parameters: number of trainable parameters.
        per_filter: number of weights of each filter; None if the layer has no filters.
        macs: multiply-accumulates of one forward pass.
        field: receptive field of the middle unit along one axis, as (start, size) in input pixels; the other
            axis is taken to be the same. None means the whole input.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    per_filter: int | None
    macs: int
    field: tuple[float, float] | None


def figure(rows: Sequence[LayerRow], side: int, command: str) -> Figure:
    """Build the table of a network's layers, with drawings of each output and receptive field.

    The text quotes the share of parameters in dense layers, and of multiply-accumulates in convolutions.

    Args:
        rows: one for each layer, in execution order; at least one with parameters.
        side: side of the square input, in pixels.
        command: reproduces the numbers.

    Returns:
        The figure.
    """
    head = element(
        "div",
        element("span"),
        element("span", bilingual("network.layers.name")),
        *(element("span", bilingual(f"network.layers.{c}")) for c in COLUMNS),
        class_="head",
    )
    body = element("div", head, *(_row(row, side) for row in rows), class_="layers")
    dense = sum(row.parameters for row in rows if row.kind == "dense")
    total, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    conv = sum(row.macs for row in rows if row.kind.startswith("conv"))
    return Figure(
        "network.layers",
        body,
        command,
        "Hung-yi Lee, lecture “Convolutional Neural Network”; Yann LeCun et al. (1998)",
        {
            "total": f"{total:,}",
            "dense": f"{100 * dense / total:.0f}",
            "macs": f"{macs:,}",
            "conv": f"{100 * conv / macs:.0f}",
            "deepest": _extent(rows[-1].field, side),
        },
        wide=True,
    )


def _row(row: LayerRow, side: int) -> Markup:
    extent = "×".join(map(str, row.shape))
    cells = [
        ("shape", extent),
        ("parameters", f"{row.parameters:,}" if row.parameters else "—"),
        ("filter", f"{row.per_filter:,}" if row.per_filter else "—"),
        ("macs", f"{row.macs:,}" if row.macs else "—"),
    ]
    return element(
        "div",
        element("div", output(row.shape, side), class_="picture"),
        element("div", row.name, element("small", row.kind) if row.kind != row.name else None, class_="name"),
        *(_cell(bilingual(f"network.layers.{c}"), text) for c, text in cells),
        element("div", seen(row.field, side), class_="field"),
    )


def _cell(unit: Markup, text: str) -> Markup:
    return element("div", element("span", unit, class_="unit"), text)


def output(shape: tuple[int, ...], side: int) -> Markup:
    """Draw the output of a layer: a stack of feature maps, or a column of units.

    Args:
        shape: of the output, without batch axis.
        side: side of the network's input, for the scale of the feature maps.

    Returns:
        The `<svg>` element; the number of sheets and the height of the column grow with the logarithm.
    """
    width, height = 76.0, 60.0
    if len(shape) < 3:
        tall = 8 + 4 * log2(max(shape))
        column = element("rect", x=24, y=(height - tall) / 2, width=9, height=tall, rx=2, class_="node")
        return drawing(width, height, column)
    sheets = min(6, max(1, round(log2(shape[-3]) + 1)))
    edge = 6 + 34 * shape[-1] / side
    start = (height - edge - 2.6 * (sheets - 1)) / 2
    drawn = [
        element("rect", x=6 + 3.4 * i, y=start + 2.6 * i, width=edge, height=edge, rx=1, class_="node")
        for i in range(sheets)
    ]
    return drawing(width, height, join(drawn))


def _extent(field: tuple[float, float] | None, side: int) -> str:
    """Format the size of a receptive field as `n×n`."""
    size = f"{field[1] if field else side:g}"
    return f"{size}×{size}"


def seen(field: tuple[float, float] | None, side: int) -> Markup:
    """Draw a receptive field as a window in the square input, clipped at the border.

    Args:
        field: (start, size) along both axes in pixels; None for the whole input.
        side: side of the input, in pixels.

    Returns:
        The drawing with the unclipped size below it.
    """
    start, size = field or (0, side)
    low, high = max(0.0, start), min(float(side), start + size)
    text = _extent(field, side)
    frame = element("rect", x=0.5, y=0.5, width=side - 1, height=side - 1, class_="hair")
    window = element(
        "rect",
        x=low + 0.6,
        y=low + 0.6,
        width=high - low - 1.2,
        height=high - low - 1.2,
        class_="window thin-screen",
    )
    return element("div", drawing(side, side, frame, window), element("small", text), class_="seen")
