"""Operations on heatmaps of one, two or three spatial axes: blur, interpolation, ranking."""

from math import ceil

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

BLUR = 1 / 16
"""Standard deviation of the blur baseline, as a share of the shorter side: 14 pixels of 224."""

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def blurred(x: Float[Tensor, "b c *size"], share: float = BLUR) -> Float[Tensor, "b c *size"]:
    """Blur with a Gaussian, axis by axis; the border is padded with its own values.

    Args:
        x: `[b c *size]`.
        share: standard deviation as a share of the shorter side; at least half a position is used.

    Returns:
        The same shape, contiguous.
    """
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
    """Resize maps by linear interpolation; values are at the centres of their cells (no aligned corners).

    Args:
        maps: `[b c *size]` with one to three spatial axes.
        size: the new spatial size.

    Returns:
        `[b c *size]` at the new size; the maps themselves if they have it already.
    """
    if tuple(maps.shape[2:]) == size:
        return maps
    return F.interpolate(maps, size=size, mode=_LINEAR[len(size)], align_corners=False)


def per_position(
    attribution: Float[Tensor, "b c *size"], *, strongest: bool
) -> Float[Tensor, "b *positions"]:
    """Reduce an attribution to one value for each position.

    Args:
        attribution: `[b c *size]`, or `[b n]` for vectors, whose values are positions.
        strongest: take the largest absolute value of the channels rather than their sum.

    Returns:
        `[b *size]`, or `[b n]` for vectors.
    """
    if attribution.dim() == 2:
        return attribution.abs() if strongest else attribution
    return attribution.abs().amax(1) if strongest else attribution.sum(1)


def broadcast_mask(mask: Float[Tensor, "b *size"], like: Tensor) -> Tensor:
    """Add the channel axis to a mask of positions, so that it multiplies an input.

    Args:
        mask: `[b *size]`.
        like: the input, `[b c *size]` or `[b n]`.

    Returns:
        `[b 1 *size]`, or the mask itself for vectors.
    """
    return mask if like.dim() == 2 else mask[:, None]


def ranked_positions(heat: Float[Tensor, " n"], seed: int = 0) -> Int64[Tensor, " n"]:
    """Sort positions from the highest heat to the lowest.

    Args:
        heat: `[n]`.
        seed: of the random order among positions with equal heat.

    Returns:
        Indices `[n]`.
    """
    shuffle = torch.randperm(len(heat), generator=torch.Generator().manual_seed(seed)).to(heat.device)
    return shuffle[heat[shuffle].argsort(descending=True, stable=True)]


def ranks(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the rank of each value, from 0; equal values share their mean rank.

    Args:
        values: `[n]`.

    Returns:
        Float64 ranks `[n]`.
    """
    _, inverse, counts = values.double().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() + 1) / 2)[inverse]


def rank_correlation(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> float:
    """Compute Spearman's rank correlation.

    Args:
        a: any shape; flattened.
        b: as many values.

    Returns:
        -1 to 1; 0 where one of them is constant.
    """
    a, b = ranks(a.flatten()), ranks(b.flatten())
    a, b = a - a.mean(), b - b.mean()
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 0 else 0.0
