"""Photographs without labels: everything that can be read below a folder, and random squares of it."""

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
"""Pixels that the shorter side of a photograph is kept at; squares are cut out of this."""
MOST_BYTES = 2**30
"""Decoded photographs kept in memory; more are left out, evenly."""


class UnlabelledImages:
    """Photographs in memory, to cut squares out of.

    Args:
        root: a folder; pictures anywhere below it are taken, by content, whatever their names.
        largest: the shorter side they are scaled down to; smaller ones stay as they are.
        least: photographs with a shorter side below this are left out.

    Raises:
        DataError: there is no such folder, or no photograph of that size in it.
    """

    def __init__(self, root: str | Path, *, largest: int = LARGEST, least: int = 1) -> None:
        self.name = in_text(Path(root).resolve().name)
        self._keep(files_below(Path(root)), str(root), largest, least)

    @classmethod
    def of(cls, files: Iterable[str | Path], *, largest: int = 2 * LARGEST, least: int = 1) -> Self:
        """Those in these files.

        Raises:
            DataError: one of them cannot be used.
        """
        made = cls.__new__(cls)
        made.name = "files"
        made._keep([Path(file) for file in files], "these files", largest, least)
        for problem in made.problems:
            raise DataError(
                f"a readable picture of {least} pixels or more each way at {problem.path}",
                received=f"{problem.kind}: {problem.reason}",
            )
        return made

    def _keep(self, files: Iterable[Path], where: str, largest: int, least: int) -> None:
        found = list(in_threads(lambda path: _opened(path, largest, least), files))
        self.problems: tuple[Problem, ...] = tuple(p for p in found if isinstance(p, Problem))
        self.pictures = _within([p for p in found if isinstance(p, Tensor)])
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
        """Only the photographs at `indices`, in that order; nothing is copied."""
        part = copy.copy(self)
        part.pictures = [self.pictures[index] for index in indices]
        return part

    def squares(
        self, indices: Iterable[int], side: int, generator: Generator
    ) -> UInt8[Tensor, "b 3 side side"]:
        """A random square of each photograph, scaled to `side`, half of them mirrored."""
        return torch.stack([_square(self.pictures[index], side, generator) for index in indices])

    def middles(self, indices: Sequence[int], side: int) -> UInt8[Tensor, "b 3 side side"]:
        """The largest square in the middle of each photograph, scaled to `side`; always the same."""
        return torch.stack([_scaled(_cut(self.pictures[index]), side) for index in indices])


def _opened(path: Path, largest: int, least: int) -> UInt8[Tensor, "3 h w"] | Problem:
    try:
        read_start(path)
        photo = photos.open_photo(path)
    except PhotoError as error:
        return Problem(in_text(path), error.kind, error.reason)
    short = min(photo.size)
    if short < least:
        return Problem(in_text(path), "small", f"{photo.width} x {photo.height} pixels")
    if short > largest:
        scale = largest / short
        size = max(largest, round(photo.width * scale)), max(largest, round(photo.height * scale))
        photo = photo.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    return photos.to_uint8(photo)


def _within(pictures: list[Tensor]) -> list[Tensor]:
    """All of them, or every second, third, ... if they are too many."""
    total = sum(picture.numel() for picture in pictures)
    return pictures[:: max(1, -(-total // MOST_BYTES))]


def _square(picture: Tensor, side: int, generator: Generator) -> Tensor:
    height, width = picture.shape[1:]
    most = min(height, width)
    cut = _draw(min(side, most), most, generator)
    top, left = _draw(0, height - cut, generator), _draw(0, width - cut, generator)
    square = picture[:, top : top + cut, left : left + cut]
    return _scaled(square.flip(-1) if _draw(0, 1, generator) else square, side)


def _cut(picture: Tensor) -> Tensor:
    height, width = picture.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[:, top : top + side, left : left + side]


def _draw(low: int, high: int, generator: Generator) -> int:
    return int(torch.randint(low, high + 1, (1,), generator=generator))


def _scaled(square: Tensor, side: int) -> Tensor:
    if square.shape[-1] == side:
        return square.contiguous()
    resized = functional.interpolate(square[None].float(), (side, side), mode="bilinear", antialias=True)
    return resized[0].round_().clamp_(0, 255).to(torch.uint8)
