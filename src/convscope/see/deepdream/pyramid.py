"""Image pyramids: sizes, resizing, tileable images, zoom and circular transforms."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

FADE = 0.2
"""Share of each side over which a seamless image's edges are blended."""
WRAP = 64
"""Width in pixels of the circular padding of a seamless image."""


def sizes(size: tuple[int, int], octaves: int, scale: float) -> list[tuple[int, int]]:
    """Return the sizes of an image pyramid.

    Args:
        size: height and width of the image.
        octaves: number of sizes.
        scale: ratio of consecutive sizes, above 1.

    Returns:
        Heights and widths from the smallest to the image's own, without duplicates.
    """
    found = [
        (max(1, round(size[0] / scale**n)), max(1, round(size[1] / scale**n)))
        for n in reversed(range(octaves))
    ]
    return list(dict.fromkeys(found))


def resized(
    image: Float[Tensor, "b c h w"], size: tuple[int, int], *, around: bool = False
) -> Float[Tensor, "b c *size"]:
    """Resize images by antialiased bilinear interpolation.

    Args:
        image: a batch of images.
        size: height and width to resize to.
        around: treat images as periodic, so that opposite edges still fit.

    Returns:
        The resized images; the same tensor if the size is equal.
    """
    if tuple(image.shape[2:]) == size:
        return image
    if around:
        down, across = (
            _spread(have, wanted).to(image) for have, wanted in zip(image.shape[2:], size, strict=True)
        )
        return torch.einsum("th,bchw,sw->bcts", down, image, across)
    return F.interpolate(image, size=size, mode="bilinear", antialias=True, align_corners=False)


def _spread(have: int, wanted: int) -> Float[Tensor, "wanted have"]:
    """Return the matrix of a periodic linear interpolation from `have` to `wanted` positions."""
    reach = max(1.0, have / wanted)
    middle = (torch.arange(wanted, dtype=torch.float64)[:, None] + 0.5) * have / wanted - 0.5
    apart = (torch.arange(have)[None] - middle).remainder(have)
    weights = (1 - torch.minimum(apart, have - apart) / reach).clamp_min(0)
    return weights / weights.sum(1, keepdim=True)


def tileable(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Make opposite edges fit, by blending the image near its edges with itself shifted by half its extent.

    Args:
        image: a batch of images.

    Returns:
        Images of the same size.
    """
    for axis in (2, 3):
        extent = image.shape[axis]
        reach = max(1, round(FADE * extent))
        at = torch.arange(extent, device=image.device, dtype=image.dtype)
        edge = torch.minimum(at + 0.5, extent - 0.5 - at) / reach
        weight = edge.clamp(0, 1)
        weight = (weight * weight * (3 - 2 * weight)).view(-1, *[1] * (3 - axis))
        image = weight * image + (1 - weight) * image.roll(extent // 2, axis)
    return image


def zoomed(image: Float[Tensor, "b c h w"], factor: float) -> Float[Tensor, "b c h w"]:
    """Magnify the centre of images to their full size, by bicubic interpolation.

    Args:
        image: a batch of images.
        factor: magnification, above 1.

    Returns:
        Images of the same size; interpolation may exceed the value range slightly.
    """
    grid = F.affine_grid(
        torch.tensor([[[1 / factor, 0, 0], [0, 1 / factor, 0]]], dtype=image.dtype, device=image.device),
        [1, *image.shape[1:]],
        align_corners=False,
    )
    grid = grid.expand(len(image), -1, -1, -1)
    return F.grid_sample(image, grid, mode="bicubic", padding_mode="reflection", align_corners=False)


@dataclass(frozen=True)
class CircularShift:
    """Roll a batch of images by one random shift of up to `amount` pixels along each axis."""

    amount: int

    def __call__(self, image: Float[Tensor, "b c h w"], generator: Generator) -> Float[Tensor, "b c h w"]:
        """Return the shifted images."""
        most = [min(self.amount, extent - 1) for extent in image.shape[2:]]
        shifts = [int(torch.randint(-m, m + 1, (), generator=generator)) if m else 0 for m in most]
        return image.roll(shifts, (2, 3)) if any(shifts) else image


@dataclass(frozen=True)
class CircularPad:
    """Pad images circularly with `width` pixels at each side."""

    width: int = WRAP

    def __call__(
        self, image: Float[Tensor, "b c h w"], generator: Generator
    ) -> Float[Tensor, "b c higher wider"]:
        """Return images padded by `width` at every side, or by the image's own extent if that is less."""
        down, across = (min(self.width, extent) for extent in image.shape[2:])
        return F.pad(image, (across, across, down, down), mode="circular")
