"""The whole network, layer by layer, with what the shapes imply."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from markupsafe import Markup

from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual
from convscope.show.svg import drawing, element, join

COLUMNS = ("shape", "parameters", "filter", "macs", "field")


@dataclass(frozen=True)
class Row:
    """One layer; `field` is (start, size), in input pixels, of what its middle unit sees."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    per_filter: int | None
    macs: int
    field: tuple[float, float] | None
    """Along one axis; the other is alike. None is everything."""


def figure(rows: Sequence[Row], side: int, command: str) -> Figure:
    """A table whose first column draws each layer's output and whose last draws its receptive field."""
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


def _row(row: Row, side: int) -> Markup:
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
    """A stack of maps, drawn to scale, or a column of units."""
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
    size = f"{field[1] if field else side:g}"
    return f"{size}×{size}"


def seen(field: tuple[float, float] | None, side: int) -> Markup:
    """The input as a square, and in it what a middle unit of the layer sees, cut at the border."""
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
