"""The figure of max against average pooling on a digit."""

from torch import Tensor
from torch.nn import functional as F

from convscope.show.images.draw import tag
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import captioned
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element
from convscope.worlds.images import grayscale_alpha

LINE = (
    'python -c "from convscope.show.report import worked_examples as l; '
    "from torch.nn.functional import avg_pool2d, max_pool2d; d = l.digit({number}); "
    'print((max_pool2d(d, 2) > 0.5).sum(), (avg_pool2d(d, 2) > 0.5).sum())"'
)


def figure(digit: Tensor, number: int) -> Figure:
    """Build the figure that compares max and average pooling of a digit.

    It shows the digit and both results at half the resolution, and counts the pixels above 0.5 in each: max
    pooling keeps thin strokes, average pooling dilutes them.

    Args:
        digit: `[1 h w]` in [0, 1]: the first test digit of class `number`.
        number: its class, for the command.

    Returns:
        The figure.
    """
    largest, mean = F.max_pool2d(digit[None], 2)[0], F.avg_pool2d(digit[None], 2)[0]
    small = f"{largest.shape[-2]}×{largest.shape[-1]}"
    alt = spoken("page.alt.size", size=small)
    lane = element(
        "div",
        captioned(
            bilingual("convolution.pooling.digit"),
            tag(grayscale_alpha(digit), spoken("page.alt.size", size="28×28")),
        ),
        captioned(bilingual("convolution.pooling.max", extent=small), tag(grayscale_alpha(largest), alt)),
        captioned(bilingual("convolution.pooling.average", extent=small), tag(grayscale_alpha(mean), alt)),
        class_="lane",
    )
    return Figure(
        "convolution.pooling",
        element("div", lane, class_="pictures"),
        LINE.format(number=number),
        "Dominik Scherer, Andreas Müller, Sven Behnke, Evaluation of pooling operations in convolutional "
        "architectures for object recognition (ICANN 2010)",
        {"kept": int((largest > 0.5).sum()), "spread": int((mean > 0.5).sum())},
    )
