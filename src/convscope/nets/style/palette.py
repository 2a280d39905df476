"""Colours of paintings: affine maps that give a photograph a painting's palette, and its low frequencies.

Source: the linear optimal transport between two normal distributions, as in Gatys, Bethge, Hertzmann and
Shechtman 2016, "Preserving Color in Neural Artistic Style Transfer", arXiv:1606.05897.
"""

from collections.abc import Mapping, Sequence
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from convscope.errors import UsageError
from convscope.nets.style.parts import Maps

LEAST = 1e-5
"""Added to variances of colours in [0, 1], so that images of a single colour can be inverted."""
MOST_GAIN = 3.0
"""Largest factor by which a photograph's contrasts grow where they are given a painting's palette."""
SIGMA = 5.0
"""Standard deviation, in pixels, of the Gaussian below whose frequencies colours are the palette's."""
RADIUS = 16
"""Radius of that Gaussian in pixels: three standard deviations, up to whole steps of the tiles."""
ENOUGH = 1_000_000
"""Most pixels of a photograph from which its colours' statistics are computed."""

ColourStatistics = tuple[Float[Tensor, "3 1"], Float[Tensor, "3 3"]]
"""Mean colour, and covariance of colours."""


def colour_statistics(
    image: Float[Tensor, "3 h w"], weights: Float[Tensor, "h w"] | None = None
) -> ColourStatistics:
    """Compute the mean and the covariance of an image's colours.

    Args:
        image: RGB image in [0, 1].
        weights: how much each pixel counts; all alike if None. Their sum is above 0.

    Returns:
        Both, in float64; the covariance regularised by `LEAST`.
    """
    flat = image.flatten(1).double()
    share = torch.ones_like(flat[:1]) if weights is None else weights.flatten()[None].to(flat)
    share = share / share.sum()
    mean = (flat * share).sum(1, keepdim=True)
    free = flat - mean
    return mean, (free * share) @ free.T + LEAST * torch.eye(3, dtype=free.dtype, device=free.device)


def photo_statistics(pixels: Tensor) -> ColourStatistics:
    """Compute `colour_statistics` of a photograph from a grid of `ENOUGH` pixels at most.

    Args:
        pixels: the photograph `[3 h w]`, uint8.

    Returns:
        Mean and covariance of its colours in [0, 1].
    """
    stride = 1
    while pixels[0].numel() > ENOUGH * stride**2:
        stride += 1
    return colour_statistics(pixels[:, ::stride, ::stride].double() / 255)


def colour_map(
    own: ColourStatistics, wanted: ColourStatistics, most_gain: float | None = None
) -> Float[Tensor, "3 4"]:
    """Compute the affine map that gives colours another mean and covariance, and moves them least.

    Args:
        own: statistics of the colours to change.
        wanted: statistics that they shall have.
        most_gain: largest factor by which a difference of colours may grow; None for any.

    Returns:
        A symmetric matrix, and the offset as a last column; float64.
    """
    (mean, one), (goal, two) = own, wanted
    root, back = _power(one, 0.5), _power(one, -0.5)
    matrix = back @ _power(root @ two @ root, 0.5) @ back
    if most_gain is not None:
        values, vectors = torch.linalg.eigh(matrix)
        matrix = vectors @ torch.diag(values.clamp_max(most_gain)) @ vectors.T
    return torch.cat([matrix, goal - matrix @ mean], 1)


def apply_colour_map(image: Float[Tensor, "*b 3 h w"], affine: Float[Tensor, "3 4"]) -> Tensor:
    """Apply an affine map to the colours of images.

    Args:
        image: RGB images to change.
        affine: matrix and offset, as from `colour_map`, or a mean of several.

    Returns:
        The changed images; values may leave the range.
    """
    matrix, offset = affine[:, :3].to(image), affine[:, 3].to(image)
    return torch.einsum("oc,...chw->...ohw", matrix, image) + offset[:, None, None]


