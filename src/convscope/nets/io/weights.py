"""Read and write weights as safetensors, and load them into a module, checked name by name."""

import errno
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from convscope.errors import DataError
from convscope.system.files import MAX_TEXT_BYTES, open_regular, replace_file, require_regular

NAMES_SHOWN = 3


def write_weights(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write or replace a safetensors file as a whole.

    Args:
        path: path of the file.
        tensors: tensors by name; those that share memory are stored separately.
        metadata: text stored in the file's header.

    Raises:
        OSError: the file cannot be written, or the disk is full; an existing file stays as it was.
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
    """Read the tensors of a safetensors file a user has named.

    Args:
        path: a regular file, no larger than this machine's memory.

    Returns:
        The tensors by name, on the CPU.

    Raises:
        DataError: the file is missing, not a regular file, or is not safetensors. Pickles are never opened.
    """
    hint = ""
    if not path.exists():
        hint = "There is no such file: check the path."
    elif path.suffix in {".pth", ".pt", ".bin", ".ckpt", ".pkl"}:
        hint = (
            "A pickle can run code. Read it where you trust it, and save it with safetensors.torch.save_file."
        )
    try:
        return load_tensors(path)
    except (OSError, ValueError) as error:
        raise DataError(f"weights as safetensors at {path}", received=str(error), hint=hint) from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, checked before the library opens it.

    Args:
        path: a regular file, no larger than this machine's memory.

    Returns:
        The tensors by name, on the CPU.

    Raises:
        OSError: the file is missing, unreadable, not regular, or larger than this machine's memory.
        ValueError: it is not safetensors, or its header is larger than `MAX_TEXT_BYTES`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    size = require_regular(path)
    if size > memory_of_machine():
        raise OSError(f"{path} has {size:,} bytes, more than the memory of this machine")
    with open_regular(path) as file:
        head = int.from_bytes(file.read(8), "little")
    if head > MAX_TEXT_BYTES:
        raise ValueError(f"a header of {head:,} bytes; the limit is {MAX_TEXT_BYTES:,}")
    try:
        return load_file(path)
    except (SafetensorError, RuntimeError, KeyError, TypeError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def memory_of_machine() -> int:
    """Return the physical memory in bytes; 2**40 where the system does not report it."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**40


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Copy tensors into the parameters and buffers of a module; every name and shape must fit.

    Args:
        module: changed in place, or not at all.
        tensors: tensors by the names of `module.state_dict()`; `num_batches_tracked` may be missing.
        origin: where they came from, for the message.

    Raises:
        DataError: names are missing or unknown, or shapes or kinds of numbers differ; the first of each are
            named.
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
    of_other_kind = [
        f"{name} of {str(tensors[name].dtype).removeprefix('torch.')}"
        for name in wanted
        if name in tensors and not _converts(tensors[name], wanted[name])
    ]
    complaints = [
        f"{what} {', '.join(names[:NAMES_SHOWN])}{', ...' if len(names) > NAMES_SHOWN else ''}"
        for what, names in (
            ("missing", missing),
            ("unknown", unknown),
            ("another shape:", differing),
            ("another kind of number:", of_other_kind),
        )
        if names
    ]
    if complaints:
        raise DataError(
            f"weights that fit {type(module).__name__}, from {origin}",
            received="; ".join(complaints),
            hint="Take the weights of this very network, or leave --weights out.",
        )
    module.load_state_dict(dict(tensors), strict=False)


def _converts(given: Tensor, wanted: Tensor) -> bool:
    """Return whether values can be converted: between floating point types, otherwise the same type only."""
    return given.dtype == wanted.dtype or (given.is_floating_point() and wanted.is_floating_point())


def weights_fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Hash tensors with their names, shapes and dtypes.

    Args:
        tensors: tensors by name, in their order; other values are left out.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    found = hashlib.sha256()
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor):
            found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
