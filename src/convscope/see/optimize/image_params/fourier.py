"""Images as spectra: the change of variables that makes gradient ascent draw natural-looking pictures.

A spectrum is scaled by 1/frequency, as the spectra of photographs are, and its three channels are
uncorrelated; steps of equal length then change large shapes and fine grain alike.

Source: Olah et al. 2017, "Feature Visualization", Distill, section "Preconditioning and parameterization",
doi:10.23915/distill.00007. The scale, the divisor and the colour matrix are Lucid's, so that spectra mean the
same.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

DIVISOR = 4.0
"""Lucid divides its images by 4, which leaves them in the sigmoid's middle."""

COLOR_CORRELATION_SVD = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of ImageNet's colours, as printed in Lucid."""


def frequencies(size: tuple[int, ...]) -> Float[Tensor, "*half"]:
    """How many cycles for each pixel every entry of a real FFT of this extent stands for."""
    axes = [torch.fft.fftfreq(extent) for extent in size[:-1]] + [torch.fft.rfftfreq(size[-1])]
    total = torch.zeros(())
    for axis, values in enumerate(axes):
        total = total + values.square().view(-1, *[1] * (len(axes) - axis - 1))
    return total.sqrt()


@lru_cache(maxsize=32)
def scale(size: tuple[int, ...], decay: float, device: torch.device) -> Float[Tensor, "*half"]:
    """Factors of the free spectrum: 1 / frequency ** decay, where the mean counts as the lowest frequency."""
    weights = 1.0 / frequencies(size).clamp_min(1.0 / max(size)) ** decay
    return (weights / DIVISOR).to(device)


@lru_cache(maxsize=8)
def color_correlation(device: torch.device) -> Float[Tensor, "3 3"]:
    """From uncorrelated channels to red, green and blue; the longest column has length 1."""
    matrix = torch.tensor(COLOR_CORRELATION_SVD)
    return (matrix / matrix.norm(dim=0).max()).to(device)


def image_from_spectrum(
    spectrum: Float[Tensor, "b c *half 2"], size: tuple[int, ...], decay: float
) -> Float[Tensor, "b c *size"]:
    """The real image of a free spectrum, before colour: one inverse FFT for the batch."""
    waves = torch.view_as_complex(spectrum * scale(size, decay, spectrum.device)[..., None])
    return torch.fft.irfftn(waves, s=size, dim=tuple(range(-len(size), 0)), norm="ortho")


def spectrum_from_image(image: Float[Tensor, "b c *size"], decay: float) -> Float[Tensor, "b c *half 2"]:
    """The free spectrum whose image this is; the inverse of `image_of`."""
    size = tuple(image.shape[2:])
    waves = torch.fft.rfftn(image, dim=tuple(range(-len(size), 0)), norm="ortho")
    return torch.view_as_real(waves / scale(size, decay, image.device)).contiguous()


def decorrelated_to_rgb(image: Float[Tensor, "b 3 *size"]) -> Float[Tensor, "b 3 *size"]:
    """Uncorrelated channels turned into red, green and blue."""
    return torch.einsum("ij,bj...->bi...", color_correlation(image.device).to(image.dtype), image)


def rgb_to_decorrelated(image: Float[Tensor, "b 3 *size"]) -> Float[Tensor, "b 3 *size"]:
    """The inverse of `coloured`."""
    inverse = torch.linalg.inv(color_correlation(image.device).double()).to(image.dtype)
    return torch.einsum("ij,bj...->bi...", inverse, image)
