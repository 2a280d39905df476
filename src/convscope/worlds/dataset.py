"""Data sets of samples of any kind, and labelled images, in memory or read from files."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.graph.spec import Shape, TensorSpec
from convscope.worlds.batch import Batch

Indices = Sequence[int] | Tensor
Picture = UInt8[Tensor, "b c h w"]
NOTED = 1.5
"""How many times images must be enlarged for `InputFit` to say so."""


@dataclass(frozen=True)
class Problem:
    """A file that could not be used.

    Attributes:
        path: the file, as printable text.
        kind: one of `photos.KINDS`, `small` for photographs below a minimum size.
        reason: what is wrong, in words.
    """

    path: str
    kind: str
    reason: str


class Dataset(ABC):
    """Base class of data sets: samples of any kind, with or without targets.

    Attributes:
        name: name of the data set, shown in tables and results.
        specs: one for each input of a sample, and so the input specs of a network trained on them without
            others.
    """

    name: str

    @property
    @abstractmethod
    def specs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the inputs of a sample."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Files that could not be used, as far as they have been tried."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes targets wrong or results meaningless, as sentences; for example a single class."""
        return ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, indices: Indices) -> Batch:
        """Return some samples.

        Args:
            indices: which samples, from 0 to `len(self) - 1`, in any order, also repeated.

        Returns:
            Inputs in the range and at the size of `specs`, and targets; on the CPU.

        Raises:
            UsageError: an index is out of range.
        """

    @abstractmethod
    def take(self, indices: Indices) -> Self:
        """Return the subset of some samples.

        Args:
            indices: which samples, from 0 to `len(self) - 1`; this becomes their order.

        Returns:
            A data set of the same kind.

        Raises:
            UsageError: an index is out of range.
        """


class LabelledDataset(Dataset):
    """Base class of data sets of one input and one class for each sample."""

    classes: tuple[str, ...]
    labels: Int64[Tensor, " n"]
    spec: TensorSpec

    @property
    @override
    def specs(self) -> tuple[TensorSpec, ...]:
        return (self.spec,)

    @override
    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> Shape:
        """Shape of one input."""
        return self.spec.shape

    @abstractmethod
    def inputs(self, indices: Indices, spec: TensorSpec | None = None) -> Tensor:
        """Return some inputs."""

    @override
    def batch(self, indices: Indices) -> Batch:
        """Return inputs and labels."""
        chosen = checked(indices, len(self))
        return Batch((self.inputs(chosen),), self.labels[chosen])


