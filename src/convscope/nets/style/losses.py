"""Losses of neural style transfer: Gram matrices of features for style, features for content.

Source: Gatys, Ecker and Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks", CVPR,
equations 1 to 6; weighted by regions: Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style
Transfer", arXiv:1611.07865, section 4.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


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
    flat = features.flatten(2)
    if weights is None:
        return _Products.apply(flat, torch.full((), 1 / flat.shape[2], dtype=flat.dtype, device=flat.device))
    share = weights.flatten().to(flat.dtype)
    total = share.sum()
    return _Products.apply(flat, share / torch.where(total > 0, total, torch.ones_like(total)))


class _Products(torch.autograd.Function):
    """Weighted sums over positions of the products of two channels' values.

    The gradient is one matrix product, where autograd would compute one for each of the two factors and add
    them up: three maps at once, at the moment when a step needs most memory.
    """

    @staticmethod
    def forward(ctx: Any, flat: Float[Tensor, "b c n"], share: Float[Tensor, "*n"]) -> Float[Tensor, "b c c"]:
        ctx.save_for_backward(flat, share)
        if not share.dim():
            return torch.bmm(flat, flat.transpose(1, 2)) * share
        return torch.bmm(flat * share, flat.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *outer: Float[Tensor, "b c c"]) -> tuple[Tensor, None]:
        flat, share = ctx.saved_tensors
        both = (outer[0] + outer[0].transpose(1, 2)).to(flat.dtype)
        if not share.dim():
            return torch.bmm(flat.transpose(1, 2), both * share).transpose(1, 2), None
        return torch.bmm(flat.transpose(1, 2), both).transpose(1, 2) * share, None


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
