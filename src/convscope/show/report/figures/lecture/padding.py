"""The figure of padding and stride in one dimension."""

from collections.abc import Sequence

from markupsafe import Markup

from convscope.show.report import worked_examples
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import written
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import drawing, element, join

CELL = 38


def figure() -> Figure:
    """Build the figure that compares two paddings of the same signal, with the same kernel and stride 2.

    One zero on the right only, as in the lecture, against one zero on either side, as in torch.

    Returns:
        The figure.
    """
    lecture = worked_examples.slide(worked_examples.SIGNAL, worked_examples.DIFFERENCE, 0, 1, 2)
    torch = worked_examples.slide(worked_examples.SIGNAL, worked_examples.DIFFERENCE, 1, 1, 2)
    body = join(
        element("div", bilingual(f"convolution.padding.{key}", tag="p", class_="mini"), _draw(left, result))
        for key, left, result in (("right", 0, lecture), ("sides", 1, torch))
    )
    return Figure(
        "convolution.padding",
        element("div", body, class_="pair"),
        'python -c "from convscope.show.report import worked_examples as l; '
        'print(l.slide(l.SIGNAL, l.DIFFERENCE, 0, 1, 2), l.slide(l.SIGNAL, l.DIFFERENCE, 1, 1, 2))"',
        "Slides by Luo; Vincent Dumoulin, Francesco Visin, A guide to convolution arithmetic for deep "
        "learning, arXiv:1603.07285",
        {
            "lecture": _list(lecture),
            "torch": _list(torch),
            "kernel": _list(worked_examples.DIFFERENCE),
            "signal": _list(worked_examples.SIGNAL),
        },
    )


def _list(values: Sequence[float]) -> str:
    return "[" + ", ".join(written(v) for v in values) + "]"


def _draw(left: int, result: Sequence[float]) -> Markup:
    """Draw the padded signal with `left` zeros before it, the windows, and the results."""
    cells = [*(None,) * left, *worked_examples.SIGNAL, None]
    shift = (1 - left) * CELL + 8
    parts = []
    for index, value in enumerate(cells):
        x = shift + index * CELL
        parts += _box(x, 8, written(value or 0), "pad" if value is None else "box")
    for index, value in enumerate(result):
        x = shift + index * 2 * CELL
        y = 62 + index % 2 * 12
        parts += [
            element("path", d=f"M{x + 3} {y - 8}v6h{3 * CELL - 6}v-6", class_="brace"),
            element("path", d=f"M{x + 1.5 * CELL} {y - 2}V96", class_="brace"),
            *_box(x + CELL, 98, written(value), "box result"),
        ]
    return drawing(8 * CELL + 16, 142, join(parts), label=spoken("convolution.padding.alt"))


def _box(x: float, y: float, text: str, kind: str) -> list[Markup]:
    return [
        element("rect", x=x + 1, y=y, width=CELL - 2, height=CELL - 4, rx=4, class_=kind),
        element("text", text, x=x + CELL / 2, y=y + CELL / 2 + 3, class_="number"),
    ]
