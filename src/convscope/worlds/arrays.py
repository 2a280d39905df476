"""Worlds without a file format of their own: signals, vectors and other tensors, from NumPy's files."""

import io
from os import PathLike
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
    """Read an array as one input, in the spec's range.

    Args:
        source: path of a `.npy` file, whose array has the spec's shape; an array or tensor with the spec's
            axes and channels, of any size, with or without a batch axis of 1.
        spec: specification of the input.

    Returns:
        The sample.

    Raises:
        DataError: there is no such file, it holds no array, or its shape or values do not fit.
    """
    found = load_array(source, spec) if isinstance(source, str | PathLike) else source
    batch = open_arrays(found, spec, name=str(source) if found is not source else "")
    if len(batch) != 1:
        raise DataError(f"one input of shape {spec.shape}", received=f"{len(batch)} of them")
    size = tuple(map(float, batch.shape[len(batch.shape) - len(spec.size) :]))
    return Sample(batch[0], found, Placement((1.0,) * len(size), (0.0,) * len(size), size))


def open_arrays(found: Any, spec: TensorSpec, *, name: str = "") -> Tensor:
    """Read an array or tensor as a batch of inputs, in the spec's range.

    Args:
        found: the spec's axes and channels, of any size, with or without a batch axis before them.
        spec: specification of the inputs.
        name: where the array is from, for messages; its type if empty.

    Returns:
        The inputs `[b *shape]`: int64 for indices, else floating point.

    Raises:
        DataError: its axes or values do not fit.
    """
    where = name or f"this {type(found).__name__}"
    if isinstance(found, list | tuple) or not hasattr(found, "dtype"):
        found = _numbers(found, where)
    values = found.detach() if isinstance(found, Tensor) else _tensor(found, where)
    axes = len(spec.shape)
    batch = values[None] if values.dim() == axes else values
    if batch.dim() != axes + 1 or (spec.has_channels and batch.shape[1] != spec.channels):
        raise DataError(
            f"numbers of shape {spec.shape} in {where}",
            received=f"{values.dtype} of {tuple(values.shape)}",
            hint="Bring it to that shape, with or without a batch axis before it.",
        )
    if spec.is_integer and batch.is_floating_point() and not bool((batch == batch.round()).all()):
        raise DataError(
            f"whole numbers in {where}",
            received=str(values.dtype),
            hint="Bring it to that shape, with or without a batch axis before it.",
        )
    wanted = torch.int64 if spec.is_integer else torch.float32
    batch = batch if batch.is_floating_point() and not spec.is_integer else batch.to(wanted)
    low, high = spec.value_range
    if not batch.numel():
        raise DataError(
            f"numbers of shape {spec.shape} in {where}",
            received=f"shape {tuple(values.shape)}",
            hint="Bring it to that shape, with or without a batch axis before it.",
        )
    if not bool(torch.isfinite(batch).all()) or float(batch.min()) < low or float(batch.max()) > high:
        raise DataError(
            f"finite values from {low:g} to {high:g} in {where}",
            received=f"values from {float(batch.min()):g} to {float(batch.max()):g}",
            hint="Scale them to the range that the network was trained on.",
        )
    return batch


def _numbers(values: Any, where: str) -> np.ndarray:
    """Return nested sequences of numbers as an array."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(
            f"numbers in {where}",
            received=str(error),
            hint="Give an array, a tensor or rows of equal length.",
        ) from None


def _tensor(found: np.ndarray, where: str) -> Tensor:
    """Return an array of numbers as a tensor; floating point as float32."""
    if found.dtype.kind not in "fiub":
        raise DataError(
            f"numbers in {where}",
            received=f"{found.dtype} of {found.shape}",
            hint="Give whole or floating point numbers.",
        )
    wanted = np.float32 if found.dtype.kind == "f" else found.dtype
    return torch.from_numpy(np.ascontiguousarray(found, dtype=wanted))


def is_array_file(source: Any) -> bool:
    """Return whether something is the path of a file in NumPy's format, by its ending.

    Args:
        source: anything.

    Returns:
        True for a path that ends in `.npy`.
    """
    return isinstance(source, str | PathLike) and str(source).lower().endswith(SUFFIX)


def load_array(path: str | PathLike[str], spec: TensorSpec) -> np.ndarray:
    """Read a file in NumPy's format; nothing is unpickled.

    Args:
        path: the file.
        spec: specification of the input: an array of its axes has to have its shape, unless it holds bytes.

    Returns:
        The array.

    Raises:
        DataError: there is no such file, it is no array of numbers, or its shape is another one.
    """
    found = _load(path)
    if found.dtype.kind not in "fiub" or (found.dtype != np.uint8 and found.shape != spec.shape):
        raise DataError(
            f"numbers of shape {spec.shape} in {path}",
            received=f"{found.dtype} of {found.shape}",
            hint="Write an array of that shape with numpy.save; bytes may have another one.",
        )
    return found


def _load(path: str | PathLike[str]) -> np.ndarray:
    expected = f"an array of numbers in NumPy's format ({SUFFIX}) in {path}"
    try:
        content = read_bytes(path, LARGEST_FILE)
    except (OSError, ValueError) as error:
        raise DataError(expected, received=str(error), hint="Write it again with numpy.save.") from None
    if not content.startswith(MAGIC):  # NumPy would take it for a pickle, and advise to load it unsafely
        raise DataError(expected, received="a file without its signature", hint="Write one with numpy.save.")
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise DataError(expected, received=str(error), hint="Write one with numpy.save.") from None
