"""Keeping a picture's colours when it is painted anew.

Source: Gatys, Bethge, Hertzmann and Shechtman 2016, "Preserving Color in Neural Artistic Style Transfer",
arXiv:1606.05897.
"""

import torch
from jaxtyping import Float
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as in YIQ."""
LEAST = 1e-5
"""Added to variances of colours from 0 to 1: a picture of one colour has none."""


def luminance(image: Float[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 1 h w"]:
    """How light each pixel is."""
    weights = torch.tensor(LUMA, dtype=image.dtype, device=image.device).view(3, 1, 1)
    return (image * weights).sum(-3, keepdim=True)


def with_colours_of(
    light: Float[Tensor, "*b c h w"], coloured: Float[Tensor, "*b 3 h w"]
) -> Float[Tensor, "*b 3 h w"]:
    """The luminance of one picture and the colours of another: Y of one, I and Q of the other."""
    grey = light if light.shape[-3] == 1 else luminance(light)
    return coloured + (grey - luminance(coloured))


def same_spread(
    light: Float[Tensor, "*b 1 h w"], wanted: Float[Tensor, "*b 1 y x"]
) -> Float[Tensor, "*b 1 h w"]:
    """A luminance moved and stretched to another's mean and standard deviation."""
    scale = wanted.std() / light.std().clamp_min(LEAST)
    return (light - light.mean()) * scale + wanted.mean()


def same_colours(image: Float[Tensor, "3 h w"], wanted: Float[Tensor, "3 y x"]) -> Float[Tensor, "3 h w"]:
    """A picture whose colours have another's mean and covariance, changed as little as can be.

    The linear map is the one between the two normal distributions that moves colours least: symmetric, by
    the principal square roots of the covariances.
    """
    flat, other = image.flatten(1).double(), wanted.flatten(1).double()
    mean, goal = flat.mean(1, keepdim=True), other.mean(1, keepdim=True)
    one, two = _covariance(flat - mean), _covariance(other - goal)
    root = _power(one, 0.5)
    back = _power(one, -0.5)
    matrix = back @ _power(root @ two @ root, 0.5) @ back
    return (matrix @ (flat - mean) + goal).view_as(image).to(image.dtype)


def _covariance(free: Float[Tensor, "3 n"]) -> Float[Tensor, "3 3"]:
    return free @ free.T / free.shape[1] + LEAST * torch.eye(3, dtype=free.dtype, device=free.device)


def _power(matrix: Float[Tensor, "3 3"], exponent: float) -> Float[Tensor, "3 3"]:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(0) ** exponent) @ vectors.T