class LabelledImages(Dataset):
    """Base class of data sets of labelled images of one shape.

    Attributes:
        classes: names of the classes.
        labels: `labels[i]` is the class of image `i`, an index into `classes`.
        spec: shape and value range of the images.
    """

    classes: tuple[str, ...]
    labels: Int64[Tensor, " n"]
    spec: TensorSpec

    @property
    @override
    def specs(self) -> tuple[TensorSpec, ...]:
        return (self.spec,)

    @property
    def shape(self) -> Shape:
        """Shape of one image: (channels, height, width)."""
        return self.spec.shape

    @override
    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        extent = "x".join(map(str, self.shape))
        return f"{type(self).__name__}({self.name}: {len(self):,} of {extent}, {len(self.classes)} classes)"

    @override
    def batch(self, indices: Indices) -> Batch:
        """Return images in the spec's value range, with their labels `[b]` as targets."""
        chosen = checked(indices, len(self))
        return Batch((scaled(self.pixels(chosen), self.spec),), self.labels[chosen])

    def original_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return height and width of images before they were resized to the spec.

        Returns:
            Sizes in pixels, of all images or of a sample of them; empty where they are not known.
        """
        height, width = self.spec.size
        return ((height, width),)

    def fit_to(self, spec: TensorSpec) -> "InputFit | None":
        """Compare the original sizes of the images with a network's input.

        Args:
            spec: specification of the network's input.

        Returns:
            The comparison; None for an input without height and width, or where no size is known.
        """
        return input_fit(self.original_sizes(), spec, self.spec.transform.crop)

    @abstractmethod
    def pixels(self, indices: Indices) -> Picture:
        """Return a batch of images.

        Args:
            indices: which images, from 0 to `len(self) - 1`, in any order, also repeated.

        Returns:
            uint8 images `[b c h w]`, one for every index, in that order. 0 and 255 stand for the two ends of
            `spec.value_range`; `scaled` converts.

        Raises:
            UsageError: an index is out of range.
        """

    def batches(self, indices: Indices, size: int) -> Iterator[tuple[Picture, Int64[Tensor, " b"]]]:
        """Iterate over batches of images and labels, in the given order.

        Args:
            indices: which images, from 0 to `len(self) - 1`.
            size: number of images in a batch; the last may have fewer.

        Yields:
            uint8 images `[b c h w]`, as `pixels` returns them, and their labels `[b]`.

        Raises:
            UsageError: an index is out of range.
        """
        chosen = checked(indices, len(self))
        for part in chosen.split(size) if len(chosen) else ():
            yield self.pixels(part), self.labels[part]


@dataclass(frozen=True)
class InputFit:
    """How the images of a data set become a network's input.

    Attributes:
        size: height and width of the input, in pixels.
        smallest: height and width of the smallest image whose header was read, by its shorter side.
        largest: of the largest one whose header was read.
        enlarged: how many times an image is enlarged before it is cropped, the median over those images;
            below 1 where they are reduced.
    """

    size: tuple[int, int]
    smallest: tuple[int, int]
    largest: tuple[int, int]
    enlarged: float

    @property
    def note(self) -> str:
        """A sentence where images are enlarged `NOTED` times or more; else empty."""
        if self.enlarged < NOTED:
            return ""
        small, large = (f"{width}x{height}" for height, width in (self.smallest, self.largest))
        sizes = small if small == large else f"{small} to {large}"
        height, width = self.size
        return (
            f"Pictures of {sizes} pixels are enlarged {self.enlarged:.3g} times for an input of "
            f"{width}x{height}: that adds no detail."
        )

    def to_json(self) -> dict[str, object]:
        """Return the sizes and the factor, JSON-ready."""
        return {
            "size": list(self.size),
            "pictures": [list(self.smallest), list(self.largest)],
            "enlarged": round(self.enlarged, 3),
        }


def input_fit(sizes: Sequence[tuple[int, int]], spec: TensorSpec, crop: float) -> InputFit | None:
    """Compare the sizes of images with the input that they are resized to.

    Args:
        sizes: height and width of each image.
        spec: specification of the network's input.
        crop: share of the shorter side that is kept after resizing, as `ImageTransform.crop`: files are
            resized to size / crop.

    Returns:
        The comparison; None for an input without height and width, or without images.
    """
    if len(spec.size) != 2 or not sizes:
        return None
    height, width = spec.size
    down, across = (max(side, round(side / crop)) for side in (height, width))
    ordered = sorted(sizes, key=min)
    factors = sorted(max(down / size[0], across / size[1]) for size in ordered)
    return InputFit((height, width), ordered[0], ordered[-1], factors[len(factors) // 2])


def require_labelled_images(data: Dataset) -> LabelledImages:
    """Check that a data set holds labelled images.

    Args:
        data: any data set.

    Returns:
        The same data set.

    Raises:
        UsageError: it holds something else.
    """
    if not isinstance(data, LabelledImages):
        raise UsageError(
            "labelled images",
            received=f"{data.name}, a {type(data).__name__}",
            hint="Open images with worlds.open, or make an ImageTensorDataset of them.",
        )
    return data


class ImageTensorDataset(LabelledImages):
    """A data set of labelled images held in memory as one uint8 tensor.

    Args:
        images: images `[n c h w]`; 0 and 255 stand for the two ends of the spec's value range.
        labels: class of each image, `[n]`.
        classes: names of the classes; label k is `classes[k]`.
        spec: shape and value range; taken from the images when left out, with the range [0, 1].
        name: name of the data set, shown in tables and results.

    Raises:
        DataError: sizes, labels and classes do not fit each other.
    """

    images: UInt8[Tensor, "n c h w"]

    def __init__(
        self,
        images: UInt8[Tensor, "n c h w"],
        labels: Int64[Tensor, " n"],
        classes: Sequence[str],
        spec: TensorSpec | None = None,
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
        self.spec = spec or _plain(images)
        if self.spec.shape != tuple(images.shape[1:]):
            raise DataError(f"pictures of {self.spec.shape}", received=f"{tuple(images.shape[1:])}")

    @override
    def pixels(self, indices: Indices) -> Picture:
        """Return a batch of images."""
        return gathered(self.images, checked(indices, len(self)))

    @override
    def take(self, indices: Indices) -> Self:
        """Return the subset of some images, copied."""
        indices = checked(indices, len(self))
        return type(self)(self.images[indices], self.labels[indices], self.classes, self.spec, self.name)


def gathered(images: UInt8[Tensor, "n c h w"], rows: Int64[Tensor, " b"]) -> Picture:
    """Copy some images of many, as fast as memory allows.

    Args:
        images: all images; contiguous ones are copied row by row, which is 10 times as fast as an index.
        rows: which ones, in range, on the same device.

    Returns:
        `[b c h w]`.
    """
    return images.flatten(1).index_select(0, rows).view(len(rows), *images.shape[1:])


def scaled(pictures: UInt8[Tensor, "*b c h w"], spec: TensorSpec) -> Float[Tensor, "*b c h w"]:
    """Convert bytes to floats in the spec's value range: 0 becomes its low end, 255 its high end.

    Args:
        pictures: uint8 images, `[c h w]` or `[b c h w]`.
        spec: the input spec; only its value range is used.

    Returns:
        float32 images of the same shape.
    """
    low, high = spec.value_range
    unit = pictures.to(torch.float32).div_(255)
    return unit if (low, high) == (0.0, 1.0) else unit.mul_(high - low).add_(low)


def _plain(images: UInt8[Tensor, "n c h w"]) -> TensorSpec:
    """Return the spec of images with values in [0, 1]."""
    channels, height, width = images.shape[1:]
    return TensorSpec((channels, height, width))


def checked_labels(labels: Tensor, count: int, classes: Sequence[str]) -> Int64[Tensor, " n"]:
    """Check labels."""
    return torch.as_tensor(labels, dtype=torch.int64)


def checked(indices: Indices, length: int) -> Int64[Tensor, " b"]:
    """Convert indices to a tensor, and check that they are in range.

    Args:
        indices: whole numbers, as a sequence or a tensor of any shape.
        length: number of items.

    Returns:
        The indices as a flat int64 tensor.

    Raises:
        UsageError: an index is negative, or not below `length`.
    """
    chosen = torch.as_tensor(indices, dtype=torch.int64).flatten()
    if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < length:
        raise UsageError(
            f"indices from 0 to {length - 1}", received=f"from {int(chosen.min())} to {int(chosen.max())}"
        )
    return chosen
