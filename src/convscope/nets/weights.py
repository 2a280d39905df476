"""Weights from a file into a module, checked name by name."""

import errno
import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from convscope.errors import DataError
from convscope.files import replace_file

NAMES_SHOWN = 3


def write_weights(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write or replace a safetensors file as a whole.

    Args:
        path: of the file.
        tensors: by name; tensors that share memory are stored one by one.
        metadata: text stored in the file's header.

    Raises:
        OSError: it cannot be written, or the disk is full; what was there stays.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        with replace_file(path) as part:
            save_file(own, part, metadata=metadata)
    except SafetensorError as error:  # safetensors hides the number of the system's error in its text
        number = re.search(r"(?:code: |os error )(\d+)", str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error)) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        DataError: the file is missing, or is not safetensors. Pickled files are never opened.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    hint = ""
    if path.suffix in {".pth", ".pt", ".bin", ".ckpt", ".pkl"}:
        hint = (
            "A pickle can run code. Read it where you trust it, and save it with safetensors.torch.save_file."
        )
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"weights as safetensors at {path}", received=str(error), hint=hint) from None


def pour(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Copy `tensors` into the parameters and buffers of `module`; every name and shape must fit.

    Args:
        module: changed in place, or not at all.
        tensors: by the names of `module.state_dict()`.
        origin: where they came from, for the message.

    Raises:
        DataError: names are missing or unknown, or shapes differ; the first of each are named.
    """
    wanted = module.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = [name for name in wanted if name not in tensors and name not in counters]
    unknown = [name for name in tensors if name not in wanted]
    differing = [
        f"{name} {tuple(tensors[name].shape)} for {tuple(wanted[name].shape)}"
        for name in wanted
        if name in tensors and tensors[name].shape != wanted[name].shape
    ]
    complaints = [
        f"{what} {', '.join(names[:NAMES_SHOWN])}{', ...' if len(names) > NAMES_SHOWN else ''}"
        for what, names in (("missing", missing), ("unknown", unknown), ("another shape:", differing))
        if names
    ]
    if complaints:
        raise DataError(
            f"weights that fit {type(module).__name__}, from {origin}", received="; ".join(complaints)
        )
    module.load_state_dict(dict(tensors), strict=False)
