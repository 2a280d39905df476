"""Random image transformations for robust feature visualization.

Without them, gradient ascent finds high-frequency noise that excites a unit on the exact pixel grid only.

A transform is called with images `[b c h w]` (or `[b c w]`) and a generator, draws once for the whole batch,
and returns images, perhaps of another size. What it draws depends on nothing but the generator.

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
    """Draw a whole number from 0 to `high`, both included."""
    return int(torch.randint(0, high + 1, (), generator=generator))


@dataclass(frozen=True)
class Pad:
    """Pad every side with `width` pixels of a constant value.

    Attributes:
        width: pixels at each side of every spatial axis.
        value: the constant.
    """

    width: int
    value: float = 0.5

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *larger"]:
        """Return the images, larger by twice `width` along every spatial axis; the generator is not used."""
        return F.pad(image, [self.width] * 2 * (image.dim() - 2), value=self.value)


@dataclass(frozen=True)
class Jitter:
    """Crop `amount` pixels off each axis, at a random offset; returns a view, without a copy."""

    amount: int

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *smaller"]:
        """Return the crop, smaller by `amount` along each spatial axis.

        Raises:
            UsageError: an axis has `amount` pixels or fewer.
        """
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
    """Resize by a random one of `factors`, bilinearly."""

    factors: tuple[float, ...]

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *other"]:
        """Return the resized images; sides are rounded, to 1 pixel at least."""
        factor = self.factors[_whole(len(self.factors) - 1, generator)]
        size = [max(1, round(extent * factor)) for extent in image.shape[2:]]
        if size == list(image.shape[2:]):
            return image
        return F.interpolate(
            image, size=size, mode="bilinear" if image.dim() == 4 else "linear", align_corners=False
        )


@dataclass(frozen=True)
class Rotate:
    """Rotate about the centre by a random one of `degrees`, counter-clockwise.

    Rotation is measured in pixels on both axes, so circles stay circles in images that are not square.
    Images of one dimension are returned unchanged.

    Attributes:
        degrees: the angles to draw from.
        value: fills in from outside of the image.
    """

    degrees: tuple[float, ...]
    value: float = 0.5

    def __call__(self, image: Float[Tensor, "b c *size"], generator: Generator) -> Float[Tensor, "b c *size"]:
        """Return the rotated images, of unchanged size."""
        angle = radians(self.degrees[_whole(len(self.degrees) - 1, generator)])
        if image.dim() != 4 or angle == 0.0:
            return image
        (height, width), c, s = image.shape[2:], cos(angle), sin(angle)
        matrix = image.new_tensor([[c, -s * height / width, 0.0], [s * width / height, c, 0.0]])
        grid = F.affine_grid(matrix.expand(1, 2, 3), [1, 1, height, width], align_corners=False)
        grid = grid.expand(len(image), -1, -1, -1)
        return F.grid_sample(image - self.value, grid, align_corners=False) + self.value


def warp(
    image: Float[Tensor, "b c *size"],
    shift: tuple[float, ...] = (),
    factor: float = 1.0,
    degrees: float = 0.0,
    size: tuple[int, ...] = (),
) -> Float[Tensor, "b c *other"]:
    """Translate, scale and rotate images in a single bilinear resampling, with edges replicated.

    Args:
        image: a batch of images of one or two dimensions.
        shift: what lies this many pixels from the centre along each axis moves to the centre.
        factor: scale about the centre; above 1 enlarges.
        degrees: rotation about the centre, counter-clockwise, in pixels on both axes; none in one dimension.
        size: spatial size of the result, around the same centre; the images' own if left out.

    Returns:
        Images of that size, differentiable.
    """
    flat = image.dim() == 3
    image2d = image[:, :, None] if flat else image
    height, width = image2d.shape[2:]
    tall, wide = ((1, *size) if flat else size) if size else (height, width)
    down, along = (0.0, *(shift or (0.0,))) if flat else shift or (0.0, 0.0)
    angle = 0.0 if flat else radians(degrees)
    c, s = cos(angle) / factor, sin(angle) / factor
    matrix = torch.tensor(
        [
            [c * wide / width, -s * tall / width, 2 * along / width],
            [s * wide / height, c * tall / height, 2 * down / height],
        ],
        dtype=image2d.dtype,
        device=image2d.device,
    )
    grid = F.affine_grid(matrix.expand(1, 2, 3), [1, 1, tall, wide], align_corners=False)
    grid = grid.expand(len(image2d), -1, -1, -1)
    warped = F.grid_sample(image2d, grid, padding_mode="border", align_corners=False)
    return warped[:, :, 0] if flat else warped


@dataclass(frozen=True)
class Warp:
    """`warp` images by random amounts.

    Since the size is always the same, the network's kernels are prepared for one shape only.
    """

    shift: int
    """Largest translation along each axis, in pixels."""
    factors: tuple[float, ...] = (1.0,)
    """Scale factors to draw from; above 1 enlarges."""
    degrees: tuple[float, ...] = (0.0,)
    """Angles to draw from."""
    any_part: bool = False
    """Show any part of an image that is enlarged, instead of its centre."""
    enlarged: float = 1.0
    """Further scale factor by which the result grows too, so that an enlarged image is shown whole."""

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *enlarged"]:
        """Return the images translated, scaled about the centre and rotated, `enlarged` times as large."""
        factor = self.factors[_whole(len(self.factors) - 1, generator)]
        hidden = max(0.0, 1 - 1 / factor) if self.any_part else 0.0
        rooms = [self.shift + int(extent * hidden / 2) for extent in image.shape[2:]]
        shift = tuple(float(_whole(2 * room, generator) - room) for room in rooms)
        degrees = self.degrees[_whole(len(self.degrees) - 1, generator)]
        size = tuple(round(extent * self.enlarged) for extent in image.shape[2:])
        return warp(image, shift, factor * self.enlarged, degrees, size)


@dataclass(frozen=True)
class RandomChoice:
    """Apply one of several transforms, as torchvision's does, drawn by the generator that is given.

    Attributes:
        transforms: to draw from; the last one returns the largest images.
        p: probability of each transform.
    """

    transforms: tuple[Transform, ...]
    p: tuple[float, ...]

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *other"]:
        """Return the images after the transform that is drawn."""
        drawn = torch.multinomial(torch.tensor(self.p, dtype=torch.float), 1, generator=generator)
        return self.transforms[int(drawn)](image, generator)


@dataclass(frozen=True)
class Crop:
    """Crop a random part of the image, and resize it to `size`.

    Source: Fel et al. 2023, "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
    Optimization", arXiv:2306.06805, section 3.

    Attributes:
        size: of the result.
        smallest: least side of the part, as a share of the image's side.
        largest: greatest side of the part.
    """

    size: tuple[int, ...]
    smallest: float = 0.5
    largest: float = 1.0

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *shown"]:
        """Return the crop, bilinearly resized to `size`."""
        share, *at = torch.rand(image.dim() - 1, generator=generator).tolist()
        share = self.smallest + share * (self.largest - self.smallest)
        for axis, place in enumerate(at, start=2):
            extent = max(1, round(share * image.shape[axis]))
            image = image.narrow(axis, round(place * (image.shape[axis] - extent)), extent)
        mode = "bilinear" if image.dim() == 4 else "linear"
        return F.interpolate(image, size=self.size, mode=mode, align_corners=False)


@dataclass(frozen=True)
class Fit:
    """Centre-crop or pad to `size`, for networks that take inputs of one size only.

    Attributes:
        size: of the result, for each spatial axis.
        value: of the padding.
    """

    size: tuple[int, ...]
    value: float = 0.5

    def __call__(
        self, image: Float[Tensor, "b c *size"], generator: Generator
    ) -> Float[Tensor, "b c *fixed"]:
        """Return the images of the fixed size; the generator is not used."""
        borders: list[int] = []
        for extent, wanted in zip(reversed(image.shape[2:]), reversed(self.size), strict=True):
            missing = wanted - extent
            borders += [missing // 2, missing - missing // 2]
        return F.pad(image, borders, value=self.value) if any(borders) else image


FACTORS = tuple(1 + (i - 5) / 50 for i in range(11))
"""Scale factors of Lucid: 0.9 to 1.1."""
DEGREES = (*(float(d) for d in range(-10, 11)), *[0.0] * 5)
"""Angles of Lucid: -10 to 10, with 0 drawn more often."""


def lucid_transforms(value: float = 0.5) -> tuple[Transform, ...]:
    """Return Lucid's transforms: pad 12, jitter 8, scale 0.9 to 1.1, rotate by up to 10 degrees, jitter 4.

    Args:
        value: fills in from outside, the middle of the value range.

    Returns:
        The transforms, in the order in which they are applied.
    """
    return Pad(12, value), Jitter(8), Scale(FACTORS), Rotate(DEGREES, value), Jitter(4)


WHOLE_COST = 1.5
"""What whole views of an enlarged picture cost, as a multiple of what is saved at its own scale."""


def single_warp(enlarged: float = 1.0, own: float = 0.5) -> tuple[Transform, ...]:
    """Return one resampling with about Lucid's amounts: up to 6 pixels, 0.9 to 1.1, up to 10 degrees.

    An image that is to work at a further scale is shown at its own, and enlarged: a random part of it, which
    costs no more, and now and then the whole of it, since a network answers otherwise to a part and its
    borders. The larger the image gets, the more seldom it is whole, so that steps cost the same on average.

    Args:
        enlarged: the further scale.
        own: share of the views at the image's own scale, up to 1/2; with 1/2 none is whole.

    Returns:
        The transform.
    """
    plain = Warp(6, FACTORS, DEGREES)
    if enlarged == 1.0:
        return (plain,)
    part = Warp(6, tuple(enlarged * factor for factor in FACTORS), DEGREES, any_part=True)
    whole = WHOLE_COST * max(0.0, 0.5 - own) / enlarged**2
    if not whole:
        return (RandomChoice((plain, part), (own, 1 - own)),)
    views = (plain, part, Warp(6, FACTORS, DEGREES, enlarged=enlarged))
    return (RandomChoice(views, (own, 1 - own - whole, whole)),)


def largest_views(transforms: tuple[Transform, ...]) -> tuple[Transform, ...]:
    """Return the transforms with each choice among several replaced by that of the largest images.

    Args:
        transforms: as they are applied at each step.

    Returns:
        What takes the most memory.
    """
    return tuple(one.transforms[-1] if isinstance(one, RandomChoice) else one for one in transforms)


def translations(size: tuple[int, ...], amount: int, value: float) -> tuple[Transform, ...]:
    """Return random translations that keep the size, for small networks with dense layers.

    Args:
        size: of the images, for each spatial axis.
        amount: largest translation along each axis, in pixels.
        value: fills in from outside, the middle of the value range.

    Returns:
        The transforms, in the order in which they are applied.
    """
    return Pad(amount, value), Jitter(2 * amount), Fit(size, value)


def apply_transforms(
    image: Float[Tensor, "b c *size"], transforms: tuple[Transform, ...], generator: Generator
) -> Float[Tensor, "b c *other"]:
    """Apply each transform in turn, with one draw for the whole batch.

    Args:
        image: a batch of images.
        transforms: functions of images and generator.
        generator: of their random numbers.

    Returns:
        The transformed images, perhaps of another size; differentiable.
    """
    for transform in transforms:
        image = transform(image, generator)
    return image
