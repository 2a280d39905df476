"""The figure of a convolution as a sparse dense layer with shared weights."""

from markupsafe import Markup

from convscope.graph import Conv2d, read_by
from convscope.show.report import worked_examples
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import written
from convscope.show.report.i18n import label, spoken
from convscope.show.svg import drawing, element, join, responsive

SHOWN = 18
STEP = 19
SCRIPT = """\
from convscope.graph import read_by
from convscope.graph import Conv2d
from convscope.show.report import worked_examples as l
print(read_by((1, 6, 6), Conv2d(1, 3))[:2], l.DIAGONAL, l.correlate(l.IMAGE, l.DIAGONAL)[0][:2])"""
NEURONS = ((5.5, "convolution.sparse.neuron1"), (11.5, "convolution.sparse.neuron2"))
"""Vertical positions of the neurons, in rows of inputs, and the keys of their names."""


def figure() -> Figure:
    """Build the figure of a convolution as a dense layer with most weights missing and the rest shared.

    It shows the inputs numbered row by row, the first two output neurons, and the nine weights that both use.

    Returns:
        The figure.
    """
    first, second = _reads()
    return Figure(
        "convolution.sparse",
        responsive(_draw, 340, 620),
        SCRIPT,
        "Hung-yi Lee, lecture “Convolutional Neural Network”",
        {
            "first": ", ".join(map(str, first)),
            "second": ", ".join(map(str, second)),
            "inputs": len(worked_examples.IMAGE) ** 2,
        },
    )


def _draw(width: float) -> Markup:
    left, right = 74, width - 64
    values = [value for row in worked_examples.IMAGE for value in row]
    out = worked_examples.correlate(worked_examples.IMAGE, worked_examples.DIAGONAL)
    lines, dots = [], []
    for neuron, (height, name) in enumerate(NEURONS):
        lines += _wires(neuron, left, right, height)
        dots += [
            element("circle", cx=right, cy=_y(height), r=17, class_="node"),
            element("text", written(out[0][neuron]), x=right, y=_y(height) + 5, class_="number strong"),
            label(right, _y(height) + 36, name, "middle small"),
        ]
    for index in range(SHOWN):
        dots += [
            element("circle", cx=left, cy=_y(index), r=8.5, class_="node"),
            element("text", written(values[index]), x=left, y=_y(index) + 4, class_="number tiny"),
            element("text", f"{index + 1}", x=left - 18, y=_y(index) + 4, class_="end small muted"),
        ]
    dots.append(element("text", f"⋮ {len(values)}", x=left - 18, y=_y(SHOWN) + 4, class_="end small muted"))
    height = _y(SHOWN) + 14
    return drawing(width, height, join(lines), join(dots), label=spoken("convolution.sparse.alt"))


def _wires(neuron: int, left: float, right: float, height: float) -> list[Markup]:
    """Draw the nine weighted edges of one neuron, coloured by sign; dashed for the second neuron."""
    weights = [value for row in worked_examples.DIAGONAL for value in row]
    return [
        element(
            "path",
            d=f"M{left + 9} {_y(source - 1)}C{left + 90} {_y(source - 1)} {right - 100} {_y(height)} "
            f"{right - 18} {_y(height)}",
            class_=f"wire {'above' if weight > 0 else 'below'}{' dashed' if neuron else ''}",
        )
        for source, weight in zip(_reads()[neuron], weights, strict=True)
    ]


def _reads() -> tuple[tuple[int, ...], ...]:
    """Return the numbers of the inputs, from 1, that each of the first two neurons reads."""
    return read_by(
        (1, len(worked_examples.IMAGE), len(worked_examples.IMAGE[0])),
        Conv2d(1, len(worked_examples.DIAGONAL)),
    )[:2]


def _y(index: float) -> float:
    return 14 + index * STEP