def with_palettes(
    painted: Float[Tensor, "b 3 h w"],
    photo: Float[Tensor, "b 3 h w"],
    weights: Mapping[str, float | Tensor],
    maps: Mapping[str, Float[Tensor, "3 4"]],
) -> Float[Tensor, "b 3 h w"]:
    """Replace the low frequencies of a painted photograph by those of the photograph in the palettes.

    A network that sees a few dozen pixels paints a clear sky dark where no edge is near, and bright beside
    one. So what varies slowly is taken from the photograph, its colours mapped to the painting's; strokes and
    contours are the network's.

    Args:
        painted: what a network painted, in [0, 1].
        photo: the photograph, in [0, 1].
        weights: weight of each style, a number or `[1 1 h w]`; what is missing from a sum of 1 is the
            photograph itself. Sums above 1 are reduced to 1.
        maps: colour map of each style, from `colour_map`; of others the painted colours stay.

    Returns:
        The picture, in float32; values may leave the range.
    """
    painted, photo = painted.float(), photo.float()
    one = torch.ones((), device=photo.device)
    total = sum((one * weight for weight in weights.values()), 0 * one)
    scale = 1 / total.clamp_min(1)
    target = photo * (1 - total * scale)
    for name, weight in weights.items():
        coloured = apply_colour_map(photo, maps[name]) if name in maps else painted
        target = target + coloured * (one * weight * scale)
    return painted + gaussian_blur(target - painted)


def gaussian_blur(images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Convolve each channel with a Gaussian of `SIGMA`; edges are repeated.

    Rows first, then columns: torchvision's `gaussian_blur` convolves with the whole square, 16 times as much.

    Args:
        images: maps of any size.

    Returns:
        Maps of the same shape.
    """
    channels = images.shape[1]
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float32, device=images.device)
    kernel = torch.exp(-0.5 * (steps / SIGMA).square())
    kernel = (kernel / kernel.sum()).expand(channels, 1, 1, -1)
    maps = images.float().contiguous(memory_format=torch.channels_last)  # oneDNN takes minutes in bf16
    across = functional.conv2d(_pad(maps, (RADIUS, RADIUS, 0, 0)), kernel, groups=channels)
    down = functional.conv2d(_pad(across, (0, 0, RADIUS, RADIUS)), kernel.mT, groups=channels)
    return down.to(images.dtype)


def _pad(maps: Maps, margins: tuple[int, int, int, int]) -> Maps:
    """Repeat the edges of maps; they stay channels-last."""
    wide = functional.pad(maps, margins, mode="replicate")
    return wide.contiguous(memory_format=torch.channels_last)


def to_numbers(statistics: ColourStatistics) -> list[float]:
    """Return statistics as 12 numbers: of each colour its row of the covariance, and its mean.

    Args:
        statistics: mean and covariance.

    Returns:
        The numbers, JSON-ready, rounded to six digits after the point.
    """
    mean, covariance = statistics
    return [round(value, 6) for value in torch.cat([covariance, mean], 1).flatten().tolist()]


def from_numbers(packed: Sequence[float]) -> ColourStatistics:
    """Return the statistics from `to_numbers`.

    Args:
        packed: the numbers.

    Returns:
        Mean and covariance.

    Raises:
        UsageError: these are not the statistics of colours in [0, 1].
    """
    given = list(packed) if isinstance(packed, list | tuple) else []
    numbers = [value for value in given if isinstance(value, int | float) and isfinite(value)]
    if len(numbers) == len(given) == 12:
        values = torch.tensor(numbers, dtype=torch.float64, device="cpu").view(3, 4)
        mean, covariance = values[:, 3:], values[:, :3]
        small = bool((values.abs() <= 1).all()) and torch.equal(covariance, covariance.T)
        if small and float(torch.linalg.eigvalsh(covariance)[0]) > 0:
            return mean, covariance
    raise UsageError(
        "12 numbers: of each colour a row of the covariance, and its mean",
        received=str(packed)[:100],
        hint="StyleBank.set_palette stores those of a painting.",
    )


def _power(matrix: Float[Tensor, "3 3"], exponent: float) -> Float[Tensor, "3 3"]:
    """Return a power of a symmetric positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(0) ** exponent) @ vectors.T
