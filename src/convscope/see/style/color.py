"""Colours in style transfer: preserve those of the content image, match others, decorrelate.

Source: Gatys, Bethge, Hertzmann and Shechtman 2016, "Preserving Color in Neural Artistic Style Transfer",
arXiv:1606.05897.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.nets.style.palette import LEAST, apply_colour_map, colour_map, colour_statistics
from convscope.nets.style.parts import LUMA

LEAST_HUE = 0.02
"""Least eigenvalue of `detail_covariance_root`: how far a grey painting lets hues move, beside brightness."""


def luminance(image: Float[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 1 h w"]:
    """Return the luminance (Y of YIQ) of RGB images.

    Args:
        image: RGB images; any value range.

    Returns:
        The luminance, in the same range, as one channel.
    """
    weights = torch.tensor(LUMA, dtype=image.dtype, device=image.device).view(3, 1, 1)
    return (image * weights).sum(-3, keepdim=True)


def with_colours_of(
    light: Float[Tensor, "*b c h w"], coloured: Float[Tensor, "*b 3 h w"]
) -> Float[Tensor, "*b 3 h w"]:
    """Combine the luminance of one image with the colours of another: Y of one, I and Q of the other.

    Args:
        light: image whose luminance is used; a single channel is taken as luminance.
        coloured: RGB image of the same size whose I and Q are used.

    Returns:
        The RGB image; values may leave the range.
    """
    grey = light if light.shape[-3] == 1 else luminance(light)
    return coloured + (grey - luminance(coloured))


def same_spread(
    light: Float[Tensor, "*b 1 h w"], wanted: Float[Tensor, "*b 1 y x"]
) -> Float[Tensor, "*b 1 h w"]:
    """Match mean and standard deviation of a luminance to those of another.

    Args:
        light: the luminance to change.
        wanted: the luminance whose mean and standard deviation are matched, of any size.

    Returns:
        The changed luminance; values may leave the range.
    """
    scale = wanted.std() / light.std().clamp_min(LEAST)
    return (light - light.mean()) * scale + wanted.mean()


def same_colours(image: Float[Tensor, "3 h w"], wanted: Float[Tensor, "3 y x"]) -> Float[Tensor, "3 h w"]:
    """Match mean and covariance of an image's colours to those of another.

    The linear map is the optimal transport between the two normal distributions, which moves colours least: a
    symmetric matrix, from the principal square roots of the covariances.

    Args:
        image: RGB image to change, in [0, 1].
        wanted: RGB image whose statistics are matched, of any size, in [0, 1].

    Returns:
        The changed image; values may leave the range.
    """
    affine = colour_map(colour_statistics(image), colour_statistics(wanted))
    return apply_colour_map(image, affine)


def detail_covariance_root(
    images: Iterable[Float[Tensor, "3 h w"]], shares: Sequence[float]
) -> Float[Tensor, "3 3"]:
    """Compute the root of the covariance of the differences in colour between neighbouring pixels.

    If an image's parameters are its colours times the root's inverse, its colours are decorrelated (as those
    of photographs are in Olah et al. 2017, "Feature Visualization"): a step changes each direction of colour
    as much as the detail of `images` does. In RGB, activations that know little of colours are matched by
    noise of all hues.

    Args:
        images: RGB images of any size.
        shares: weight of each.

    Returns:
        The symmetric root, float32; its largest eigenvalue is 1, none is below `LEAST_HUE`.
    """
    total = torch.zeros(3, 3, dtype=torch.float64)
    for image, share in zip(images, shares, strict=True):
        steps = torch.cat([image.diff(dim=1).flatten(1), image.diff(dim=2).flatten(1)], 1).double().cpu()
        total += share * (steps @ steps.T) / steps.shape[1]
    values, vectors = torch.linalg.eigh(total)
    root = (values.clamp_min(0) / values[-1].clamp_min(LEAST)).sqrt().clamp_min(LEAST_HUE)
    return ((vectors * root) @ vectors.T).float()


def transform_colours(
    matrix: Float[Tensor, "3 3"] | None, image: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b c h w"]:
    """Multiply the colours of images by a matrix.

    Args:
        matrix: the matrix; None changes nothing.
        image: the images, RGB if there is a matrix.

    Returns:
        Images of the same shape.
    """
    return image if matrix is None else torch.einsum("oc,bchw->bohw", matrix.to(image), image)
