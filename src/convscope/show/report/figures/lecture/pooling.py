"""Max pooling keeps the stroke, average pooling thins it."""

from torch import Tensor
from torch.nn import functional as F

from convscope.show.images.draw import grayscale_alpha, tag
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import captioned
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element

LINE = (
    'python -c "from convscope.show import lessons as l; '
    "from torch.nn.functional import avg_pool2d, max_pool2d; d = l.digit({number}); "
    'print((max_pool2d(d, 2) > 0.5).sum(), (avg_pool2d(d, 2) > 0.5).sum())"'
)


def figure(digit: Tensor, number: int) -> Figure:
    """The first test digit of class `number`, `[1 h w]` in [0, 1], and pooled 2x2 either way."""
    largest, mean = F.max_pool2d(digit[None], 2)[0], F.avg_pool2d(digit[None], 2)[0]
    small = f"{largest.shape[-2]}×{largest.shape[-1]}"
    lane = element(
        "div",
        captioned(bilingual("convolution.pooling.digit"), tag(grayscale_alpha(digit), "28×28")),
        captioned(bilingual("convolution.pooling.max", extent=small), tag(grayscale_alpha(largest), small)),
        captioned(bilingual("convolution.pooling.average", extent=small), tag(grayscale_alpha(mean), small)),
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
