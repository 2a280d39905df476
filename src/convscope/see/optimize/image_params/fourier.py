"""Fourier parameterization: the change of variables with which gradient ascent gives natural-looking images.

A spectrum is scaled by 1/frequency, as the spectra of photographs are, and its three channels are
uncorrelated; steps of equal length then change low and high frequencies equally.

Source: Olah et al. 2017, "Feature Visualization", Distill, section "Preconditioning and parameterization",
doi:10.23915/distill.00007. The scale, the divisor and the colour matrix are Lucid's, so that spectra mean the
same.
"""

from functools import lru_cache
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

DIVISOR = 4.0
"""Lucid divides its images by 4, which keeps them in the middle of the sigmoid."""

LOUDNESS = 8.0
"""Factor of a sound's loudest frequencies: its steps then reach the largest contrast as soon as images do."""

COLOR_CORRELATION_SVD = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of ImageNet's colours, as printed in Lucid."""


def frequencies(size: tuple[int, ...]) -> Float[Tensor, "*half"]:
    """Return the magnitude of the frequency of each coefficient of a real FFT, in cycles for each pixel.

    Args:
        size: spatial extent of the image.

    Returns:
        From 0 on; the last axis has `size[-1] // 2 + 1` entries.
    """
    axes = [torch.fft.fftfreq(extent) for extent in size[:-1]] + [torch.fft.rfftfreq(size[-1])]
    total = torch.zeros(())
    for axis, values in enumerate(axes):
        total = total + values.square().view(-1, *[1] * (len(axes) - axis - 1))
    return total.sqrt()


@lru_cache(maxsize=32)
def scale(
    size: tuple[int, ...], decay: float, device: torch.device, lowest: float = 0.0
) -> Float[Tensor, "*half"]:
    """Return the factors of the coefficients: 1 / frequency ** decay, over `DIVISOR`; cached.

    Args:
        size: spatial extent of the image.
        decay: exponent; 0 scales all equally.
        device: where the factors live.
        lowest: frequency below which the factors fall again, with its square, relative to which they are
            given: sounds have nothing below that of a voice. 0 for images.

    Returns:
        A factor for each coefficient; the mean counts as the lowest frequency of the longest side.
    """
    found = frequencies(size).clamp_min(1.0 / max(size))
    if lowest:
        heard = (found / lowest).clamp_max(1.0).square() * LOUDNESS
        return (heard / (found / lowest).clamp_min(1.0) ** decay).to(device)
    return (1.0 / found**decay / DIVISOR).to(device)


@lru_cache(maxsize=8)
def color_correlation(device: torch.device) -> Float[Tensor, "3 3"]:
    """Return the matrix from uncorrelated channels to RGB, scaled so that its longest column has length 1.

    Args:
        device: where the matrix lives.

    Returns:
        The matrix; cached, so not to be written to.
    """
    matrix = torch.tensor(COLOR_CORRELATION_SVD)
    return (matrix / matrix.norm(dim=0).max()).to(device)


def image_from_spectrum(
    spectrum: Float[Tensor, "b c *half 2"], size: tuple[int, ...], decay: float, lowest: float = 0.0
) -> Float[Tensor, "b c *size"]:
    """Return the real images of scaled spectra, by one inverse FFT for the batch.

    Args:
        spectrum: coefficients before scaling, real and imaginary part last.
        size: spatial extent of the images.
        decay: exponent of `scale`.
        lowest: as for `scale`.

    Returns:
        Images before colour correlation and sigmoid, differentiable.
    """
    waves = torch.view_as_complex(spectrum * scale(size, decay, spectrum.device, lowest)[..., None])
    return torch.fft.irfftn(waves, s=size, dim=tuple(range(-len(size), 0)), norm="ortho")


def spectrum_from_image(
    image: Float[Tensor, "b c *size"], decay: float, lowest: float = 0.0
) -> Float[Tensor, "b c *half 2"]:
    """Return the coefficients whose image this is: the inverse of `image_from_spectrum`.

    Args:
        image: before sigmoid and colour correlation.
        decay: exponent of `scale`.
        lowest: as for `scale`.

    Returns:
        Coefficients before scaling, real and imaginary part last.
    """
    size = tuple(image.shape[2:])
    waves = torch.fft.rfftn(image, dim=tuple(range(-len(size), 0)), norm="ortho")
    return torch.view_as_real(waves / scale(size, decay, image.device, lowest)).contiguous()


def mean_square(
    spectrum: Float[Tensor, "b c *half 2"],
    size: tuple[int, ...],
    decay: float,
    lowest: float = 0.0,
    *,
    is_rgb: bool = False,
) -> Float[Tensor, " b"]:
    """Return the mean square of each image before the sigmoid, without making the image (Parseval's theorem).

    Args:
        spectrum: coefficients before scaling, real and imaginary part last.
        size: spatial extent of the images.
        decay: exponent of `scale`.
        lowest: as for `scale`.
        is_rgb: whether the channels are decorrelated colours, which count as RGB.

    Returns:
        One number for each image.
    """
    waves = spectrum * scale(size, decay, spectrum.device, lowest)[..., None]
    products = 2 * _products(waves)  # of the half that is kept, and of its mirror image
    for column in {0, *([size[-1] // 2] if size[-1] % 2 == 0 else [])}:  # these are their own mirror image
        edge = waves.select(-2, column)
        axes = tuple(range(2, edge.dim() - 1))
        mirrored = edge.flip(axes).roll((1,) * len(axes), axes) if axes else edge
        even = (edge + mirrored * edge.new_tensor((1.0, -1.0))) / 2  # the rest does not reach a real image
        products = products + _products(even) - 2 * _products(edge)
    colors = color_correlation(spectrum.device).to(products.dtype)
    metric = colors.T @ colors if is_rgb else torch.eye(products.shape[1], device=products.device)
    return (products * metric).sum((1, 2)) / (spectrum.shape[1] * prod(size))


def _products(waves: Float[Tensor, "b c *rest"]) -> Float[Tensor, "b c c"]:
    """Return the inner products of each image's channels."""
    rows = waves.flatten(2)
    return rows @ rows.mT


def decorrelated_to_rgb(image: Float[Tensor, "b 3 *size"]) -> Float[Tensor, "b 3 *size"]:
    """Map uncorrelated channels to red, green and blue.

    Args:
        image: three uncorrelated channels.

    Returns:
        RGB images before the sigmoid.
    """
    return torch.einsum("ij,bj...->bi...", color_correlation(image.device).to(image.dtype), image)


def rgb_to_decorrelated(image: Float[Tensor, "b 3 *size"]) -> Float[Tensor, "b 3 *size"]:
    """Map red, green and blue to uncorrelated channels: the inverse of `decorrelated_to_rgb`.

    Args:
        image: RGB images before the sigmoid.

    Returns:
        Three uncorrelated channels.
    """
    inverse = torch.linalg.inv(color_correlation(image.device).double()).to(image.dtype)
    return torch.einsum("ij,bj...->bi...", inverse, image)
