"""What painting networks are made of.

No normalisation unless asked for, so that every pixel depends on its neighbourhood alone: parts of a picture,
painted one by one, fit together exactly.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

LEAST = 8
"""Pixels of a side that reflection at a quarter of the size needs."""
STEP = 4
"""Sides are made multiples of this: two halvings."""

Maps = Float[Tensor, "_ _ _ _"]
"""Batch, channels, height, width."""
Kind = TypeVar("Kind", bound="FeedForwardStyleNet")


class FeedForwardStyleNet(nn.Module):
    """What painting networks have in common: a form, saved with them, that says all about their sizes."""

    shape: ClassVar[type]
    """The form's class."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.form = form

    @classmethod
    def of(cls: type[Kind], options: dict[str, Any]) -> Kind:
        """From what `options` wrote, as JSON gives it back."""
        tuples = {name: tuple(value) for name, value in options.items() if isinstance(value, list)}
        return cls(cls.shape(**{**options, **tuples}))

    @property
    def options(self) -> dict[str, Any]:
        """What makes the same network again, JSON-ready."""
        return asdict(self.form)


class InstanceNormWithFixedStats(nn.InstanceNorm2d):
    """Instance normalisation whose statistics can be held, so that a part is treated like its whole.

    With `held` set to mean and variance `[1 c 1 1]`, these are used in place of the input's own.
    """

    held: tuple[Tensor, Tensor] | None = None

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, input: Maps) -> Maps:
        """Zero mean and unit variance for each picture and channel, then a learned scale and shift."""
        if self.held is None:
            return super().forward(input)
        mean, variance = self.held
        scale = self.weight.view(1, -1, 1, 1) * (variance + self.eps).rsqrt()
        return input * scale + (self.bias.view(1, -1, 1, 1) - mean * scale)


def convolution(channels: int, filters: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size (over `stride`); beyond the edge the picture is mirrored."""
    made = nn.Conv2d(channels, filters, size, stride, padding=size // 2, padding_mode="reflect")
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    nn.init.zeros_(made.bias)  # pyright: ignore[reportArgumentType]
    return made


def unit(channels: int, filters: int, size: int, stride: int = 1, *, norm: bool = False) -> nn.Sequential:
    """Convolution, normalisation if asked for, ReLU."""
    made = [convolution(channels, filters, size, stride)]
    return nn.Sequential(*made, *([InstanceNormWithFixedStats(filters)] if norm else []), nn.ReLU())


def last(channels: int, size: int = 5) -> nn.Conv2d:
    """The convolution that makes red, green and blue; grey, nearly, at first."""
    made = convolution(channels, 3, size)
    with torch.no_grad():
        made.weight.mul_(0.1)
    return made


class Residual(nn.Module):
    """Two convolutions beside an identity; nothing but the identity at first.

    Source: He et al. 2015, arXiv:1512.03385; beginning at the identity: Zhang et al. 2019 (Fixup),
    arXiv:1901.09321.
    """

    def __init__(self, channels: int, *, norm: bool = False) -> None:
        super().__init__()
        self.first = unit(channels, channels, 3, norm=norm)
        self.second = convolution(channels, channels, 3)
        self.norm = InstanceNormWithFixedStats(channels) if norm else nn.Identity()
        if not norm:
            nn.init.zeros_(self.second.weight)

    def forward(self, maps: Maps) -> Maps:
        """The maps, and what the two convolutions add to them."""
        return maps + self.norm(self.second(self.first(maps)))


class UpsampleConv(nn.Module):
    """Twice the size: each pixel four times, then a convolution and ReLU.

    A transposed convolution would leave a checkerboard. Source: Odena, Dumoulin and Olah 2016,
    "Deconvolution and Checkerboard Artifacts", Distill.
    """

    def __init__(self, channels: int, filters: int, *, norm: bool = False) -> None:
        super().__init__()
        self.unit = unit(channels, filters, 3, norm=norm)

    def forward(self, maps: Maps) -> Maps:
        """Maps of twice the height and width."""
        return self.unit(functional.interpolate(maps, scale_factor=2, mode="nearest"))


def any_size(paint: Callable[[Maps], Maps], images: Maps, step: int = STEP, least: int = LEAST) -> Maps:
    """Run something that needs sides of a multiple of `step` on pictures of any size.

    The right and lower edge are continued, and cut off again.
    """
    height, width = images.shape[-2:]
    down, across = (max(least, -(-side // step) * step) - side for side in (height, width))
    if not down and not across:
        return paint(images)
    wider = functional.pad(images, (0, across, 0, down), mode="replicate")
    return paint(wider)[..., :height, :width]


def as_picture(painted: Maps, mean: float, std: float) -> Maps:
    """From the scale of normalised pictures to `[0, 1]`, not clipped."""
    return torch.add(painted * std, mean)
