"""The figure of strides, pooling and flattening, with all numbers of the lecture's slides."""

from convscope.show.report import worked_examples
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import captioned, matrix, written
from convscope.show.report.i18n import bilingual
from convscope.show.report.worked_examples import Rows
from convscope.show.svg import element, join

SCRIPT = """\
from convscope.show.report import worked_examples as l
for kernel in (l.DIAGONAL, l.UPRIGHT):
    one = l.correlate(l.IMAGE, kernel)
    print(one, l.correlate(l.IMAGE, kernel, stride=2), l.max_pool(one))"""


def figure() -> Figure:
    """Build the figure of two filters with strides 1 and 2, then max pooling and flattening.

    For each filter: the kernel, the feature map at stride 1 with the values outlined that stride 2 keeps, the
    feature map at stride 2, and the stride-1 map after 2x2 max pooling.

    Returns:
        The figure.
    """
    lanes, flat = [], []
    for key, kernel in (("filter1", worked_examples.DIAGONAL), ("filter2", worked_examples.UPRIGHT)):
        one = worked_examples.correlate(worked_examples.IMAGE, kernel)
        pooled = worked_examples.max_pool(one)
        flat += [value for row in pooled for value in row]
        lanes.append(_lane(key, kernel, one, pooled))
    numbers = element("code", "[" + ", ".join(written(v) for v in flat) + "]")
    ends = element("p", bilingual("convolution.strides.flat"), " ", numbers, class_="mini")
    return Figure(
        "convolution.strides",
        element("div", join(lanes), ends, class_="lanes"),
        SCRIPT,
        "Hung-yi Lee, lecture “Convolutional Neural Network”",
        {"flat": len(flat)},
    )


def _lane(key: str, kernel: Rows, one: Rows, pooled: Rows) -> str:
    two = worked_examples.correlate(worked_examples.IMAGE, kernel, stride=2)
    kept = {(y, x) for y in range(0, len(one), 2) for x in range(0, len(one[0]), 2)}
    return element(
        "div",
        captioned(bilingual(f"convolution.strides.{key}"), matrix(kernel)),
        captioned(bilingual("convolution.strides.one"), matrix(one, ring=kept, limit=4)),
        captioned(bilingual("convolution.strides.two"), matrix(two, limit=4)),
        captioned(bilingual("convolution.strides.pooled"), matrix(pooled, limit=4)),
        class_="lane",
    )
