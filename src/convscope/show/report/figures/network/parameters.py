"""The figure of the weights of a layer if it is fully connected, locally connected, or convolutional."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from markupsafe import Markup

from convscope.show.report.figure import Figure
from convscope.show.report.i18n import label, spoken
from convscope.show.svg import drawing, element, join, responsive

MARKS = ("dense", "local", "shared")
SCRIPT = """\
from convscope.graph import compare, dense_cost
from convscope.graph import Conv2d
from convscope.nets import load
print(compare((1, 6, 6), Conv2d(1, 3)))
graph = load("lecture").graph
for node in graph.nodes:
    if isinstance(node.layer, Conv2d):
        print(node.name, compare(graph.input_shapes(node.name)[0], node.layer))
print(dense_cost((3, 100, 100), 1000))"""
HUES = {"dense": "orange", "local": "", "shared": "blue"}


@dataclass(frozen=True)
class Costs:
    """Number of weights of one layer, without biases, by kind of connection.

    Attributes:
        key: last part of the key of the layer's name in the texts.
        dense: fully connected.
        local: locally connected, without weight sharing; None to leave it out.
        shared: convolutional, with weight sharing; None to leave it out.
    """

    key: str
    dense: int
    local: int | None
    shared: int | None


def figure(rows: Sequence[Costs], total: int) -> Figure:
    """Build the figure that compares the weights of dense, locally connected and convolutional layers.

    Each row has up to three marks on a logarithmic axis.

    Args:
        rows: layers to compare; the one with the key `first` is quoted in the title.
        total: number of parameters of the whole network, quoted in the text.

    Returns:
        The figure.
    """
    first = next(row for row in rows if row.key == "first")
    return Figure(
        "why.parameters",
        responsive(lambda width: _draw(width, rows)),
        SCRIPT,
        "Hung-yi Lee, lecture “Convolutional Neural Network”; Yann LeCun et al. (1998)",
        {"dense": f"{first.dense:,}", "shared": f"{first.shared:,}", "total": f"{total:,}"},
    )


def _draw(width: float, rows: Sequence[Costs]) -> Markup:
    top, step = 78 if width > 500 else 90, 78
    height = top + step * len(rows)
    decades = range(9)
    axis = [
        element("path", d=f"M{_x(10**d, width):.1f} {top - 22}V{height}", class_="hair") for d in decades
    ] + [
        element("text", _power(d), x=_x(10**d, width), y=top - 30, class_="middle tiny muted")
        for d in decades
        if d % 2 == 0
    ]
    body = [_row(row, width, top + index * step) for index, row in enumerate(rows)]
    return drawing(width, height, join(axis), _legend(width), join(body), label=spoken("why.parameters.alt"))


def _legend(width: float) -> Markup:
    places = {"dense": 8.0, "local": width * (0.36 if width > 500 else 0.52), "shared": width * 0.62}
    drawn = []
    for mark in MARKS:
        low = mark == "shared" and width < 500
        x, y = (8.0, 32.0) if low else (places[mark], 12.0)
        drawn += [_mark(mark, x, y), label(x + 12, y + 4, f"why.parameters.{mark}", "small")]
    return join(drawn)


def _row(row: Costs, width: float, y: float) -> Markup:
    values = {mark: getattr(row, mark) for mark in MARKS}
    present = {mark: value for mark, value in values.items() if value is not None}
    middle = y + 36
    ends = [_x(value, width) for value in present.values()]
    parts = [
        label(8, y + 2, f"why.parameters.{row.key}", "strong"),
        element("path", d=f"M{min(ends):.1f} {middle}H{max(ends):.1f}", class_="edge"),
    ]
    for mark, value in present.items():
        x, below = _x(value, width), mark == "local"
        parts += [
            _mark(mark, x, middle),
            element(
                "text",
                f"{value:,}",
                x=x,
                y=middle + (22 if below else -12),
                class_=f"number small {HUES[mark]}".strip(),
            ),
        ]
    return join(parts)


def _mark(mark: str, x: float, y: float) -> Markup:
    if mark == "dense":
        return element("circle", cx=x, cy=y, r=6, class_="mark-above")
    if mark == "local":
        return element("rect", x=x - 5.2, y=y - 5.2, width=10.4, height=10.4, class_="mark-ink")
    return element("path", d=f"M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7 -7z", class_="mark-below")


def _x(value: float, width: float) -> float:
    """Return the horizontal coordinate of a count on the logarithmic axis from 1 to 10^8."""
    return 24 + log10(value) / 8 * (width - 60)


def _power(decade: int) -> str:
    return f"{10**decade:,}"
