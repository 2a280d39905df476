"""MNIST subset that ships with the package: 10,000 handwritten digits.

They are the first 10,000 images of MNIST's official training set, all of them, byte for byte. So:

- `train()` (8,000) and `test()` (2,000, 200 of each digit) share no image, and no two images are equal;
- neither shares an image with MNIST's official test set: a network trained on them may be tested there;
- both lie inside MNIST's official training set: a network trained on the official training set has
  seen every image of `test()`. Never test such a network here.

The images are CC BY-SA 3.0 (LeCun, Cortes, Burges); `provenance()` has the details.
"""

import json
import zipfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convscope.graph.spec import DIGIT, TensorSpec
from convscope.worlds.datasets.mnist_preprocessing import to_mnist
from convscope.worlds.images.datasets.labelled import ImageTensorDataset
from convscope.worlds.images.photos import open_photo

CLASSES = tuple("0123456789")
SPEC = TensorSpec((1, 28, 28), kind=DIGIT)
"""One grey channel in [0, 1]: paper is 0, ink 1."""


def train() -> ImageTensorDataset:
    """Return the training set: 8,000 digits in a shuffled order, so that any first n are a fair sample."""
    return _part("train")


def test() -> ImageTensorDataset:
    """Return the test set: 2,000 digits, 200 of each, none of them in `train()`, in a shuffled order."""
    return _part("test")


test.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  # a part of a data set, not pytest's to collect


def to_tensor(image: Image.Image) -> Float[Tensor, "1 28 28"]:
    """Convert a photograph or drawing of one digit to MNIST's form.

    The ink fills a 20x20 box, its centre of mass in the middle of 28x28. It may be dark on light or light on
    dark; an image of 28x28 with a dark edge is kept as it is.

    Args:
        image: the image, of any size and colour mode.

    Returns:
        `[1 28 28]` in [0, 1]: paper 0, ink 1.

    Raises:
        DataError: nothing is drawn.
    """
    return to_mnist(image)


def open(path: str | Path) -> Float[Tensor, "1 28 28"]:  # digits.open, like Image.open
    """Read an image file of one digit in MNIST's form, as `to_tensor` does.

    Args:
        path: the image file.

    Returns:
        `[1 28 28]` in [0, 1]: paper 0, ink 1.

    Raises:
        DataError: the file is not a readable image, or nothing is drawn.
    """
    return to_mnist(open_photo(path))


def provenance() -> dict[str, str]:
    """Return source, licence and processing of the bundled digits."""
    with as_file(_FILE) as path, zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("provenance.json"))


_FILE = files("convscope.worlds") / "data" / "digits.npz"


def _part(split: Literal["train", "test"]) -> ImageTensorDataset:
    with as_file(_FILE) as path, np.load(path, allow_pickle=False) as file:
        images, labels = file[f"{split}_images"], file[f"{split}_labels"]
    return ImageTensorDataset(
        torch.from_numpy(images).unsqueeze(1),
        torch.from_numpy(labels).to(torch.int64),
        CLASSES,
        SPEC,
        f"digits/{split}",
    )
