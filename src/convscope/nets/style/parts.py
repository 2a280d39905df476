"""Building blocks of feed-forward style networks.

No normalisation unless requested, so that every pixel depends on its neighbourhood alone: tiles of an
image, stylized one by one, fit together exactly.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

LEAST = 8
"""Shortest side in pixels for which reflection padding at a quarter of the size is defined."""
STEP = 4
"""Sides are padded to multiples of this: maps are halved twice."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luminance: ITU-R BT.601, as in YIQ."""

Maps = Float[Tensor, "_ _ _ _"]
"""Images or feature maps `[b c h w]`."""
Kind = TypeVar("Kind", bound="FeedForwardStyleNet")


class FeedForwardStyleNet(nn.Module):
    """Base class of feed-forward style networks: a configuration, saved with them, that decides all sizes.

    Args:
        form: the configuration, an instance of `shape`.
    """

    shape: ClassVar[type]
    """Dataclass of the configuration."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.form = form

    @classmethod
    def of(cls: type[Kind], options: dict[str, Any]) -> Kind:
        """Build a network from its saved options.

        Args:
            options: what the property `options` returned, also after a round trip through JSON.

        Returns:
            The network, with fresh weights.
        """
        tuples = {name: tuple(value) for name, value in options.items() if isinstance(value, list)}
        return cls(cls.shape(**{**options, **tuples}))

    @property
    def options(self) -> dict[str, Any]:
        """The configuration from which `of` builds the same network, JSON-ready."""
        return asdict(self.form)


class InstanceNormWithFixedStats(nn.InstanceNorm2d):
    """Instance normalisation whose statistics can be fixed, so that a tile is treated like the whole image.

    Args:
        channels: number of channels.

    Attributes:
        held: mean and variance `[1 c 1 1]` used in place of the input's own; None for ordinary instance
            normalisation.
    """

    held: tuple[Tensor, Tensor] | None = None

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, input: Maps) -> Maps:
        """Normalise each image and channel, then apply the learned scale and shift.

        Args:
            input: maps `[b c h w]`.

        Returns:
            The normalised maps, of the same shape.
        """
        if self.held is None:
            return super().forward(input)
        mean, variance = self.held
        scale = self.weight.view(1, -1, 1, 1) * (variance + self.eps).rsqrt()
        return input * scale + (self.bias.view(1, -1, 1, 1) - mean * scale)


def convolution(channels: int, filters: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution with reflection padding that keeps the size, up to its stride.

    Args:
        channels: input channels.
        filters: output channels.
        size: odd height and width of the kernel, in pixels.
        stride: stride in pixels.

    Returns:
        The convolution, with Kaiming normal weights and zero biases.
    """
    made = nn.Conv2d(channels, filters, size, stride, padding=size // 2, padding_mode="reflect")
    if made.weight.is_meta:  # even trying would import torch's compiler
        return made
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    nn.init.zeros_(made.bias)  # pyright: ignore[reportArgumentType]
    return made


def unit(channels: int, filters: int, size: int, stride: int = 1, *, norm: bool = False) -> nn.Sequential:
    """Make a convolution followed by instance normalisation, if requested, and ReLU.

    Args:
        channels: input channels.
        filters: output channels.
        size: odd height and width of the kernel, in pixels.
        stride: stride in pixels.
        norm: insert `InstanceNormWithFixedStats`.

    Returns:
        The layers in sequence.
    """
    made = [convolution(channels, filters, size, stride)]
    return nn.Sequential(*made, *([InstanceNormWithFixedStats(filters)] if norm else []), nn.ReLU())


def last(channels: int, size: int = 5) -> nn.Conv2d:
    """Make the convolution that produces RGB; its weights start small, so that its output starts nearly grey.

    Args:
        channels: input channels.
        size: odd height and width of the kernel, in pixels.

    Returns:
        The convolution to three channels.
    """
    made = convolution(channels, 3, size)
    with torch.no_grad():
        made.weight.mul_(0.1)
    return made


class Residual(nn.Module):
    """Residual block of two 3x3 convolutions; without normalisation it starts as the identity.

    Args:
        channels: input and output channels.
        norm: use instance normalisation.

    Source: He et al. 2015, arXiv:1512.03385; starting at the identity: Zhang et al. 2019 (Fixup),
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
        """Add the output of the two convolutions to the input.

        Args:
            maps: maps `[b c h w]`.

        Returns:
            Maps of the same shape.
        """
        return maps + self.norm(self.second(self.first(maps)))


class UpsampleConv(nn.Module):
    """Nearest-neighbour upsampling by 2, then a 3x3 convolution and ReLU.

    A transposed convolution would produce checkerboard artifacts.

    Args:
        channels: input channels.
        filters: output channels.
        norm: use instance normalisation.

    Source: Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts", Distill.
    """

    def __init__(self, channels: int, filters: int, *, norm: bool = False) -> None:
        super().__init__()
        self.unit = unit(channels, filters, 3, norm=norm)

    def forward(self, maps: Maps) -> Maps:
        """Upsample and convolve.

        Args:
            maps: maps `[b channels h w]`.

        Returns:
            Maps `[b filters 2h 2w]`.
        """
        return self.unit(functional.interpolate(maps, scale_factor=2, mode="nearest"))


def any_size(paint: Callable[[Maps], Maps], images: Maps, step: int = STEP, least: int = LEAST) -> Maps:
    """Run a function that needs sides of a multiple of `step` on images of any size.

    The right and lower edges are padded by replication, and cropped off the result.

    Args:
        paint: maps images to images of the same height and width.
        images: images `[b c h w]`.
        step: height and width are padded to a multiple of this many pixels.
        least: height and width are padded to at least this many pixels.

    Returns:
        The function's result, with the height and width of `images`.
    """
    height, width = images.shape[-2:]
    down, across = (max(least, -(-side // step) * step) - side for side in (height, width))
    if not down and not across:
        return paint(images)
    wider = functional.pad(images, (0, across, 0, down), mode="replicate")
    return paint(wider)[..., :height, :width]


def as_picture(painted: Maps, mean: float, std: float) -> Maps:
    """Denormalise images to `[0, 1]`, not clipped.

    Args:
        painted: images in the normalised scale, `[b 3 h w]`.
        mean: mean of the normalisation, for values in [0, 1].
        std: its standard deviation.

    Returns:
        `painted * std + mean`.
    """
    return torch.add(painted * std, mean)
