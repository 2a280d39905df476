"""Arithmetic on maps of one, two or three axes: blurring, stretching, ranking."""

from math import ceil

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

BLUR = 1 / 16
"""Standard deviation of a baseline's blur, as a share of the shorter side: 14 pixels of 224."""

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def blurred(x: Float[Tensor, "b c *size"], share: float = BLUR) -> Float[Tensor, "b c *size"]:
    """The Gaussian blur; the border's values go on outside."""
    sigma = max(share * min(x.shape[2:]), 0.5)
    reach = ceil(3 * sigma)
    at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    weights = torch.exp(-0.5 * (at / sigma) ** 2)
    weights = weights / weights.sum()
    for axis in range(2, x.dim()):
        lines = x.movedim(axis, -1)
        shape = lines.shape
        padded = F.pad(lines.reshape(-1, 1, shape[-1]), (reach, reach), mode="replicate")
        x = F.conv1d(padded, weights.view(1, 1, -1)).view(shape).movedim(-1, axis)
    return x.contiguous()


def interpolate(maps: Float[Tensor, "b c *size"], size: tuple[int, ...]) -> Float[Tensor, "b c *target"]:
    """The maps at another size, interpolated linearly; values sit in the middle of their cells."""
    if tuple(maps.shape[2:]) == size:
        return maps
    return F.interpolate(maps, size=size, mode=_LINEAR[len(size)], align_corners=False)


def per_position(
    attribution: Float[Tensor, "b c *size"], *, strongest: bool
) -> Float[Tensor, "b *positions"]:
    """One number for each position: the sum of channels, or their largest absolute value."""
    if attribution.dim() == 2:
        return attribution.abs() if strongest else attribution
    return attribution.abs().amax(1) if strongest else attribution.sum(1)


def broadcast_mask(mask: Float[Tensor, "b *size"], like: Tensor) -> Tensor:
    """A mask of positions in the axes of an input."""
    return mask if like.dim() == 2 else mask[:, None]


def ranked_positions(heat: Float[Tensor, " n"], seed: int = 0) -> Int64[Tensor, " n"]:
    """Positions from the hottest to the coldest; equal ones in random, repeatable order."""
    shuffle = torch.randperm(len(heat), generator=torch.Generator().manual_seed(seed)).to(heat.device)
    return shuffle[heat[shuffle].argsort(descending=True, stable=True)]


def ranks(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Ranks from 0; equal values share their mean rank."""
    _, inverse, counts = values.double().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() + 1) / 2)[inverse]


def rank_correlation(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> float:
    """Spearman's rank correlation; 0 where one of them is constant."""
    a, b = ranks(a.flatten()), ranks(b.flatten())
    a, b = a - a.mean(), b - b.mean()
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 0 else 0.0
