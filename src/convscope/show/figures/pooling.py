"""Max pooling keeps the stroke, average pooling thins it."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from convscope.show.figure import Figure
from convscope.show.figures.matrix import captioned
from convscope.show.picture import ink, tag
from convscope.show.svg import element, join
from convscope.show.words import both


def figure(digit: Tensor) -> Figure:
    """A digit `[1 h w]` in [0, 1], pooled once and twice either way."""
    lanes = [
        element("div", captioned(both("convolution.pooling.digit"), tag(ink(digit), "28×28")),
                *_row("max", F.max_pool2d, digit), class_="lane"),
        element("div", captioned(both("convolution.pooling.digit"), tag(ink(digit), "28×28")),
                *_row("average", F.avg_pool2d, digit), class_="lane"),
    ]  # fmt: skip
    largest, mean = F.max_pool2d(digit[None], 4).max().item(), F.avg_pool2d(digit[None], 4).max().item()
    return Figure(
        "convolution.pooling", element("div", join(lanes), class_="lanes pictures"),
        'python -c "from convscope.worlds import digits; from torch.nn.functional import max_pool2d as p; '
        'print(p(digits.test().batch([0]).float(), 4))"',
        "Dominik Scherer, Andreas Müller, Sven Behnke, Evaluation of pooling operations (ICANN 2010)",
        {"max": f"{largest:.2f}", "average": f"{mean:.2f}",
         "spread": f"{(torch.count_nonzero(F.avg_pool2d(digit[None], 4) > 0.5).item())}",
         "kept": f"{(torch.count_nonzero(F.max_pool2d(digit[None], 4) > 0.5).item())}"},
    )  # fmt: skip


def _row(kind: str, pool: Callable[..., Tensor], digit: Tensor) -> list[str]:
    made = []
    for size in (2, 4):
        small = pool(digit[None], size)[0]
        extent = f"{small.shape[-2]}×{small.shape[-1]}"
        made.append(captioned(both(f"convolution.pooling.{kind}", extent=extent), tag(ink(small), extent)))
    return made
