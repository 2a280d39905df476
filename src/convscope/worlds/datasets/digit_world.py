"""The world of handwritten digits: images whose ink is found and centred as in MNIST."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.graph.spec import DIGIT, TensorSpec
from convscope.worlds.datasets import digits
from convscope.worlds.datasets.mnist_preprocessing import blank_error, edge_median
from convscope.worlds.images.adapt import fitted, to_spec
from convscope.worlds.images.datasets.folder import ImageFolder, ImageReading
from convscope.worlds.images.render import grayscale_alpha, in_unit_range
from convscope.worlds.images.world import ImageWorld
from convscope.worlds.world import Sample


class DigitWorld(ImageWorld):
    """Read images of one digit in MNIST's form, and set them into the input's size and range."""

    kind = DIGIT
    thing = "an image of one digit"
    symmetries = MappingProxyType({})
    is_ink = True

    @override
    def from_image(self, image: Image.Image, spec: TensorSpec) -> Sample:
        return Sample(_placed(digits.to_tensor(image), spec), image)

    @override
    def _sized_inputs(self, source: np.ndarray | Tensor, spec: TensorSpec) -> Tensor:
        """Return the inputs in an array or tensor; one of a single value is refused, as in files."""
        batch = super()._sized_inputs(source, spec)
        flat = batch.flatten(1)
        if bool((flat.amin(1) == flat.amax(1)).any()):
            raise blank_error(0)
        return batch

    @override
    def open_whole(self, source: Any, spec: TensorSpec, *, longest: int | None = None) -> Sample:
        """Read an image at its own size; where its border is light, dark is ink."""
        sample = super().open_whole(source, spec, longest=longest)
        if not isinstance(sample.original, Image.Image):
            return sample
        if edge_median(np.asarray(sample.original.convert("L"))) < 128:
            return sample
        low, high = spec.value_range
        return replace(sample, input=low + high - sample.input)

    @override
    def open_folder(self, root: str | Path, split: str | None, spec: TensorSpec) -> ImageFolder:
        """Open a folder of images of one digit each, which are read as single files are.

        Raises:
            DataError: there is no such folder, or too many of a sample of its images hold no digit.
        """
        found = ImageFolder(root, split, spec, reading=READING)
        found.require_readable(
            f"images of one digit each in {root}: ink that differs from its paper",
            "This network takes digits. Choose a network of photographs: convscope nets lists them.",
        )
        return found

    @override
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw a digit in black ink, as it was written."""
        return grayscale_alpha(in_unit_range(tensor, spec))

    @override
    def example(self, spec: TensorSpec, index: int = 0) -> Sample:
        """Return a digit of the packaged test set."""
        data = digits.test()
        pixels = data.pixels([index % len(data)])
        return Sample(to_spec(pixels, spec)[0], pixels[0])

    @override
    def bundled_data(self, spec: TensorSpec) -> str:
        """Return the packaged digits."""
        del spec
        return "digits"


def _placed(digit: Float[Tensor, "1 28 28"], spec: TensorSpec) -> Float[Tensor, "c h w"]:
    """Return a digit in [0, 1] at the size and in the value range of a spec."""
    low, high = spec.value_range
    return fitted((low + (high - low) * digit)[None], spec)[0]


def _to_bytes(image: Image.Image, spec: TensorSpec) -> UInt8[Tensor, "c h w"]:
    """Return an image of one digit as bytes, where 0 and 255 stand for the two ends of the value range."""
    low, high = spec.value_range
    return ((_placed(digits.to_tensor(image), spec) - low) / (high - low) * 255).round().byte()


READING = ImageReading(_to_bytes, "digit", "no digit", blank=0)
"""How the images of a folder become digits in MNIST's form."""
