"""Files that appear whole or not at all."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor


def write_text(path: Path, text: str) -> None:
    """Write or replace a text file."""
    _replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write or replace a safetensors file."""
    from safetensors.torch import save_file

    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    _replace(path, lambda temporary: save_file(own, temporary))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # safetensors writes files that only their owner can read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
