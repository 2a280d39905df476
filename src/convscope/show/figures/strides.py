"""Two filters, two strides, then pooling and flattening: every number of the lecture's slides."""

from convscope.show import lessons
from convscope.show.figure import Figure
from convscope.show.figures.matrix import captioned, matrix, written
from convscope.show.lessons import Rows
from convscope.show.svg import element, join
from convscope.show.words import both

SCRIPT = """\
from convscope.show import lessons as l
for kernel in (l.DIAGONAL, l.UPRIGHT):
    one = l.correlate(l.IMAGE, kernel)
    print(one, l.correlate(l.IMAGE, kernel, stride=2), l.max_pool(one))"""


def figure() -> Figure:
    """Filter, feature map at stride 1 with the stride-2 cells ringed, feature map at stride 2, max pooled."""
    lanes, flat = [], []
    for key, kernel in (("filter1", lessons.DIAGONAL), ("filter2", lessons.UPRIGHT)):
        one = lessons.correlate(lessons.IMAGE, kernel)
        pooled = lessons.max_pool(one)
        flat += [value for row in pooled for value in row]
        lanes.append(_lane(key, kernel, one, pooled))
    numbers = element("code", "[" + ", ".join(written(v) for v in flat) + "]")
    ends = element("p", both("convolution.strides.flat"), " ", numbers, class_="mini")
    return Figure(
        "convolution.strides", element("div", join(lanes), ends, class_="lanes"),
        SCRIPT,
        "Hung-yi Lee, lecture “Convolutional Neural Network”",
        {"flat": len(flat)},
    )  # fmt: skip


def _lane(key: str, kernel: Rows, one: Rows, pooled: Rows) -> str:
    two = lessons.correlate(lessons.IMAGE, kernel, stride=2)
    kept = {(y, x) for y in range(0, len(one), 2) for x in range(0, len(one[0]), 2)}
    return element(
        "div",
        captioned(both(f"convolution.strides.{key}"), matrix(kernel)),
        captioned(both("convolution.strides.one"), matrix(one, ring=kept, limit=4)),
        captioned(both("convolution.strides.two"), matrix(two, limit=4)),
        captioned(both("convolution.strides.pooled"), matrix(pooled, limit=4)),
        class_="lane",
    )
