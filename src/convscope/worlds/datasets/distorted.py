"""Distorted images, whose poses are known: rotated, or rotated, scaled and moved over a larger canvas.

Coordinates are those of `torch.nn.functional.affine_grid` with `align_corners=True`: from -1 to 1 between the
centres of the outermost pixels, x to the right, y downwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import radians

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor
from torch.nn import functional
from typing_extensions import override

from convscope.errors import UsageError, nearest
from convscope.worlds.dataset import Indices, Problem, checked
from convscope.worlds.images.datasets.labelled import LabelledImages, Picture


@dataclass(frozen=True)
class Distortion:
    """Ranges of a random distortion; every value is drawn uniformly.

    Attributes:
        canvas: side of the distorted image, as a multiple of the original's.
        angle: largest angle of the rotation, in degrees, either way.
        scales: smallest and largest factor of the size.
        moved: whether the image lies anywhere on the canvas, as far as its box, not rotated, fits; else in
            the middle.
    """

    canvas: float
    angle: float
    scales: tuple[float, float] = (1.0, 1.0)
    moved: bool = False

    def side(self, original: int) -> int:
        """Return the side of a distorted image.

        Args:
            original: side of the original, in pixels.

        Returns:
            The side in pixels.
        """
        return round(self.canvas * original)


DISTORTIONS: Mapping[str, Distortion] = {
    "rotation": Distortion(1.0, 90.0),
    "rts": Distortion(1.5, 45.0, (0.7, 1.2), moved=True),
}
"""By name: rotation by up to 90 degrees; rotation by up to 45 degrees, scale and translation. Of digits of 28
pixels the latter makes images of 42."""


def find_distortion(name: str) -> Distortion:
    """Return the distortion of a name.

    Args:
        name: a key of `DISTORTIONS`.

    Returns:
        The distortion.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in DISTORTIONS:
        raise UsageError(
            f"a distortion: {', '.join(DISTORTIONS)}", received=name, hint=nearest(name, DISTORTIONS)
        )
    return DISTORTIONS[name]


def draw_poses(
    count: int, size: tuple[int, int], distortion: Distortion, generator: Generator
) -> Float[Tensor, "n 2 3"]:
    """Draw the affine transforms that distort images.

    Args:
        count: number of images.
        size: their height and width, before the distortion.
        distortion: its ranges.
        generator: draws them, on the CPU.

    Returns:
        For each image the matrix that takes a position `(x, y, 1)` of the distorted image to the position of
        the original that is seen there.
    """
    turn, grow, right, down = torch.rand(4, count, generator=generator, dtype=torch.float64)
    angle = (2 * turn - 1) * radians(distortion.angle)
    low, high = distortion.scales
    scale = low + (high - low) * grow
    before = torch.tensor(size[::-1], dtype=torch.float64)
    after = torch.tensor([distortion.side(side) for side in size[::-1]], dtype=torch.float64)
    room = (after - before * scale[:, None]).clamp_min(0) / 2 * distortion.moved
    moved = (2 * torch.stack([right, down], 1) - 1) * room
    inverse = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    inverse = inverse / scale[:, None, None]
    half_before, half_after = ((sides - 1).clamp_min(1) / 2 for sides in (before, after))
    linear = inverse * half_after / half_before[:, None]
    offset = -(inverse @ moved[:, :, None]) / half_before[:, None]
    return torch.cat([linear, offset], 2).float()


def distort(
    pictures: UInt8[Tensor, "b c h w"], poses: Float[Tensor, "b 2 3"], distortion: Distortion
) -> UInt8[Tensor, "b c oh ow"]:
    """Distort images by affine transforms, with bilinear interpolation and zeros outside.

    Args:
        pictures: images `[b c h w]`.
        poses: their transforms, from `draw_poses`.
        distortion: has the size of the canvas.

    Returns:
        The distorted images.
    """
    height, width = (distortion.side(side) for side in pictures.shape[2:])
    grid = functional.affine_grid(poses, [*pictures.shape[:2], height, width], align_corners=True)
    found = functional.grid_sample(pictures.float(), grid, padding_mode="zeros", align_corners=True)
    return found.round_().clamp_(0, 255).to(torch.uint8)


class DistortedImages(LabelledImages):
    """Labelled images, each distorted in a way of its own that is always the same.

    Args:
        originals: the images.
        distortion: key of `DISTORTIONS`.
        seed: of the poses.

    Attributes:
        originals: the images before the distortion.
        poses: the transform of each image, `[n 2 3]`, as from `draw_poses`.

    Raises:
        UsageError: there is no such distortion.
    """

    def __init__(self, originals: LabelledImages, distortion: str, seed: int = 0) -> None:
        self.originals, self.distortion, self.seed = originals, distortion, seed
        self._ranges = find_distortion(distortion)
        height, width = originals.spec.size
        generator = Generator().manual_seed(seed)
        self.poses = draw_poses(len(originals), (height, width), self._ranges, generator)
        self.classes, self.labels = originals.classes, originals.labels
        self.name = f"{originals.name}, {distortion}"
        shape = (originals.spec.channels, self._ranges.side(height), self._ranges.side(width))
        self.spec = replace(originals.spec, shape=shape)

    @property
    @override
    def problems(self) -> tuple[Problem, ...]:
        return self.originals.problems

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        return self.originals.notes

    @override
    def pixels(self, indices: Indices) -> Picture:
        """Return a batch of distorted images."""
        chosen = checked(indices, len(self))
        return distort(self.originals.pixels(chosen), self.poses[chosen], self._ranges)

    @override
    def take(self, indices: Indices) -> "DistortedImages":
        """Return the subset of some images, with their poses."""
        chosen = checked(indices, len(self))
        found = DistortedImages(self.originals.take(chosen), self.distortion, self.seed)
        found.poses = self.poses[chosen]
        return found
