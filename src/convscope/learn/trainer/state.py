"""A training at the boundary between two batches: all that is needed to continue it exactly.

On disk it is `state.json`, which names a safetensors file and holds its SHA-256 and one of itself. It is
written last and replaced as a whole, so that a killed process leaves the state before, or the new one.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor, nn, optim

from convscope.errors import DataError
from convscope.files import open_regular, parse_json, read_text, remove_parts, require_regular, write_text
from convscope.learn.trainer import values as check
from convscope.nets.io.weights import load_weights, write_weights

FORMAT = 2
"""Format 1 had no checksum: what is wrong in it cannot be found, so it is not read."""
FILE = "state.json"
VALUES = frozenset(
    {
        "task",
        "device",
        "plan",
        "epoch",
        "step",
        "steps",
        "seen",
        "sums",
        "seconds",
        "choice",
        "scaler",
        "moved",
        "history",
    }
)
CONTAINER = frozenset({"format", "tensors", "bytes", "sha256", "checksum"})
NAME = re.compile(r"state-\d{1,9}-\d{1,15}-[0-9a-f]{16}\.safetensors")
"""Names of tensor files; the random digits tell them from what a user may have put beside them."""
LARGEST = 64 << 20
"""Bytes of `state.json`; a hundred thousand epochs take about 45 million."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class State:
    """Tensors (weights, optimizer, random numbers) and plain values (position, sums, history)."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors below a prefix, without it."""
        return {
            n.removeprefix(f"{prefix}/"): t for n, t in self.tensors.items() if n.startswith(f"{prefix}/")
        }

    def write(self, folder: Path) -> None:
        """Store the state in a folder of its own, in place of the one before.

        First the tensors under a new name, then `state.json`, then the tensors of the state before are
        removed, and what killed processes left.

        Raises:
            OSError: the folder cannot be written to, or the disk is full; the state before stays.
            ValueError: a value is NaN or infinite.
        """
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
        name = f"state-{self.values['epoch']}-{self.values['step']}-{uuid4().hex[:16]}.safetensors"
        try:
            write_weights(folder / name, self.tensors)
            size, digest = sha256_of(folder / name)
            document = {"format": FORMAT, "tensors": name, "bytes": size, "sha256": digest, **self.values}
            document["checksum"] = checksum(document)
            write_text(folder / FILE, json.dumps(document, allow_nan=False))
        except BaseException:
            if not _is_named(folder, name):
                (folder / name).unlink(missing_ok=True)
            raise
        for other in folder.iterdir():
            if NAME.fullmatch(other.name) and other.name != name and not other.is_symlink():
                other.unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path) -> "State":
        """Read what `write` stored, and check it against its checksums.

        What the values mean for a certain network and data is checked by `Trainer`.

        Raises:
            DataError: nothing is there, it is damaged, or it is of another format.
        """
        path = folder / FILE
        expected = f"the state of a training at {path}"
        try:
            document = parse_json(read_text(path, LARGEST))
            values = _opened(document)
            return cls(_read_tensors(folder, document), values)
        except _Format as error:
            raise DataError(
                f"a state of format {FORMAT} at {path}",
                received=str(error),
                hint="The version of convscope that wrote it can continue it.",
            ) from None
        except (OSError, ValueError) as error:
            raise DataError(expected, received=str(error), hint=DAMAGED) from None


DAMAGED = "The run cannot be continued: start another one."


class _Format(ValueError):
    """A format that this version does not read."""


def checksum(document: dict[str, Any]) -> str:
    """Return the SHA-256 of all values but the checksum itself, in a form that does not depend on order."""
    rest = {name: value for name, value in document.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _opened(document: Any) -> dict[str, Any]:
    """Return the values of a state whose own checksum is right."""
    if isinstance(document, dict) and type(document.get("format")) is int and document["format"] != FORMAT:
        raise _Format(f"format {check.shown(document['format'])}")
    found = check.fields("the state", document, VALUES | CONTAINER)
    check.integer("format", found["format"], FORMAT, FORMAT)
    if found["checksum"] != checksum(found):
        raise ValueError("the checksum is of another content")
    if not NAME.fullmatch(check.text("tensors", found["tensors"])):
        raise ValueError(f"tensors in {check.shown(found['tensors'])}")
    return {name: found[name] for name in VALUES}


def _read_tensors(folder: Path, document: dict[str, Any]) -> dict[str, Tensor]:
    """Return the tensors, from the very file that was stored with these values."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / document["tensors"]
    size = check.integer("bytes", document["bytes"])
    if require_regular(path) != size:
        raise ValueError(f"{path} has not the {size:,} bytes that were stored")
    if sha256_of(path)[1] != document["sha256"]:
        raise ValueError(f"the checksum of {path} is another one")
    try:
        return load_file(path)
    except (SafetensorError, RuntimeError, TypeError, KeyError) as error:
        raise ValueError(f"no tensors in {path}: {check.shown(str(error), 200)}") from None


def _is_named(folder: Path, name: str) -> bool:
    """Whether the state that is there is of these tensors: an exception may come when all is done."""
    try:
        return name in read_text(folder / FILE, LARGEST)
    except (OSError, ValueError):
        return False


def sha256_of(path: Path) -> tuple[int, str]:
    """Return size and SHA-256 of a regular file."""
    digest, size = hashlib.sha256(), 0
    with open_regular(path) as file:
        while block := file.read(CHUNK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def state_tensors(
    module: nn.Module, optimizer: optim.Optimizer, streams: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Return copies of everything that is a tensor, under one name each."""
    tensors = {f"model/{name}": tensor for name, tensor in module.state_dict().items()}
    for index, weight in enumerate(weights_of(optimizer)):
        for name, value in optimizer.state.get(weight, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{index}/{name}"] = value
    tensors |= {f"random/{name}": stream for name, stream in streams.items()}
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def restore(state: State, module: nn.Module, optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """Put weights and optimizer back as they were, and return the random streams.

    The state must have been checked (`convscope.learn.trainer.state_checks`): what is handed to torch here
    is trusted.
    """
    load_weights(module, state.part("model"), "the run's state")
    weights = weights_of(optimizer)
    for name, value in state.part("optimizer").items():
        index, _, key = name.partition("/")
        weight = weights[int(index)]
        optimizer.state[weight][key] = _like(value, weight, optimizer)
    return state.part("random")


def moved(optimizer: optim.Optimizer) -> list[int]:
    """Return the numbers of the weights of which the optimizer remembers something."""
    weights = weights_of(optimizer)
    return [index for index, weight in enumerate(weights) if optimizer.state.get(weight)]


def weights_of(optimizer: optim.Optimizer) -> list[Tensor]:
    """Return the weights in the order in which their entries are numbered."""
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _like(value: Tensor, weight: Tensor, optimizer: optim.Optimizer) -> Tensor:
    """With the strides of the weight, which fused optimizers rely on; counters where theirs are read."""
    if value.shape == weight.shape and value.ndim:
        return torch.empty_like(weight, dtype=value.dtype).copy_(value)
    return value.clone().to(weight.device if optimizer.defaults.get("fused") else "cpu")
