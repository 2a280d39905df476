"""Max pooling keeps the stroke, average pooling thins it."""

from torch import Tensor
from torch.nn import functional as F

from convscope.show.figure import Figure
from convscope.show.figures.matrix import captioned
from convscope.show.picture import ink, tag
from convscope.show.svg import element
from convscope.show.words import both

SCRIPT = """\
from convscope.worlds import digits, scaled
from torch.nn.functional import avg_pool2d, max_pool2d
data = digits.test()
digit = scaled(data.batch([int((data.labels == 3).nonzero()[0])]), data.contract)
print((max_pool2d(digit, 2) > 0.5).sum(), (avg_pool2d(digit, 2) > 0.5).sum())"""


def figure(digit: Tensor) -> Figure:
    """A digit `[1 h w]` in [0, 1], and pooled 2x2 either way."""
    largest, mean = F.max_pool2d(digit[None], 2)[0], F.avg_pool2d(digit[None], 2)[0]
    small = f"{largest.shape[-2]}×{largest.shape[-1]}"
    lane = element(
        "div",
        captioned(both("convolution.pooling.digit"), tag(ink(digit), "28×28")),
        captioned(both("convolution.pooling.max", extent=small), tag(ink(largest), small)),
        captioned(both("convolution.pooling.average", extent=small), tag(ink(mean), small)),
        class_="lane",
    )
    return Figure(
        "convolution.pooling", element("div", lane, class_="pictures"), SCRIPT,
        "Dominik Scherer, Andreas Müller, Sven Behnke, Evaluation of pooling operations (ICANN 2010)",
        {"kept": int((largest > 0.5).sum()), "spread": int((mean > 0.5).sum())},
    )  # fmt: skip
