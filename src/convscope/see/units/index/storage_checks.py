"""Validate the files of an index: every field is checked before any of it is used."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from convscope.see.units.index.accumulators import UnitAccumulator
from convscope.see.units.index.histograms import LARGEST_EXPONENT, SMALLEST_EXPONENT
from convscope.see.units.index.unit_index import IndexedLayer

MOST_UNITS = 10**8
"""Largest accepted number of units of a layer."""


def plain_name(value: Any) -> str:
    """Check the name of a tensor file in the index's own folder.

    Args:
        value: the value that was read.

    Returns:
        The name.

    Raises:
        ValueError: it is no text, or leads out of the folder.
    """
    if not isinstance(value, str) or not value.endswith(".safetensors") or set(value) & set("/\\\0"):
        raise ValueError("tensors: the name of a file in the same folder")
    return value


def texts(value: Any, what: str) -> tuple[str, ...]:
    """Check a list of texts.

    Args:
        value: the value that was read.
        what: name of the field, for the message.

    Returns:
        The texts as a tuple.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError(f"{what}: a list of texts")
    return tuple(value)


def whole(value: Any, what: str, least: int, most: int) -> int:
    """Check an integer.

    Args:
        value: the value that was read.
        what: name of the field, for the message.
        least: smallest accepted value.
        most: largest accepted value.

    Returns:
        The integer.

    Raises:
        ValueError: it is something else, or out of range.
    """
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{what}: a whole number from {least} to {most:,}")
    return value


def facts_of(value: Any) -> dict[str, Any]:
    """Check a fingerprint: names and hashes of network and data, layers, k and batch size.

    Args:
        value: the value that was read.

    Returns:
        The fingerprint.

    Raises:
        ValueError: a field is missing or of another type.
    """
    if not isinstance(value, dict):
        raise ValueError("facts: a table")
    for name, inner in (("net", ("name", "print")), ("data", ("name", "print"))):
        table = value.get(name)
        if not isinstance(table, dict) or not all(isinstance(table.get(key), str) for key in inner):
            raise ValueError(f"facts: {name} with a name and a print")
    whole(value["data"].get("images"), "facts: images of the data", 0, 2**40)
    texts(value.get("places"), "facts: places")
    whole(value.get("k"), "facts: k", 1, 10**6)
    whole(value.get("batch"), "facts: batch", 1, 2**40)
    return value


def layers_of(value: Any) -> tuple[IndexedLayer, ...]:
    """Check the layers of an index.

    Args:
        value: the value that was read.

    Returns:
        The layers.

    Raises:
        ValueError: a field is missing, unknown or of another type.
    """
    if not isinstance(value, list) or not value:
        raise ValueError("layers: a list of one or more")
    return tuple(map(_layer, value))


def _layer(value: Any) -> IndexedLayer:
    if not isinstance(value, dict) or set(value) != {"place", "units", "size", "reader", "function"}:
        raise ValueError("a layer with place, units, size, reader and function")
    if not all(isinstance(value[name], str) for name in ("place", "reader", "function")):
        raise ValueError("a layer whose place, reader and function are texts")
    units = whole(value["units"], "units of a layer", 1, MOST_UNITS)
    if not isinstance(value["size"], list):
        raise ValueError("size of a layer: a list")
    size = tuple(whole(extent, "size of a layer", 1, 2**31) for extent in value["size"])
    return IndexedLayer(value["place"], units, size, value["reader"], value["function"])


def tally_of(tensors: Mapping[str, Tensor], like: UnitAccumulator, images: int) -> UnitAccumulator:
    """Restore an accumulator from tensors, none of which is used before all are checked.

    Args:
        tensors: by the names that `UnitAccumulator.tensors` gives.
        like: an accumulator of the same units, k and classes; names, shapes and types must be equal.
        images: number of images of the data.

    Returns:
        The accumulator.

    Raises:
        ValueError: a tensor is missing, or its shape, type or range is wrong.
    """
    for name, wanted in like.tensors().items():
        found = tensors.get(name)
        if found is None:
            raise ValueError(f"{name} is missing")
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise ValueError(
                f"{name}: {wanted.dtype} of {tuple(wanted.shape)}, not {found.dtype} of {tuple(found.shape)}"
            )
        low, high = _range(name, images)
        if (
            found.numel()
            and not found.is_floating_point()
            and not low <= int(found.min()) <= int(found.max()) <= high
        ):
            raise ValueError(f"{name}: whole numbers from {low} to {high:,}")
        if found.is_floating_point() and bool(found.isnan().any()):
            raise ValueError(f"{name}: numbers, not NaN")
    return UnitAccumulator.of(tensors)


def _range(name: str, images: int) -> tuple[int, int]:
    """Return the smallest and largest integer that a tensor of an accumulator may hold."""
    if name.endswith(".images"):
        return -1, images - 1
    if name.endswith(".flat_positions"):
        return -1, 2**62
    return (SMALLEST_EXPONENT, LARGEST_EXPONENT) if name.endswith(".exponents") else (0, images)


def labels_of(value: Tensor | None, images: int, classes: int) -> Tensor:
    """Check the class of each image.

    Args:
        value: the tensor that was read; None if there is none.
        images: number of images of the data.
        classes: number of classes.

    Returns:
        The labels, `[images]` int64.

    Raises:
        ValueError: there is not one label for each image, or one is no class.
    """
    if value is None or value.dtype != torch.int64 or value.shape != (images,):
        raise ValueError("labels: a class for each image")
    if images and not 0 <= int(value.min()) <= int(value.max()) < max(classes, 1):
        raise ValueError(f"labels: whole numbers from 0 to {max(classes, 1) - 1}")
    return value
