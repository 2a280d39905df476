"""Data sets of labelled images, in memory or read from files."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Self

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.worlds.dataset import Dataset, Indices, LabelledDataset, checked, checked_labels
from convscope.worlds.images.adapt import to_spec
from convscope.worlds.images.fit import InputFit, input_fit
from convscope.worlds.world import Placement

Picture = UInt8[Tensor, "b c h w"]


class LabelledImages(LabelledDataset):
    """Base class of data sets of labelled images of one shape.

    Attributes:
        classes: names of the classes.
        labels: `labels[i]` is the class of image `i`, an index into `classes`.
        spec: shape and value range of the images.
    """

    @override
    def inputs(self, indices: Indices, spec: TensorSpec | None = None) -> Float[Tensor, "b c h w"]:
        """Return images at the size and in the value range of the spec, or of their own."""
        return to_spec(self.pixels(indices), spec or self.spec)

    @override
    def batches(
        self, indices: Indices, size: int, spec: TensorSpec | None = None
    ) -> Iterator[tuple[Float[Tensor, "b c h w"], Int64[Tensor, " b"]]]:
        for pixels, labels in self.pixel_batches(indices, size):
            yield to_spec(pixels, spec or self.spec), labels

    def original_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return height and width of images before they were resized to the spec.

        Returns:
            Sizes in pixels, of all images or of a sample of them; empty where they are not known.
        """
        height, width = self.spec.size
        return ((height, width),)

    def placements(self) -> tuple[Placement, ...]:
        """Return where files lie in the images that are made of them, which may show a part of each.

        Returns:
            One for each size of `original_sizes`; empty for images that are no parts of files.
        """
        return ()

    def fit_to(self, spec: TensorSpec) -> InputFit | None:
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

    def pixel_batches(self, indices: Indices, size: int) -> Iterator[tuple[Picture, Int64[Tensor, " b"]]]:
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


def require_images(data: Dataset) -> LabelledImages:
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
        checked_labels(labels, len(images), classes)
        self.images, self.labels, self.classes, self.name = images, labels, tuple(classes), name
        self.spec = spec or _plain(images)
        if self.spec.shape != tuple(images.shape[1:]):
            raise DataError(f"pictures of {self.spec.shape}", received=f"{tuple(images.shape[1:])}")

    @property
    @override
    def content(self) -> Tensor:
        return self.images

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


def _plain(images: UInt8[Tensor, "n c h w"]) -> TensorSpec:
    """Return the spec of images with values in [0, 1]."""
    channels, height, width = images.shape[1:]
    return TensorSpec((channels, height, width))
