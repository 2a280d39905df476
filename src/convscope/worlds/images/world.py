"""The world of images: photographs and other pictures of any number of channels."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError
from convscope.graph.spec import IMAGE, TensorSpec
from convscope.worlds.arrays import SUFFIX, is_array_file, load_array, open_arrays
from convscope.worlds.dataset import Dataset
from convscope.worlds.images import adapt, decode, photos, pixels
from convscope.worlds.images.augment import AUGMENTATIONS
from convscope.worlds.images.datasets.folder import ImageFolder
from convscope.worlds.images.fit import placement
from convscope.worlds.images.render import grayscale, in_unit_range, rgb
from convscope.worlds.world import Placement, Sample, World


class ImageWorld(World):
    """Read photographs and other image files; arrays `.npy` where there are neither 1 nor 3 channels."""

    kind = IMAGE
    reads_arrays = True
    thing = "an image"
    things = "images"
    suffixes = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", SUFFIX)
    augmentations = MappingProxyType(AUGMENTATIONS)
    symmetries = MappingProxyType({"flip": lambda images: images.flip(-1)})

    @override
    def open(self, source: Any, spec: TensorSpec) -> Sample:
        if is_array_file(source):
            source = load_array(source, spec)
        if not isinstance(source, np.ndarray | Tensor):
            return self.from_image(open_image(source), spec)
        images = self._images(source, spec)
        if images is not None:
            return self.from_image(open_image(_only(images, spec)), spec)
        batch = self._sized_inputs(source, spec)
        return Sample(_only(batch, spec), source, _in_place(batch[0], spec))

    @override
    def open_batch(self, source: np.ndarray | Tensor, spec: TensorSpec) -> Float[Tensor, "b *shape"]:
        images = self._images(source, spec)
        if images is None:
            return self._sized_inputs(source, spec)
        return torch.stack([self.from_image(open_image(image), spec).input for image in images])

    @override
    def open_whole(self, source: Any, spec: TensorSpec, *, longest: int | None = None) -> Sample:
        if is_array_file(source):
            source = load_array(source, spec)
        images = self._images(source, spec) if isinstance(source, np.ndarray | Tensor) else None
        if images is None and isinstance(source, np.ndarray | Tensor | Sample):
            given = source.input if isinstance(source, Sample) else _only(self._inputs(source, spec), spec)
            found = adapt.with_longest(given, spec, longest)
            return Sample(found, source, _in_place(found, spec))
        image = open_image(source if images is None else _only(images, spec))
        found = photos.to_tensor_uncropped(image, spec, longest=longest)
        down, across = (found.shape[1] / image.height, found.shape[2] / image.width)
        return Sample(found, image, Placement((down, across), (0.0, 0.0), (image.height, image.width)))

    @override
    def recognises(self, file: Path) -> bool:
        """Return whether a file is named as a picture, or begins like one."""
        if file.suffix.lower() in self.suffixes:
            return True
        try:
            decode.read_start(file)
        except decode.PhotoError as error:
            return error.kind == "unsupported"
        return True

    def from_image(self, image: Image.Image, spec: TensorSpec) -> Sample:
        """Make an input of an opened image.

        Args:
            image: upright, in RGB.
            spec: specification of the network's input.

        Returns:
            The input at the size and in the range of the spec.

        Raises:
            UsageError: the spec is not for images.
        """
        return Sample(photos.to_tensor(image, spec), image, placement(image.size, spec))

    def _images(self, source: np.ndarray | Tensor, spec: TensorSpec) -> list[Image.Image] | None:
        """Return pictures of bytes as images; None for inputs of a network."""
        is_picture = len(spec.shape) != 3 or spec.channels in (1, 3)
        return pixels.as_images(source, spec) if is_picture else None

    def _inputs(self, source: np.ndarray | Tensor, spec: TensorSpec) -> Tensor:
        """Return the inputs `[b *shape]` in an array or tensor."""
        is_picture = len(spec.shape) == 3 and spec.channels in (1, 3)
        return (pixels.as_inputs if is_picture else open_arrays)(source, spec)

    def _sized_inputs(self, source: np.ndarray | Tensor, spec: TensorSpec) -> Tensor:
        """Return the inputs in an array or tensor, which should have the size of the spec."""
        batch = self._inputs(source, spec)
        pixels.require_size(batch, spec, source)
        return batch

    @override
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw an image: in colours if it is RGB, else the mean of its channels in grey, 1 as white."""
        unit = in_unit_range(tensor, spec)
        return rgb(unit) if spec.is_rgb else grayscale(unit)

    @override
    def open_folder(self, root: str | Path, split: str | None, spec: TensorSpec) -> Dataset:
        return ImageFolder(root, split, spec)


def _only(things: Sequence[Any] | Tensor, spec: TensorSpec) -> Any:
    """Return the one element of a batch."""
    if len(things) != 1:
        raise DataError(
            f"one picture for an input of {spec.shape}",
            received=f"{len(things)} of them",
            hint="Take one of them: x[0].",
        )
    return things[0]


def _in_place(found: Tensor, spec: TensorSpec) -> Placement:
    """Return the placement of an input that lies in itself."""
    size = tuple(map(float, found.shape[len(found.shape) - len(spec.size) :]))
    return Placement((1.0,) * len(size), (0.0,) * len(size), size)


def open_image(source: Any) -> Image.Image:
    """Return an image as a file of it would be read: upright, RGB, on white where it is transparent.

    Args:
        source: a path, the bytes of a file, or an opened image.

    Returns:
        The image in mode RGB.

    Raises:
        DataError: it is neither, or the file is missing or not an image.
    """
    if isinstance(source, Image.Image):
        return photos.upright_rgb(source)
    if not isinstance(source, str | PathLike | bytes):
        raise DataError(
            "a picture: a path, a PIL image, a NumPy array or a tensor",
            received=type(source).__name__,
            hint="Give a path, or what numpy.asarray makes of it.",
        )
    return photos.open_photo(source)


def as_photo(source: Any) -> Image.Image:
    """Return any picture as an opened photograph, at its own size.

    Args:
        source: what `open_image` takes; an array or tensor of bytes, or of floating point values in [0, 1];
            or a sample that was read in that range.

    Returns:
        The image in mode RGB.

    Raises:
        DataError: it cannot be read, or is not clearly one picture.
    """
    if isinstance(source, Sample):
        source = source.original if isinstance(source.original, Image.Image) else source.input
    if is_array_file(source):
        source = load_array(source, photos.SPEC)
    if not isinstance(source, np.ndarray | Tensor):
        return open_image(source)
    images = pixels.as_images(source, photos.SPEC)
    if images is not None:
        return open_image(_only(images, photos.SPEC))
    return photos.to_pil(_only(pixels.as_inputs(source, photos.SPEC), photos.SPEC))
