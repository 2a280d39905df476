"""Losses of neural style transfer: Gram matrices or correlations of features for style, features for content.

Source: Gatys, Ecker and Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks", CVPR,
equations 1 to 6; weighted by regions: Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style
Transfer", arXiv:1611.07865, section 4; why not Gram matrices alone: Risser, Wilmot and Barnes 2017,
"Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram Losses",
arXiv:1701.08893, section 3.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

DEVIATION_SHARE = 1.0
"""Share of the channels' mean standard deviation that is added to each one's before it is divided by."""
SMALLEST_SHARE = 0.01
"""Least such divisor, as a share of the channels' mean, and least squared sum: for styles of one colour."""


def gram(
    features: Float[Tensor, "b c *size"], weights: Float[Tensor, "*size"] | None = None
) -> Float[Tensor, "b c c"]:
    """Compute the Gram matrix of features: the mean over positions of the product of each two channels.

    Gatys' G is M times this, where M is the number of positions. Dividing by M here, once and nowhere else,
    makes images of different sizes comparable.

    Args:
        features: feature maps `[b c *size]`.
        weights: non-negative weight of each position, `[*size]`; normalised to a sum of 1. All equal if
            left out. Where the sum is 0, the result is 0.

    Returns:
        Symmetric matrices `[b c c]`.
    """
    return _averages(features, weights)[0]


def moments(
    features: Float[Tensor, "b c *size"], weights: Float[Tensor, "*size"] | None = None
) -> Float[Tensor, "b c c+1"]:
    """Compute the Gram matrix of features, and as one more column the mean of each channel.

    Like Gram matrices, those of an image's parts, weighted by the parts' shares, add up to the whole's.

    Args:
        features: feature maps `[b c *size]`.
        weights: as in `gram`.

    Returns:
        Matrices `[b c c+1]`.
    """
    products, means = _averages(features, weights)
    return torch.cat([products, means[..., None].to(products.dtype)], -1)


def _averages(features: Float[Tensor, "b c *size"], weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the weighted means over positions of channels' products `[b c c]` and values `[b c]`."""
    flat = features.flatten(2)
    if weights is None:
        return _Averages.apply(flat, torch.full((), 1 / flat.shape[2], dtype=flat.dtype, device=flat.device))
    share = weights.flatten().to(flat.dtype)
    total = share.sum()
    return _Averages.apply(flat, share / torch.where(total > 0, total, torch.ones_like(total)))


class _Averages(torch.autograd.Function):
    """Weighted sums over positions of the products of two channels' values, and of the values.

    The gradient is one matrix product, where autograd would compute one for each of the two factors and add
    them up: three maps at once, at the moment when a step needs most memory.
    """

    @staticmethod
    def forward(
        ctx: Any, flat: Float[Tensor, "b c n"], share: Float[Tensor, "*n"]
    ) -> tuple[Float[Tensor, "b c c"], Float[Tensor, "b c"]]:
        ctx.save_for_backward(flat, share)
        if not share.dim():
            return torch.bmm(flat, flat.transpose(1, 2)) * share, flat.sum(2) * share
        return torch.bmm(flat * share, flat.transpose(1, 2)), flat @ share

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        flat, share = ctx.saved_tensors
        both = (outer[0] + outer[0].transpose(1, 2)).to(flat.dtype)
        means = outer[1][:, None].to(flat.dtype)
        if not share.dim():
            return torch.baddbmm(means * share, flat.transpose(1, 2), both * share).transpose(1, 2), None
        return torch.baddbmm(means, flat.transpose(1, 2), both).transpose(1, 2) * share, None


def style_loss(here: Float[Tensor, "b c c"], wanted: Float[Tensor, "#b c c"]) -> Float[Tensor, " b"]:
    """Compute Gatys' style loss of one layer: the squared distance of two Gram matrices, over 4 N^2.

    N is the number of channels. With Gatys' G = M * `gram` this is 1 / (4 N^2 M^2) sum (G - A)^2.

    Args:
        here: matrices from `gram`, `[b c c]`.
        wanted: matrices of the style, `[1 c c]` or `[b c c]`.

    Returns:
        The loss of each image, `[b]`.
    """
    return (here - wanted).square().sum((-2, -1)) / (4 * here.shape[-1] ** 2)


def correlation_loss(
    here: Float[Tensor, "b c c+1"], wanted: Float[Tensor, "#b c c+1"]
) -> Float[Tensor, " b"]:
    """Compare how channels vary together, and their means, in units of the style's own variation.

    Channels are shifted to have mean 0 in the style, and divided by their standard deviation there plus a
    share of its average (`DEVIATION_SHARE`). A Gram matrix of rectified channels is nearly that of their
    means alone: images can be within 1% of it whose channels vary in quite another way. Without the means
    the correlations are seen, and no channel counts for its size.

    Args:
        here: matrices from `moments`, `[b c c+1]`.
        wanted: matrices of the style, `[1 c c+1]` or `[b c c+1]`.

    Returns:
        The loss of each image `[b]`: the correlations' squared distance, as a share of the style's squared
        sum, and the mean squared distance of the means. 0 is the style; 1 has its means and no variation.
    """
    centre = wanted[..., -1]
    spread = (wanted[..., :-1].diagonal(dim1=-2, dim2=-1) - centre.square()).clamp_min(0).sqrt()
    unit = spread + DEVIATION_SHARE * spread.mean(-1, keepdim=True)
    unit = torch.maximum(unit, SMALLEST_SHARE * centre.abs().mean(-1, keepdim=True))
    unit = torch.where(unit > 0, unit, torch.ones_like(unit))
    goal = _standardised(wanted, centre, unit)
    apart = (_standardised(here, centre, unit) - goal).square().sum((-2, -1))
    shift = ((here[..., -1] - centre) / unit).square().mean(-1)
    return apart / goal.square().sum((-2, -1)).clamp_min(SMALLEST_SHARE) + shift


def _standardised(
    of: Float[Tensor, "b c c+1"], centre: Float[Tensor, "#b c"], unit: Float[Tensor, "#b c"]
) -> Float[Tensor, "b c c"]:
    """Return the mean products of channels that are shifted and scaled, from those as they are."""
    means = of[..., -1]
    crossed = means[..., :, None] * centre[..., None, :]
    shifted = of[..., :-1] - crossed - crossed.transpose(-2, -1) + centre[..., :, None] * centre[..., None, :]
    return shifted / (unit[..., :, None] * unit[..., None, :])


def content_loss(
    features: Float[Tensor, "b *shape"], wanted: Float[Tensor, "#b *shape"]
) -> Float[Tensor, " b"]:
    """Compute the mean squared difference of features, for each image.

    Gatys' content loss is N M / 2 times this, and grows with the image size, which his style loss does not.

    Args:
        features: features of the image, `[b *shape]`.
        wanted: features of the content, `[1 *shape]` or `[b *shape]`.

    Returns:
        The loss of each image, `[b]`.
    """
    return (features - wanted).square().flatten(1).mean(1)
