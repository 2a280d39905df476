"""Unlabelled photographs: everything that can be read below a folder, and random square crops of it."""

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional

from convscope.errors import DataError
from convscope.worlds.dataset import Problem
from convscope.worlds.images import photos
from convscope.worlds.images.decode import PhotoError, read_start
from convscope.worlds.images.listing import files_below, in_text, in_threads

LARGEST = 288
"""Pixels to which longer shorter sides are scaled down by default; squares are cropped from this."""
MOST_BYTES = 2**30
"""Bytes of decoded photographs kept in memory; if there are more, they are thinned out evenly."""


class UnlabelledImages:
    """Photographs in memory, without labels, from which squares are cropped.

    Args:
        root: a folder; images anywhere below it are taken, recognised by content, whatever their names.
        largest: length in pixels to which longer shorter sides are scaled down; smaller images stay as they
            are.
        least: photographs with a shorter side below this many pixels are left out.

    Attributes:
        name: name of the folder.
        pictures: uint8 images `[3 h w]` of any size.
        problems: files that were left out.

    Raises:
        DataError: there is no such folder, or no photograph of that size in it.
    """

    def __init__(self, root: str | Path, *, largest: int = LARGEST, least: int = 1) -> None:
        self.name = in_text(Path(root).resolve().name)
        self._load(files_below(Path(root)), str(root), largest, least)

    @classmethod
    def of(cls, files: Iterable[str | Path], *, largest: int = 2 * LARGEST, least: int = 1) -> Self:
        """Read the photographs in these files.

        Args:
            files: the image files.
            largest: length in pixels to which longer shorter sides are scaled down.
            least: smallest length of the shorter side in pixels.

        Returns:
            The photographs in the order of the files; evenly fewer if they exceed `MOST_BYTES`.

        Raises:
            DataError: one of the files cannot be used, or there are none.
        """
        made = cls.__new__(cls)
        made.name = "files"
        made._load([Path(file) for file in files], "these files", largest, least)
        for problem in made.problems:
            raise DataError(
                f"a readable picture of {least} pixels or more each way at {problem.path}",
                received=problem.reason,
                hint="Replace the file, or choose another one.",
            )
        return made

    def _load(self, files: Iterable[Path], where: str, largest: int, least: int) -> None:
        """Read the files and keep what is usable."""
        found = list(in_threads(lambda path: _read_image(path, largest, least), files))
        self.problems: tuple[Problem, ...] = tuple(p for p in found if isinstance(p, Problem))
        self.pictures = _thinned([p for p in found if isinstance(p, Tensor)])
        if not self.pictures:
            kinds = ", ".join(sorted({problem.kind for problem in self.problems})) or "no file"
            raise DataError(
                f"photographs below {where}, {least} pixels or more each way",
                received=kinds,
                hint="Any JPEG, PNG or WebP pictures will do; they need no names and no classes.",
            )

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        return f"UnlabelledImages({self.name}: {len(self):,})"

    def take(self, indices: Iterable[int]) -> "UnlabelledImages":
        """Return the subset of some photographs; nothing is copied.

        Args:
            indices: which photographs; this becomes their order.

        Returns:
            The subset.
        """
        part = copy.copy(self)
        part.pictures = [self.pictures[index] for index in indices]
        return part

    def squares(
        self, indices: Iterable[int], side: int, generator: Generator
    ) -> UInt8[Tensor, "b 3 side side"]:
        """Return a random square crop of each photograph, flipped horizontally with probability 1/2.

        The side of the crop is drawn evenly between `side` and the shorter side of the photograph.

        Args:
            indices: which photographs.
            side: height and width in pixels to which the crops are resized.
            generator: source of randomness, on the CPU.

        Returns:
            uint8 `[b 3 side side]`, one for each index.
        """
        return torch.stack([_random_square(self.pictures[index], side, generator) for index in indices])

    def middles(self, indices: Sequence[int], side: int) -> UInt8[Tensor, "b 3 side side"]:
        """Return the largest centred square of each photograph; deterministic.

        Args:
            indices: which photographs.
            side: height and width in pixels to which the crops are resized.

        Returns:
            uint8 `[b 3 side side]`, one for each index.
        """
        return torch.stack([_resized(_centre_square(self.pictures[index]), side) for index in indices])


def _read_image(path: Path, largest: int, least: int) -> UInt8[Tensor, "3 h w"] | Problem:
    """Read a photograph, scaled down to `largest`, or return why it is left out."""
    try:
        read_start(path)
        photo = photos.open_photo(path)
    except PhotoError as error:
        return Problem(in_text(path), error.kind, error.reason)
    short = min(photo.size)
    if short < least:
        return Problem(in_text(path), "small", f"too small: {photo.width} x {photo.height} pixels")
    if short > largest:
        scale = largest / short
        size = max(largest, round(photo.width * scale)), max(largest, round(photo.height * scale))
        photo = photo.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    return photos.to_uint8(photo)


def _thinned(images: list[Tensor]) -> list[Tensor]:
    """Return all images, or every second, third, ... if they exceed `MOST_BYTES`."""
    total = sum(image.numel() for image in images)
    return images[:: max(1, -(-total // MOST_BYTES))]


def _random_square(image: Tensor, side: int, generator: Generator) -> Tensor:
    """Return a random square crop, randomly flipped."""
    height, width = image.shape[1:]
    most = min(height, width)
    cut = _random_int(min(side, most), most, generator)
    top, left = _random_int(0, height - cut, generator), _random_int(0, width - cut, generator)
    square = image[:, top : top + cut, left : left + cut]
    return _resized(square.flip(-1) if _random_int(0, 1, generator) else square, side)


def _centre_square(image: Tensor) -> Tensor:
    """Return the largest centred square."""
    height, width = image.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[:, top : top + side, left : left + side]


def _random_int(low: int, high: int, generator: Generator) -> int:
    """Return a random whole number from `low` to `high`, both included."""
    return int(torch.randint(low, high + 1, (1,), generator=generator))


def _resized(square: Tensor, side: int) -> Tensor:
    """Resize a square to `side` pixels."""
    if square.shape[-1] == side:
        return square.contiguous()
    resized = functional.interpolate(square[None].float(), (side, side), mode="bilinear", antialias=True)
    return resized[0].round_().clamp_(0, 255).to(torch.uint8)
