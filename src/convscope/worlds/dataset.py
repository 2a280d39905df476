"""Labelled pictures that a network can learn from, wherever they come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from convscope.errors import DataError, UsageError
from convscope.graph.contract import InputContract, Shape

Indices = Sequence[int] | Tensor
Picture = UInt8[Tensor, "b c h w"]


@dataclass(frozen=True)
class Problem:
    """A file that could not be used.

    `kind` is one word of `photos.KINDS`; `reason` says it to a person.
    """

    path: str
    kind: str
    reason: str


class LabelledImages(ABC):
    """Labelled pictures of one shape.

    `labels[i]` is the class of picture `i`, an index into `classes`. A network that looks at these pictures
    without saying otherwise expects `contract`.
    """

    name: str
    classes: tuple[str, ...]
    labels: Int64[Tensor, " n"]
    contract: InputContract

    @property
    def shape(self) -> Shape:
        """Extent of one picture: (channels, height, width)."""
        return self.contract.shape

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Files that could not be used, as far as they have been met."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes labels wrong or results meaningless, as sentences; for example a single class."""
        return ()

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        extent = "x".join(map(str, self.shape))
        return f"{type(self).__name__}({self.name}: {len(self):,} of {extent}, {len(self.classes)} classes)"

    @abstractmethod
    def batch(self, indices: Indices) -> Picture:
        """The pictures at `indices`, in that order, uint8.

        0 and 255 stand for the two ends of `contract.value_range`; `scaled` converts. One picture comes
        back for every index, whatever happens.
        """

    @abstractmethod
    def take(self, indices: Indices) -> Self:
        """Only the pictures at `indices`, in that order."""

    def batches(self, indices: Indices, size: int) -> Iterator[tuple[Picture, Int64[Tensor, " b"]]]:
        """Pictures and labels at `indices`, `size` at a time; the last may be smaller. The order is kept."""
        chosen = checked(indices, len(self))
        for part in chosen.split(size) if len(chosen) else ():
            yield self.batch(part), self.labels[part]


class ImageTensorDataset(LabelledImages):
    """Pictures held as one uint8 tensor.

    Args:
        images: pictures, 0 to 255 for the two ends of the contract's range.
        labels: class of each picture.
        classes: names; label k is `classes[k]`.
        contract: taken from the extent of the pictures when left out, range [0, 1].
        name: shown in tables and results.

    Raises:
        DataError: sizes, labels and classes do not fit each other.
    """

    images: UInt8[Tensor, "n c h w"]

    def __init__(
        self,
        images: UInt8[Tensor, "n c h w"],
        labels: Int64[Tensor, " n"],
        classes: Sequence[str],
        contract: InputContract | None = None,
        name: str = "pictures",
    ) -> None:
        labels = torch.as_tensor(labels, dtype=torch.int64)
        if images.ndim != 4 or images.dtype != torch.uint8 or len(images) != len(labels):
            raise DataError(
                "uint8 pictures [n c h w] and one label for each",
                received=f"pictures {list(images.shape)} {images.dtype}, labels {list(labels.shape)}",
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
            raise DataError(
                f"labels from 0 to {len(classes) - 1}, one for each of {len(classes)} classes",
                received=f"labels from {int(labels.min())} to {int(labels.max())}",
            )
        self.images, self.labels, self.classes, self.name = images, labels, tuple(classes), name
        self.contract = contract or _plain(images)
        if self.contract.shape != tuple(images.shape[1:]):
            raise DataError(f"pictures of {self.contract.shape}", received=f"{tuple(images.shape[1:])}")

    def batch(self, indices: Indices) -> Picture:
        """The pictures at `indices`, in that order, uint8."""
        return self.images[checked(indices, len(self))]

    def take(self, indices: Indices) -> Self:
        """Only the pictures at `indices`, in that order."""
        indices = checked(indices, len(self))
        return type(self)(self.images[indices], self.labels[indices], self.classes, self.contract, self.name)


def scaled(pictures: UInt8[Tensor, "*b c h w"], contract: InputContract) -> Float[Tensor, "*b c h w"]:
    """Bytes as numbers in the contract's range: 0 becomes its low end, 255 its high end."""
    low, high = contract.value_range
    unit = pictures.to(torch.float32).div_(255)
    return unit if (low, high) == (0.0, 1.0) else unit.mul_(high - low).add_(low)


def _plain(images: UInt8[Tensor, "n c h w"]) -> InputContract:
    channels, height, width = images.shape[1:]
    return InputContract(channels, height, width)


def checked(indices: Indices, length: int) -> Int64[Tensor, " b"]:
    """Raises UsageError for indices outside 0 to length - 1."""
    chosen = torch.as_tensor(indices, dtype=torch.int64).flatten()
    if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < length:
        raise UsageError(
            f"indices from 0 to {length - 1}", received=f"from {int(chosen.min())} to {int(chosen.max())}"
        )
    return chosen
