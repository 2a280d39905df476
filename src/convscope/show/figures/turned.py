"""Correlation and convolution: the same for the lecture's filters, different for most others."""

from convscope.show import lessons
from convscope.show.figure import Figure
from convscope.show.figures.matrix import captioned, matrix
from convscope.show.lessons import Rows
from convscope.show.svg import element, join
from convscope.show.words import both

SCRIPT = """\
from convscope.show import lessons as l
for kernel in (l.DIAGONAL, l.CORNER):
    print(l.correlate(l.IMAGE, kernel), l.convolve(l.IMAGE, kernel))"""


def figure() -> Figure:
    """Each filter, its half turn, and what either operation makes of the image's first rows."""
    lanes = [
        _lane("convolution.turned.symmetric", lessons.DIAGONAL),
        _lane("convolution.turned.asymmetric", lessons.CORNER),
    ]
    return Figure(
        "convolution.turned", element("div", join(lanes), class_="lanes"),
        SCRIPT,
        "Ian Goodfellow, Yoshua Bengio, Aaron Courville, Deep Learning (2016), section 9.1",
    )  # fmt: skip


def _lane(key: str, kernel: Rows) -> str:
    correlated, convolved = lessons.correlate(lessons.IMAGE, kernel), lessons.convolve(lessons.IMAGE, kernel)
    changed = {
        (y, x) for y, row in enumerate(correlated) for x, value in enumerate(row) if convolved[y][x] != value
    }
    turned = tuple(tuple(reversed(row)) for row in reversed(kernel))
    return element(
        "div",
        captioned(both(key), matrix(kernel)),
        captioned(both("convolution.turned.half"), matrix(turned)),
        captioned(both("convolution.turned.correlation"), matrix(correlated, limit=4)),
        captioned(both("convolution.turned.convolution"), matrix(convolved, limit=4, ring=changed)),
        class_="lane",
    )
