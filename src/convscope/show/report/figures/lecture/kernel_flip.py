"""The figure of cross-correlation against convolution: equal for the lecture's kernel, different for most."""

from convscope.show.report import worked_examples
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import captioned, matrix
from convscope.show.report.i18n import bilingual
from convscope.show.report.worked_examples import Rows
from convscope.show.svg import element, join

SCRIPT = """\
from convscope.show.report import worked_examples as l
for kernel in (l.DIAGONAL, l.CORNER):
    print(l.correlate(l.IMAGE, kernel), l.convolve(l.IMAGE, kernel))"""


def figure() -> Figure:
    """Build the figure that compares cross-correlation and convolution.

    It shows a symmetric and an asymmetric kernel, each with its rotation by 180 degrees and the outputs of
    both operations on the lecture's image; outputs that differ are outlined.

    Returns:
        The figure.
    """
    lanes = [
        _lane("convolution.turned.symmetric", worked_examples.DIAGONAL),
        _lane("convolution.turned.asymmetric", worked_examples.CORNER),
    ]
    return Figure(
        "convolution.turned",
        element("div", join(lanes), class_="lanes"),
        SCRIPT,
        "Ian Goodfellow, Yoshua Bengio, Aaron Courville, Deep Learning (2016), section 9.1",
    )


def _lane(key: str, kernel: Rows) -> str:
    correlated, convolved = (
        worked_examples.correlate(worked_examples.IMAGE, kernel),
        worked_examples.convolve(worked_examples.IMAGE, kernel),
    )
    changed = {
        (y, x) for y, row in enumerate(correlated) for x, value in enumerate(row) if convolved[y][x] != value
    }
    turned = tuple(tuple(reversed(row)) for row in reversed(kernel))
    return element(
        "div",
        captioned(bilingual(key), matrix(kernel)),
        captioned(bilingual("convolution.turned.half"), matrix(turned)),
        captioned(bilingual("convolution.turned.correlation"), matrix(correlated, limit=4)),
        captioned(bilingual("convolution.turned.convolution"), matrix(convolved, limit=4, ring=changed)),
        class_="lane",
    )
