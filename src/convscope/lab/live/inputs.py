"""What the page sends as an input: bytes of a drawing, an uploaded file, a sentence, a bundled example."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.errors import DataError, UsageError
from convscope.graph import TensorSpec
from convscope.lab.folder import LabFolder
from convscope.nets import Net
from convscope.worlds import (
    LabelledDataset,
    Sample,
    open_sample,
    require_labelled,
    world_of,
)
from convscope.worlds import open as open_data
from convscope.worlds.images import to_spec

MAX_TEXT_LENGTH = 20_000
PICTURES = frozenset({"image", "digit"})
"""Kinds of inputs that are made of any picture."""
MAX_SAMPLES = 2000
"""Samples of the bundled data among which the strongest for a unit are looked for."""


def open_input(given: Mapping[str, Any], data: bytes, net: Net, folder: LabFolder) -> Sample:
    """Read what the page sent as one input of a network.

    Args:
        given: one of `upload` (id), `text`, `game`, `example` (number of a packaged example), `sample`
            (index in the bundled data); empty where `data` holds the values.
        data: one byte for each value of the input, 0 to 255 for the spec's value range.
        net: a network of one input.
        folder: the lab's folders.

    Returns:
        The sample.

    Raises:
        DataError: the file is damaged, or is no input of this network, or the number of bytes is wrong.
        PlaceError: there is no such upload.
        UsageError: there is no such example, or the network has several inputs.
    """
    if len(net.input_specs) != 1:
        raise UsageError("a network of one input", received=f"{net.name}, which has {len(net.input_specs)}")
    spec = net.input_spec
    if "upload" in given:
        return open_sample(folder.upload(str(given["upload"])), spec)
    if "game" in given:
        if spec.kind != "go":
            raise UsageError(world_of(spec).thing, received="a game", hint="Choose a network for boards.")
        from convscope.lab.live.games import board_of  # with numba, which not everybody has

        return world_of(spec).open(board_of(given["game"]), spec)
    if "text" in given:
        return _open_text(str(given["text"]), spec)
    if "sample" in given:
        return bundled_input(spec, int(given["sample"]))
    if "example" in given:
        return example(spec, int(given["example"]))
    return Sample(from_bytes(data, spec), None)


def open_same_input(
    given: Mapping[str, Any], data: bytes, nets: tuple[Net, Net], folder: LabFolder
) -> tuple[Sample, Sample]:
    """Read what the page sent as an input of each of two networks.

    Args:
        given: as for `open_input`.
        data: one byte for each value of the first network's input. Where the second takes pictures of another
            size, the picture is padded or resized, as data sets are.
        nets: two networks of one input.
        folder: the lab's folders.

    Returns:
        The input of each.

    Raises:
        DataError: it is no input of one of the networks.
        PlaceError: there is no such upload.
        UsageError: there is no such example, or a network has several inputs.
    """
    first, second = nets
    sample = open_input(given, data, first, folder)
    if given or len(second.input_specs) != 1 or second.input_spec.shape == first.input_spec.shape:
        return sample, open_input(given, data, second, folder)
    if not {first.input_spec.kind, second.input_spec.kind} <= PICTURES:
        return sample, Sample(from_bytes(data, second.input_spec), None)
    picture = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(first.input_spec.shape)
    return sample, Sample(to_spec(picture[None], second.input_spec)[0], None)


def from_bytes(data: bytes, spec: TensorSpec) -> Tensor:
    """Return the input of one byte for each value.

    Args:
        data: values of the spec's shape, row by row.
        spec: its value range is 0 to 255.

    Returns:
        The input `[*shape]`.

    Raises:
        DataError: there are more or fewer bytes.
        UsageError: the input holds indices.
    """
    if spec.is_integer:
        raise UsageError("a text", received="bytes", hint="Send it as text.")
    size = int(np.prod(spec.shape))
    if len(data) != size:
        raise DataError(f"{size} bytes, one for each value of {spec.shape}", received=f"{len(data)} bytes")
    low, high = spec.value_range
    values = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(spec.shape).float()
    return values.mul_((high - low) / 255).add_(low)


def _open_text(text: str, spec: TensorSpec) -> Sample:
    world = world_of(spec)
    if spec.kind != "text":
        raise UsageError(f"{world.thing}", received="a text", hint="Choose a network of texts.")
    if len(text) > MAX_TEXT_LENGTH:
        raise DataError(f"a text of at most {MAX_TEXT_LENGTH:,} characters", received=f"{len(text):,}")
    return open_sample(text.encode(), spec)  # as bytes: a text could be the name of a file


def example(spec: TensorSpec, index: int) -> Sample:
    """Return an example that ships with the package.

    Args:
        spec: specification of the input.
        index: which one, from 0; beyond the last one it begins again.

    Returns:
        The sample.

    Raises:
        UsageError: nothing ships for inputs of this kind.
    """
    found = world_of(spec).example(spec, index)
    if found is None:
        raise UsageError(f"{world_of(spec).thing}", received="an example, and none ships", hint="Upload one.")
    return found


def bundled_input(spec: TensorSpec, index: int) -> Sample:
    """Return an input of the data in which the strongest for a unit are looked for.

    Args:
        spec: specification of the input.
        index: which one, from 0.

    Returns:
        The sample; an example where no data ships.

    Raises:
        UsageError: there is no such input, or none at all.
    """
    data = bundled_dataset(spec)
    if data is None:
        return example(spec, index)
    if not 0 <= index < len(data):
        raise UsageError(f"a number from 0 to {len(data) - 1}", received=str(index))
    return Sample(data.inputs([index], spec)[0], None)


def bundled_dataset(spec: TensorSpec) -> LabelledDataset | None:
    """Return labelled data that ships for inputs of a kind: those to test on.

    Args:
        spec: specification of the input.

    Returns:
        The data set, read once; None where none ships, and for boards until their rules are compiled.
    """
    return None if world_of(spec).first_use() else _bundled_dataset(spec)


@lru_cache(maxsize=8)
def _bundled_dataset(spec: TensorSpec) -> LabelledDataset | None:
    name = world_of(spec).bundled_data(spec)
    if name is None:
        return None
    data = require_labelled(open_data(name, "test", spec=spec))
    return data.take(range(min(len(data), MAX_SAMPLES)))


def rounded(values: Tensor) -> list[float]:
    """Return numbers for JSON, with six significant digits.

    Args:
        values: any tensor.

    Returns:
        Its values, row by row; what is no number is 0.
    """
    return [float(f"{value:.6g}") for value in values.detach().flatten().nan_to_num(0.0).tolist()]
