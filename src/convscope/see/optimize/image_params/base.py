"""Image parameterizations by pixels, or by Fourier coefficients with decorrelated colour.

An `ImageParameterization` has two parts: the tensors that are optimised, and the function that decodes them
to images in the spec's value range. Each image is initialised by a generator of its own, so that it is
the same alone and in any batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph.spec import SOUND, TensorSpec
from convscope.see.optimize.image_params import fourier

Bound = Literal["sigmoid", "clamp"]
"""How images are kept in the value range: by a sigmoid, or by clamping the pixels after each step."""
Start = Literal["noise", "zeros"] | Tensor
"""Initial images: mid-range with noise, mid-range exactly, or given images."""

PIXEL_NOISE = 0.01
"""Standard deviation of the initial noise: as a share of the value range for pixels, of the spectrum for
Fourier parameterizations (Lucid's 0.01)."""

CONTRAST = 2.0
"""Largest root mean square of an image before the sigmoid. Steps of fixed length never stop growing an image,
since a saturated sigmoid shrinks the gradient but not a step that is scaled to a length: without a limit up
to a quarter of the values of a class's image end at 0 or 255. At 2, a value must lie three standard
deviations from the middle to be rounded to one of them; at 1.5, units that want plain colours reach a fifth
less."""
INK_CONTRAST = 3.0
"""The same for other images than RGB, such as digits, whose own values lie at the ends of the range."""
SOUND_CONTRAST = 0.6
"""The same for sounds, whose values are seldom near the ends of the range: a root mean square of 0.3."""
VOICE = 150.0
"""Lowest frequency of a voice that sounds begin from, in hertz; slower changes of pressure are not heard."""


_NEAREST_EDGE = 1e-3
"""A sigmoid reaches neither end of the range: given images are kept this share of it away from both."""


@dataclass(frozen=True, eq=False)
class ImageParameterization:
    """Parameters of a batch of images, and the function that decodes them.

    Attributes:
        parameters: tensors `[b ...]` that are optimised, updated in place.
        decode: from the parameters to images `[b c *size]` in the spec's range, differentiable.
        project: puts the parameters back into their allowed range, in place; called after each update.
    """

    parameters: tuple[Tensor, ...]
    decode: Callable[..., Tensor]
    project: Callable[..., None] | None = None

    def images(self) -> Float[Tensor, "b c *size"]:
        """Decode the parameters to images in the spec's value range; differentiable."""
        return self.decode(*self.parameters)

    def __len__(self) -> int:
        return len(self.parameters[0])


def pixel_image(
    spec: TensorSpec,
    seeds: Sequence[int],
    *,
    size: tuple[int, ...] = (),
    start: Start = "noise",
    bound: Bound = "clamp",
    spread: float = PIXEL_NOISE,
    device: torch.device | str = "cpu",
) -> ImageParameterization:
    """Return a parameterization by pixel values.

    Args:
        spec: channels, size and value range of the images.
        seeds: one for each image.
        size: spatial extent, if not the spec's; one number stands for a square.
        start: mid-range plus noise, the middle of the range exactly, or images `[b c ...]` in the spec's
            range.
        bound: what keeps images in the range: `clamp` clamps the parameters after each step, `sigmoid`
            decodes them with a sigmoid.
        spread: standard deviation of the noise, as a share of the range.
        device: where the parameters live.

    Returns:
        One parameter tensor `[b c *size]`.

    Raises:
        UsageError: the size or the given images do not fit the spec.
    """
    shape, (low, high) = shape_of(spec, size), spec.value_range
    images = _start(shape, seeds, start, (low, high), spread).to(device)
    if bound == "clamp":
        return ImageParameterization(
            (images.clamp(low, high).requires_grad_(),), _identity, _Clamp(low, high)
        )
    return ImageParameterization(
        (_inverse_sigmoid(images, low, high).requires_grad_(),), _SigmoidRange(low, high)
    )


def fft_image(
    spec: TensorSpec,
    seeds: Sequence[int],
    *,
    size: tuple[int, ...] = (),
    start: Start = "noise",
    decay: float = 1.0,
    spread: float = PIXEL_NOISE,
    contrast: float | Literal["auto"] | None = "auto",
    device: torch.device | str = "cpu",
) -> ImageParameterization:
    """Return a parameterization by Fourier coefficients, scaled by 1 / frequency, with decorrelated colour.

    The images are decoded with a sigmoid. The three channels of colour images (`TensorSpec.is_rgb`) are
    decorrelated; others are not. After each update the coefficients are projected on a ball of limited
    contrast, so that the sigmoid does not saturate.

    Args:
        spec: channels, size and value range of the images.
        seeds: one for each image.
        size: spatial extent, if not the spec's; any, also odd, in one or two dimensions.
        start: noise, the middle of the range exactly, or images `[b c ...]` in the spec's range.
        decay: exponent of the frequency by which the spectrum is divided; larger values damp high
            frequencies.
        spread: standard deviation of the noise in the spectrum.
        contrast: largest root mean square of an image before the sigmoid, or that of the given image where
            it is larger; `auto` is 2 for colour images, 0.6 for sounds and 3 for others; None is no limit,
            as where a photograph is to be reproduced.
        device: where the parameters live.

    Returns:
        One parameter tensor `[b c *half 2]`, real and imaginary part of the real FFT's coefficients.

    Raises:
        UsageError: the input has no spatial axes, or the size or the given images do not fit the spec.
    """
    shape, (low, high) = shape_of(spec, size), spec.value_range
    extent = shape[1:]
    if not extent:
        raise UsageError(
            "an input with width, or height and width, for a Fourier canvas",
            received=f"an input of shape {shape}",
            hint="Use canvas=pixels for plain vectors.",
        )
    lowest = VOICE / spec.sample_rate if spec.kind == SOUND and spec.sample_rate else 0.0
    half = (shape[0], *fourier.frequencies(extent).shape, 2)
    if isinstance(start, Tensor):
        images = _inverse_sigmoid(_given(start, shape, seeds), low, high)
        free = fourier.spectrum_from_image(
            fourier.rgb_to_decorrelated(images) if spec.is_rgb else images, decay, lowest
        )
    else:
        free = spread * noise(half, seeds) if start == "noise" else torch.zeros(len(seeds), *half)
    free, decode = free.to(device), _FourierDecode(extent, decay, low, high, spec.is_rgb, lowest)
    limit = None
    if contrast == "auto":
        contrast = SOUND_CONTRAST if lowest else CONTRAST if spec.is_rgb else INK_CONTRAST
    if contrast is not None:
        limit = _LimitContrast(decode, decode.rms(free).clamp_min(contrast))
    return ImageParameterization((free.requires_grad_(),), decode, limit)


@dataclass(frozen=True)
class _FourierDecode:
    size: tuple[int, ...]
    decay: float
    low: float
    high: float
    is_rgb: bool
    lowest: float

    def __call__(self, free: Float[Tensor, "b c *half 2"]) -> Float[Tensor, "b c *size"]:
        return _SigmoidRange(self.low, self.high)(self.before_sigmoid(free))

    def before_sigmoid(self, free: Float[Tensor, "b c *half 2"]) -> Float[Tensor, "b c *size"]:
        image = fourier.image_from_spectrum(free, self.size, self.decay, self.lowest)
        return fourier.decorrelated_to_rgb(image) if self.is_rgb else image

    def rms(self, free: Float[Tensor, "b c *half 2"]) -> Float[Tensor, " b"]:
        """Return each image's root mean square before the sigmoid."""
        return fourier.mean_square(free, self.size, self.decay, self.lowest, is_rgb=self.is_rgb).sqrt()


@dataclass(frozen=True, eq=False)
class _LimitContrast:
    """Projection on the ball of images with a root mean square before the sigmoid of at most `limits`."""

    decode: _FourierDecode
    limits: Float[Tensor, " b"]

    def __call__(self, free: Float[Tensor, "b c *half 2"]) -> None:
        factors = (self.limits / self.decode.rms(free)).clamp_max(1.0)
        free.mul_(factors.view(-1, *[1] * (free.dim() - 1)))


@dataclass(frozen=True)
class _SigmoidRange:
    low: float
    high: float

    def __call__(self, free: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *shape"]:
        image = free.sigmoid()
        return image if (self.low, self.high) == (0.0, 1.0) else self.low + (self.high - self.low) * image


@dataclass(frozen=True)
class _Clamp:
    low: float
    high: float

    def __call__(self, pixels: Float[Tensor, "b *shape"]) -> None:
        pixels.clamp_(self.low, self.high)


def _identity(pixels: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *shape"]:
    return pixels


def noise(shape: tuple[int, ...], seeds: Sequence[int]) -> Float[Tensor, "b *shape"]:
    """Draw standard normal noise; image `i` depends on `seeds[i]` alone.

    Args:
        shape: of one image.
        seeds: one for each image.

    Returns:
        The noise on the CPU.
    """
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def shape_of(spec: TensorSpec, size: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return the shape of images for a spec: channels, then the size.

    Args:
        spec: channels, spatial axes, and the size if none is given.
        size: one number for each spatial axis; a single one stands for a square.

    Returns:
        `(c, *size)`.

    Raises:
        UsageError: the size has not as many axes as the spec, or neither states a size.
    """
    axes = len(spec.size)
    if len(size) == 1 and axes == 2:
        size = (*size, *size)
    size = size or spec.size
    if size and not axes:
        raise UsageError("no size for an input without width", received=str(size))
    if len(size) != axes or any(extent < 1 for extent in size):
        raise UsageError(f"a size of {axes} positive extents", received=str(size))
    return (spec.channels, *size)


def _start(
    shape: tuple[int, ...], seeds: Sequence[int], start: Start, span: tuple[float, float], spread: float
) -> Float[Tensor, "b *shape"]:
    """Return the initial images: given ones, mid-range, or mid-range with noise."""
    if isinstance(start, Tensor):
        return _given(start, shape, seeds)
    low, high = span
    middle = torch.full((len(seeds), *shape), (low + high) / 2)
    return middle + spread * (high - low) * noise(shape, seeds) if start == "noise" else middle


def _given(images: Tensor, shape: tuple[int, ...], seeds: Sequence[int]) -> Float[Tensor, "b *shape"]:
    """Check given images against the shape, and copy them for each seed; one image serves all."""
    images = images.detach()[None] if images.dim() == len(shape) else images.detach()
    if tuple(images.shape[1:]) != shape or len(images) not in (1, len(seeds)):
        raise UsageError(
            f"{len(seeds)} images of shape {shape} to start from", received=str(tuple(images.shape))
        )
    return images.float().expand(len(seeds), *shape).clone()


def _inverse_sigmoid(images: Float[Tensor, "b *shape"], low: float, high: float) -> Float[Tensor, "b *shape"]:
    """Return the values that a sigmoid maps to these images, kept off both ends of the range."""
    return ((images - low) / (high - low)).logit(eps=_NEAREST_EDGE)


def sigmoid_range(free: Float[Tensor, "b *shape"], low: float, high: float) -> Float[Tensor, "b *shape"]:
    """Map real numbers to values between `low` and `high` by a sigmoid.

    Args:
        free: any values.
        low: lower end of the range.
        high: upper end of the range.

    Returns:
        Values of the same shape, differentiable.
    """
    return _SigmoidRange(low, high)(free)
