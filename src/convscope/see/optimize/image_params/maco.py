"""MaCo parameterization: phases are optimised, the magnitude of each frequency stays that of photographs.

Source: Fel et al. 2023, "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
Optimization" (MaCo), arXiv:2306.06805, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.see.optimize.image_params import fourier
from convscope.see.optimize.image_params.base import ImageParameterization, noise, shape_of, sigmoid_range

PHOTOGRAPHS = ((1.0, 1.473), (0.862, 1.496), (0.848, 1.421))
"""For each decorrelated colour channel, magnitude at one cycle for the image's width, and the power of the
frequency by which it falls: fitted by least squares, in logarithms, between 2 and 100 cycles, to the mean
spectrum of 218 photographs at 256 pixels (200 of COCO 2017, 18 of google-coral/test_data); residual 0.2."""
CONTRAST = 2.0
"""Standard deviation before the sigmoid, near that of these photographs (2.7, where white and black count as
1% away from the ends)."""


def maco_image(
    spec: TensorSpec,
    seeds: Sequence[int],
    *,
    size: tuple[int, ...] = (),
    photographs: Float[Tensor, "n c *size"] | None = None,
    device: torch.device | str = "cpu",
) -> ImageParameterization:
    """Return a parameterization by the phases of a spectrum of fixed magnitude.

    Args:
        spec: channels, size and value range of the images.
        seeds: one for each image, of its initial phases.
        size: spatial extent, if not the spec's; one or two dimensions.
        photographs: of this size and in the spec's range; their mean magnitude is used. If left out, a
            power law that was fitted to photographs.
        device: where the parameters live.

    Returns:
        One parameter tensor `[b c *half]`, the phases in radians.

    Raises:
        UsageError: the input has no spatial axes, or the photographs do not fit it.
    """
    shape, (low, high) = shape_of(spec, size), spec.value_range
    if not shape[1:]:
        raise UsageError("an input with width for a canvas of phases", received=f"an input of shape {shape}")
    half = (shape[0], *fourier.frequencies(shape[1:]).shape)
    if photographs is None:
        magnitude = power_law(shape, is_rgb=spec.is_rgb)
    elif tuple(photographs.shape[1:]) != shape or not len(photographs):
        raise UsageError(f"photographs of shape {shape}", received=f"{tuple(photographs.shape)}")
    else:
        magnitude = mean_magnitude((photographs.float() - low) / (high - low), is_rgb=spec.is_rgb)
    angles = (2 * pi * uniform(noise(half, seeds))).to(device).requires_grad_()
    return ImageParameterization(
        (angles,), _PhaseDecode(magnitude.to(device), shape[1:], low, high, spec.is_rgb)
    )


def mean_magnitude(photographs: Float[Tensor, "n c *size"], *, is_rgb: bool) -> Float[Tensor, "c *half"]:
    """Return the mean magnitude of every frequency, before sigmoid and colour correlation.

    Args:
        photographs: values in 0..1.
        is_rgb: whether the three channels are colours, which are decorrelated.

    Returns:
        Magnitude for each channel and coefficient of the real FFT.
    """
    free = photographs.clamp(0.01, 0.99).logit()
    free = fourier.rgb_to_decorrelated(free) if is_rgb else free
    axes = tuple(range(2, free.dim()))
    return torch.fft.rfftn(free - free.mean(axes, keepdim=True), dim=axes, norm="ortho").abs().mean(0)


def power_law(shape: tuple[int, ...], *, is_rgb: bool) -> Float[Tensor, "c *half"]:
    """Return magnitudes by the power law that was fitted to photographs; 0 for the mean.

    Args:
        shape: of the images, `(c, *size)`.
        is_rgb: whether the channels are RGB; all get the first law where they are not.

    Returns:
        Magnitude for each channel and coefficient of the real FFT.
    """
    frequency = fourier.frequencies(shape[1:])
    cycles = frequency * max(shape[1:])
    laws = PHOTOGRAPHS if is_rgb else PHOTOGRAPHS[:1] * shape[0]
    magnitude = torch.stack([strength / cycles.clamp_min(1.0) ** power for strength, power in laws])
    magnitude[(slice(None), *[0] * len(shape[1:]))] = 0.0
    return magnitude


@dataclass(frozen=True, eq=False)
class _PhaseDecode:
    magnitude: Float[Tensor, "c *half"]
    size: tuple[int, ...]
    low: float
    high: float
    is_rgb: bool

    def __call__(self, angles: Float[Tensor, "b c *half"]) -> Float[Tensor, "b c *size"]:
        waves = torch.polar(self.magnitude.expand_as(angles), angles)
        free = torch.fft.irfftn(waves, s=self.size, dim=tuple(range(-len(self.size), 0)), norm="ortho")
        axes = tuple(range(1, free.dim()))
        free = free - free.mean(axes, keepdim=True)
        free = CONTRAST * free / free.square().mean(axes, keepdim=True).sqrt().clamp_min(1e-12)
        return sigmoid_range(fourier.decorrelated_to_rgb(free) if self.is_rgb else free, self.low, self.high)


def uniform(normal: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Map standard normal numbers to uniform ones in [0, 1], by the normal distribution function.

    Args:
        normal: standard normal numbers.

    Returns:
        Numbers of the same shape.
    """
    return 0.5 * (1 + torch.erf(normal / 2**0.5))
