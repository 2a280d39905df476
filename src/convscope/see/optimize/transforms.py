"""Small random changes of an image that a picture must survive.

Without them, ascent finds noise that only the exact grid of pixels excites.

A transform is called with images `[b c h w]` (or `[b c w]`) and a generator, draws once for the whole batch,
and gives images back, perhaps of another size. What it draws depends on nothing but the generator.

Source: Olah et al. 2017, "Feature Visualization", Distill, section "Transformation robustness"; the amounts
are Lucid's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, radians, sin

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from convscope.errors import UsageError

Transform = Callable[[Tensor, Generator], Tensor]


def _whole(high: int, generator: Generator) -> int:
    return int(torch.randint(0, high + 1, (), generator=generator))


@dataclass(frozen=True)
class Pad:
    """Adds `width` pixels of one value at every side."""

    width: int
    value: float = 0.5

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *larger"]:
        """Larger by `width` at every side."""
        return F.pad(image, [self.width] * 2 * (image.dim() - 2), value=self.value)


@dataclass(frozen=True)
class Jitter:
    """Cuts `amount` pixels off each axis, at a random place; costs no copy."""

    amount: int

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *smaller"]:
        """A random part of the image, smaller by `amount` along each axis."""
        for axis in range(2, image.dim()):
            if image.shape[axis] <= self.amount:
                raise UsageError(
                    f"images of more than {self.amount} pixels to jitter",
                    received=f"{tuple(image.shape[2:])}",
                )
            image = image.narrow(axis, _whole(self.amount, generator), image.shape[axis] - self.amount)
        return image


@dataclass(frozen=True)
class Scale:
    """Resizes by one of `factors`."""

    factors: tuple[float, ...]

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *other"]:
        """The image resized."""
        factor = self.factors[_whole(len(self.factors) - 1, generator)]
        size = [max(1, round(extent * factor)) for extent in image.shape[2:]]
        if size == list(image.shape[2:]):
            return image
        return F.interpolate(
            image, size=size, mode="bilinear" if image.dim() == 4 else "linear", align_corners=False
        )


@dataclass(frozen=True)
class Rotate:
    """Turns about the centre by one of `degrees`, counter-clockwise; what comes from outside is `value`.

    Positions are measured in pixels on both axes, so circles stay circles in images that are not square.
    """

    degrees: tuple[float, ...]
    value: float = 0.5

    def __call__(self, image: Float[Tensor, "b c *size"], generator: Generator) -> Float[Tensor, "b c *size"]:
        """The image turned; of unchanged size."""
        angle = radians(self.degrees[_whole(len(self.degrees) - 1, generator)])
        if image.dim() != 4 or angle == 0.0:
            return image
        (height, width), c, s = image.shape[2:], cos(angle), sin(angle)
        matrix = image.new_tensor([[c, -s * height / width, 0.0], [s * width / height, c, 0.0]])
        grid = F.affine_grid(matrix.expand(1, 2, 3), [1, 1, height, width], align_corners=False)
        grid = grid.expand(len(image), -1, -1, -1)
        return F.grid_sample(image - self.value, grid, align_corners=False) + self.value


@dataclass(frozen=True)
class Warp:
    """Moves, resizes and turns in a single resampling, at unchanged size; outside, the edge goes on.

    One size means that the processor prepares the network's operations once.
    """

    shift: int
    """Largest move along each axis, in pixels."""
    factors: tuple[float, ...] = (1.0,)
    degrees: tuple[float, ...] = (0.0,)

    def __call__(self, image: Float[Tensor, "b c *size"], generator: Generator) -> Float[Tensor, "b c *size"]:
        """The image moved, resized about its centre and turned; of unchanged size."""
        flat = image.dim() == 3
        picture = image[:, :, None] if flat else image
        height, width = picture.shape[2:]
        draws = [_whole(2 * self.shift, generator) - self.shift for _ in range(2)]
        factor = self.factors[_whole(len(self.factors) - 1, generator)]
        angle = radians(self.degrees[_whole(len(self.degrees) - 1, generator)])
        down, along = (0, draws[1]) if flat else draws
        c, s = (1 / factor, 0.0) if flat else (cos(angle) / factor, sin(angle) / factor)
        matrix = torch.tensor(
            [
                [c, -s * height / width, 2 * along / width],
                [s * width / height, c, 2 * down / height],
            ],
            dtype=picture.dtype,
            device=picture.device,
        )
        grid = F.affine_grid(matrix.expand(1, 2, 3), [1, 1, height, width], align_corners=False)
        grid = grid.expand(len(picture), -1, -1, -1)
        warped = F.grid_sample(picture, grid, padding_mode="border", align_corners=False)
        return warped[:, :, 0] if flat else warped


@dataclass(frozen=True)
class Crop:
    """A random part of the image, at most `largest` and at least `smallest` of it, shown at `size`.

    Source: Fel et al. 2023, "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
    Optimization", arXiv:2306.06805, section 3.
    """

    size: tuple[int, ...]
    smallest: float = 0.5
    largest: float = 1.0

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *shown"]:
        """The part, resampled."""
        share, *at = torch.rand(image.dim() - 1, generator=generator).tolist()
        share = self.smallest + share * (self.largest - self.smallest)
        for axis, place in enumerate(at, start=2):
            extent = max(1, round(share * image.shape[axis]))
            image = image.narrow(axis, round(place * (image.shape[axis] - extent)), extent)
        mode = "bilinear" if image.dim() == 4 else "linear"
        return F.interpolate(image, size=self.size, mode=mode, align_corners=False)


@dataclass(frozen=True)
class Fit:
    """Cuts or fills to `size`, centred: for networks that take inputs of one size only."""

    size: tuple[int, ...]
    value: float = 0.5

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *fixed"]:
        """The middle of the image, or the image in the middle."""
        borders: list[int] = []
        for extent, wanted in zip(reversed(image.shape[2:]), reversed(self.size), strict=True):
            missing = wanted - extent
            borders += [missing // 2, missing - missing // 2]
        return F.pad(image, borders, value=self.value) if any(borders) else image


FACTORS = tuple(1 + (i - 5) / 50 for i in range(11))
DEGREES = (*(float(d) for d in range(-10, 11)), *[0.0] * 5)


def lucid_transforms(value: float = 0.5) -> tuple[Transform, ...]:
    """Lucid's list: pad 12, jitter 8, scale 0.9 to 1.1, rotate by up to 10 degrees, jitter 4.

    Args:
        value: what fills in from outside, the middle of the value range.
    """
    return Pad(12, value), Jitter(8), Scale(FACTORS), Rotate(DEGREES, value), Jitter(4)


def single_warp() -> tuple[Transform, ...]:
    """The amounts of `standard` in one resampling: moves of up to 6 pixels, 0.9 to 1.1, up to 10 degrees."""
    return (Warp(6, FACTORS, DEGREES),)


def translations(size: tuple[int, ...], amount: int, value: float) -> tuple[Transform, ...]:
    """Translations by up to `amount` pixels that keep the size: for small networks with dense layers."""
    return Pad(amount, value), Jitter(2 * amount), Fit(size, value)


def apply_transforms(
    image: Float[Tensor, "b c *size"], transforms: tuple[Transform, ...], generator: Generator
) -> Float[Tensor, "b c *other"]:
    """The image after one draw of each transform in turn."""
    for transform in transforms:
        image = transform(image, generator)
    return image
