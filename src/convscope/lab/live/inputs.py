"""What the page sends as an input: bytes of a drawing, an uploaded file, a sentence, a bundled example."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.errors import DataError, UsageError
from convscope.graph import TensorSpec
from convscope.nets import Net
from convscope.worlds import LabelledDataset, Sample, open_sample, require_labelled, world_of
from convscope.worlds import open as open_data

UPLOADED = re.compile(r"[0-9a-f]{64}")
"""Name of an uploaded file: the SHA-256 of its content."""
LONGEST_TEXT = 20_000


def open_input(given: Mapping[str, Any], data: bytes, net: Net, uploads: Path) -> Sample:
    """Read what the page sent as one input of a network.

    Args:
        given: one of `upload` (id), `text`, `sample` (index of a bundled example); empty where `data` holds
            the values.
        data: one byte for each value of the input, 0 to 255 for the spec's value range.
        net: a network of one input.
        uploads: the folder of uploaded files.

    Returns:
        The sample.

    Raises:
        DataError: the file is damaged, or is no input of this network, or the number of bytes is wrong.
        UsageError: there is no such upload or example, or the network has several inputs.
    """
    if len(net.input_specs) != 1:
        raise UsageError("a network of one input", received=f"{net.name}, which has {len(net.input_specs)}")
    spec = net.input_spec
    if "upload" in given:
        return open_sample(uploaded(str(given["upload"]), uploads), spec)
    if "text" in given:
        return _sentence(str(given["text"]), spec)
    if "sample" in given:
        return example(spec, int(given["sample"]))
    return Sample(from_bytes(data, spec), None)


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
    wanted = int(np.prod(spec.shape))
    if len(data) != wanted:
        raise DataError(f"{wanted} bytes, one for each value of {spec.shape}", received=f"{len(data)} bytes")
    low, high = spec.value_range
    values = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(spec.shape).float()
    return values.mul_((high - low) / 255).add_(low)


def uploaded(name: str, uploads: Path) -> Path:
    """Return the file of an upload.

    Args:
        name: its id.
        uploads: the folder of uploaded files.

    Returns:
        The path of a file in that folder.

    Raises:
        UsageError: there is no such upload.
    """
    path = uploads / name
    if not UPLOADED.fullmatch(name) or path.is_symlink() or not path.is_file():
        raise UsageError("the id of an upload", received=name[:100], hint="Upload the file again.")
    return path


def _sentence(text: str, spec: TensorSpec) -> Sample:
    world = world_of(spec)
    if spec.kind != "text":
        raise UsageError(f"{world.thing}", received="a text", hint="Choose a network of texts.")
    if len(text) > LONGEST_TEXT:
        raise DataError(f"a text of at most {LONGEST_TEXT:,} characters", received=f"{len(text):,}")
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
    data = bundled(spec)
    if data is not None:
        return Sample(data.inputs([index % len(data)], spec)[0], None)
    found = world_of(spec).example(spec)
    if found is None:
        raise UsageError(f"{world_of(spec).thing}", received="an example, and none ships", hint="Upload one.")
    return found


def bundled(spec: TensorSpec) -> LabelledDataset | None:
    """Return the data that ships for inputs of a kind: those to test on.

    Args:
        spec: specification of the input.

    Returns:
        The data set; None where none ships.
    """
    if spec.kind != "digit":
        return None
    return require_labelled(open_data("digits", "test"))


def rounded(values: Tensor) -> list[float]:
    """Return numbers for JSON, with six significant digits.

    Args:
        values: any tensor.

    Returns:
        Its values, row by row; what is no number is 0.
    """
    return [float(f"{value:.6g}") for value in values.detach().flatten().nan_to_num(0.0).tolist()]
