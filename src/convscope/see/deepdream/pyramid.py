"""Pictures at several sizes: what shrinking loses, what a dream adds, edges that fit."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

FADE = 0.2
"""Share of each side over which a seamless picture's edges are blended."""
WRAP = 64
"""Pixels of the opposite side that the network sees beyond the edge of a seamless picture."""


def sizes(size: tuple[int, int], octaves: int, scale: float) -> list[tuple[int, int]]:
    """Heights and widths from the smallest to the picture's own, each once."""
    found = [
        (max(1, round(size[0] / scale**n)), max(1, round(size[1] / scale**n)))
        for n in reversed(range(octaves))
    ]
    return list(dict.fromkeys(found))


def resized(
    image: Float[Tensor, "b c h w"], size: tuple[int, int], *, around: bool = False
) -> Float[Tensor, "b c *size"]:
    """The picture at another size, linearly, without aliasing when it shrinks; `around` joins its edges."""
    if tuple(image.shape[2:]) == size:
        return image
    if around:
        down, across = (
            _spread(have, wanted).to(image) for have, wanted in zip(image.shape[2:], size, strict=True)
        )
        return torch.einsum("th,bchw,sw->bcts", down, image, across)
    return F.interpolate(image, size=size, mode="bilinear", antialias=True, align_corners=False)


def _spread(have: int, wanted: int) -> Float[Tensor, "wanted have"]:
    """What each position after resizing takes of those before, on a circle."""
    reach = max(1.0, have / wanted)
    middle = (torch.arange(wanted, dtype=torch.float64)[:, None] + 0.5) * have / wanted - 0.5
    apart = (torch.arange(have)[None] - middle).remainder(have)
    weights = (1 - torch.minimum(apart, have - apart) / reach).clamp_min(0)
    return weights / weights.sum(1, keepdim=True)


def tileable(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """The picture faded, near its edges, into itself moved by half: opposite edges then fit."""
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
    """The middle of the picture, enlarged to the picture's size."""
    grid = F.affine_grid(
        torch.tensor([[[1 / factor, 0, 0], [0, 1 / factor, 0]]], dtype=image.dtype, device=image.device),
        [1, *image.shape[1:]],
        align_corners=False,
    )
    grid = grid.expand(len(image), -1, -1, -1)
    return F.grid_sample(image, grid, mode="bicubic", padding_mode="reflection", align_corners=False)


@dataclass(frozen=True)
class CircularShift:
    """Moves the picture by up to `amount` pixels along each axis; what leaves comes in at the other side."""

    amount: int

    def __call__(self, image: Float[Tensor, "b c h w"], generator: Generator) -> Float[Tensor, "b c h w"]:
        """The moved picture."""
        most = [min(self.amount, extent - 1) for extent in image.shape[2:]]
        shifts = [int(torch.randint(-m, m + 1, (), generator=generator)) if m else 0 for m in most]
        return image.roll(shifts, (2, 3)) if any(shifts) else image


@dataclass(frozen=True)
class CircularPad:
    """Surrounds the picture with its own opposite sides."""

    width: int = WRAP

    def __call__(
        self, image: Float[Tensor, "b c h w"], generator: Generator
    ) -> Float[Tensor, "b c higher wider"]:
        """Larger by `width` at every side, or by the picture's own extent if that is less."""
        down, across = (min(self.width, extent) for extent in image.shape[2:])
        return F.pad(image, (across, across, down, down), mode="circular")
