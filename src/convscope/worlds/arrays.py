"""Worlds without a file format of their own: signals, vectors and other tensors, from NumPy's files."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError
from convscope.graph.spec import TensorSpec
from convscope.system.files import read_bytes
from convscope.worlds.images.render import grayscale_alpha, in_unit_range
from convscope.worlds.world import Placement, Sample, World

SUFFIX, MAGIC = ".npy", b"\x93NUMPY"
LARGEST_FILE = 2**30
"""Bytes of the largest file that is read."""


class ArrayWorld(World):
    """Read inputs from `.npy` files, or from arrays and tensors.

    Args:
        kind: the kind of the inputs.
        thing: what they are, for messages.
    """

    suffixes = (SUFFIX,)
    is_ink = True

    def __init__(self, kind: str, thing: str) -> None:
        self.kind, self.thing = kind, thing

    @override
    def open(self, source: Any, spec: TensorSpec) -> Sample:
        return open_array(source, spec)

    @override
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw one row of grey values for each channel; one row for a vector."""
        return grayscale_alpha(torch.atleast_2d(in_unit_range(tensor, spec)))


def open_array(source: Any, spec: TensorSpec) -> Sample:
    """Read an array as an input: the file or object must have the spec's shape and range.

    Args:
        source: path of a `.npy` file, an array, or a tensor.
        spec: specification of the input.

    Returns:
        The sample.

    Raises:
        DataError: there is no such file, it holds no array, or its shape or values do not fit.
    """
    found = _load(source) if isinstance(source, str | Path) else np.asarray(source)
    if found.shape != spec.shape or found.dtype.kind not in "fiub":
        raise DataError(
            f"numbers of shape {spec.shape} in {_name(source)}", received=f"{found.dtype} of {found.shape}"
        )
    dtype = torch.int64 if spec.is_integer else torch.float32
    values = torch.from_numpy(np.ascontiguousarray(found)).to(dtype)
    low, high = spec.value_range
    if not bool(torch.isfinite(values).all()) or float(values.min()) < low or float(values.max()) > high:
        raise DataError(
            f"finite values from {low:g} to {high:g} in {_name(source)}",
            received=f"values from {float(values.min()):g} to {float(values.max()):g}",
            hint="Scale them to the range that the network was trained on.",
        )
    size = tuple(map(float, spec.size))
    return Sample(values, found, Placement((1.0,) * len(size), (0.0,) * len(size), size))


def _load(path: str | Path) -> np.ndarray:
    expected = f"an array of numbers in NumPy's format ({SUFFIX}) in {path}"
    try:
        content = read_bytes(path, LARGEST_FILE)
    except (OSError, ValueError) as error:
        raise DataError(expected, received=str(error)) from None
    if not content.startswith(MAGIC):  # NumPy would take it for a pickle, and advise to load it unsafely
        raise DataError(expected, received="a file without its signature", hint="Write one with numpy.save.")
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise DataError(expected, received=str(error), hint="Write one with numpy.save.") from None


def _name(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else f"this {type(source).__name__}"
