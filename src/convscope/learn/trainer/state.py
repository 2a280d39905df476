"""The state of a training at a batch boundary: all that is needed to resume it exactly.

On disk it is `state.json`, which names a safetensors file and holds its SHA-256 and a checksum of itself.
It is written last and replaced as a whole, so that a killed process leaves either the previous state or
the new one. The previous one is kept as `before.json` with its tensors: it counts where the newest is
damaged.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor, nn, optim

from convscope.errors import DataError
from convscope.learn.trainer import values as check
from convscope.nets.io.weights import load_weights, write_weights
from convscope.system.files import (
    open_regular,
    parse_json,
    read_text,
    remove_parts,
    require_regular,
    write_text,
)

FORMAT = 5
"""Version of the format; earlier ones are not read. Format 1 had no checksum, format 2 one optimizer, format
3 neither a validation nor anything frozen, format 4 no changes of the learning rate."""
FILE, BEFORE = "state.json", "before.json"
VALUES = frozenset(
    {
        "device",
        "recipe",
        "epoch",
        "step",
        "steps",
        "seen",
        "sums",
        "seconds",
        "execution",
        "scalers",
        "moved",
        "freezing",
        "lr_changes",
        "history",
    }
)
CONTAINER = frozenset({"format", "tensors", "bytes", "sha256", "checksum"})
NAME = re.compile(r"state-\d{1,9}-\d{1,15}-[0-9a-f]{16}\.safetensors")
"""Names of tensor files; the random digits distinguish them from a user's own files beside them."""
LARGEST = 64 << 20
"""Largest `state.json`, in bytes; a hundred thousand epochs take about 45 million."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class State:
    """Hold the state of a training.

    Attributes:
        tensors: weights (`model/...`), their average (`ema/...`) and those of the best epoch (`best/...`)
            where there are such, entries of each optimizer (`optimizer/<name>/...`) and random streams
            (`random/...`).
        values: position, sums, recipe and history, JSON-ready; the keys are `VALUES`.
        damaged: what is wrong with the newest state, where this is the one before it; else empty.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any]
    damaged: str = ""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with a prefix.

        Args:
            prefix: such as `model`, `optimizer`, `optimizer/main` or `random`.

        Returns:
            Tensors by name, without the prefix and its slash.
        """
        return {
            n.removeprefix(f"{prefix}/"): t for n, t in self.tensors.items() if n.startswith(f"{prefix}/")
        }

    def write(self, folder: Path) -> None:
        """Write the state into a folder, beside the previous one.

        First the tensors are written under a new name, then the previous `state.json` as `before.json`, then
        the new one; then the tensors of older states and files left by killed processes are removed.

        Args:
            folder: a folder for states only; created where it is missing.

        Raises:
            OSError: the folder cannot be written to, or the disk is full; the previous state stays.
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
            kept = {name, _keep_previous(folder)}
            write_text(folder / FILE, json.dumps(document, allow_nan=False))
        except BaseException:
            if not _is_named(folder, name):
                (folder / name).unlink(missing_ok=True)
            raise
        for other in folder.iterdir():
            if NAME.fullmatch(other.name) and other.name not in kept and not other.is_symlink():
                other.unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path) -> "State":
        """Read what `write` stored, and verify its checksums; of a damaged state, the one before it.

        Whether the values fit a certain network and data is checked by `Trainer`.

        Args:
            folder: where the state is.

        Returns:
            The state.

        Raises:
            DataError: there is no state, it is of another format, or it and the one before are damaged.
        """
        path = folder / FILE
        expected = f"the state of a training at {path}"
        try:
            return cls._read_file(path)
        except _UnsupportedFormat as error:
            raise DataError(
                f"a state of format {FORMAT} at {path}",
                received=str(error),
                hint="The version of convscope that wrote it can continue it.",
            ) from None
        except (OSError, ValueError) as error:
            try:
                return replace(cls._read_file(folder / BEFORE), damaged=str(error) or type(error).__name__)
            except (OSError, ValueError):
                raise DataError(expected, received=str(error), hint=DAMAGED) from None

    @staticmethod
    def read_values(folder: Path) -> dict[str, Any]:
        """Read the values of the newest state, without its tensors, and verify their checksum.

        Args:
            folder: where the state is.

        Returns:
            The values.

        Raises:
            DataError: there is no state, or it is damaged.
        """
        path = folder / FILE
        try:
            return _checked_values(parse_json(read_text(path, LARGEST)))
        except (OSError, ValueError) as error:
            raise DataError(f"the state of a training at {path}", received=str(error), hint=DAMAGED) from None

    @classmethod
    def read_previous(cls, folder: Path) -> "State":
        """Read the state that was stored before the newest one, and verify its checksums.

        Args:
            folder: where the states are.

        Returns:
            The state.

        Raises:
            DataError: there is none, or it is damaged.
        """
        path = folder / BEFORE
        try:
            return cls._read_file(path)
        except (OSError, ValueError) as error:
            raise DataError(f"the state of a training at {path}", received=str(error), hint=NEWEST) from None

    @staticmethod
    def read_names(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Read the values of a state and the names of its tensors, without the tensors.

        Args:
            path: `state.json` or `before.json`.

        Returns:
            The values, their checksum verified, and the names.

        Raises:
            OSError, ValueError: there is no such state, or it is damaged.
        """
        from safetensors import SafetensorError, safe_open

        document = parse_json(read_text(path, LARGEST))
        values, tensors = _checked_values(document), path.parent / document["tensors"]
        require_regular(tensors)
        try:
            with safe_open(tensors, "pt") as file:
                return values, tuple(file.keys())
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"no tensors in {tensors}: {check.shown(str(error), 200)}") from None

    @classmethod
    def _read_file(cls, path: Path) -> "State":
        """Read one state, and verify its checksums."""
        document = parse_json(read_text(path, LARGEST))
        values = _checked_values(document)
        return cls(_read_tensors(path.parent, document), values)


DAMAGED = (
    "The run cannot be continued: start another one. Where it saved a network, from its weights: "
    "convscope train RUN DATA"
)
NEWEST = "Open the newest state instead: 'last' is its checkpoint."


class _UnsupportedFormat(ValueError):
    """A format that this version does not read."""


def checksum(document: dict[str, Any]) -> str:
    """Compute the checksum of a state's values.

    Args:
        document: content of `state.json`; its own `checksum` is left out.

    Returns:
        SHA-256, hexadecimal, of its JSON with sorted keys.
    """
    rest = {name: value for name, value in document.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _checked_values(document: Any) -> dict[str, Any]:
    """Return the values of a state, after checking its keys, format and checksum."""
    if isinstance(document, dict) and type(document.get("format")) is int and document["format"] != FORMAT:
        raise _UnsupportedFormat(f"format {check.shown(document['format'])}")
    found = check.fields("the state", document, VALUES | CONTAINER)
    check.integer("format", found["format"], FORMAT, FORMAT)
    if found["checksum"] != checksum(found):
        raise ValueError("the checksum is of another content")
    if not NAME.fullmatch(check.text("tensors", found["tensors"])):
        raise ValueError(f"tensors in {check.shown(found['tensors'])}")
    return {name: found[name] for name in VALUES}


def _read_tensors(folder: Path, document: dict[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a state, after checking size and SHA-256 of their file."""
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


def _keep_previous(folder: Path) -> str:
    """Keep the newest state as the one before; return the name of its tensors, empty where there is none.

    One that is damaged does not take the place of a whole one.
    """
    try:
        text = read_text(folder / FILE, LARGEST)
        document = parse_json(text)
        _checked_values(document)
    except (OSError, ValueError):
        try:
            return _tensors_of(parse_json(read_text(folder / BEFORE, LARGEST)))
        except (OSError, ValueError):
            return ""
    write_text(folder / BEFORE, text)
    return _tensors_of(document)


def _tensors_of(document: Any) -> str:
    """Return the name of the tensors of a state."""
    return str(document.get("tensors", "")) if isinstance(document, dict) else ""


def _is_named(folder: Path, name: str) -> bool:
    """Return whether the `state.json` on disk names these tensors.

    It may although writing raised: an exception can come after the file was replaced.
    """
    try:
        return name in read_text(folder / FILE, LARGEST)
    except (OSError, ValueError):
        return False


def sha256_of(path: Path) -> tuple[int, str]:
    """Return size and SHA-256 of a regular file.

    Args:
        path: the file.

    Returns:
        Size in bytes, and the hexadecimal digest.
    """
    digest, size = hashlib.sha256(), 0
    with open_regular(path) as file:
        while block := file.read(CHUNK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def state_tensors(
    module: nn.Module, optimizers: Mapping[str, optim.Optimizer], streams: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Copy all tensors of a training's state.

    Args:
        module: module in training, with its buffers.
        optimizers: by name; the entries of each are numbered by `weights_of`.
        streams: states of the random generators.

    Returns:
        Detached copies, named `model/<name>`, `optimizer/<name>/<index>/<entry>` and `random/<stream>`.
    """
    tensors = {f"model/{name}": tensor for name, tensor in module.state_dict().items()}
    for optimizer_name, optimizer in optimizers.items():
        for index, weight in enumerate(weights_of(optimizer)):
            for name, value in optimizer.state.get(weight, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{optimizer_name}/{index}/{name}"] = value
    tensors |= {f"random/{name}": stream for name, stream in streams.items()}
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def restore(state: State, module: nn.Module, optimizers: Mapping[str, optim.Optimizer]) -> dict[str, Tensor]:
    """Load weights and optimizer entries from a state, in place.

    The state must have been checked (`convscope.learn.trainer.state_checks`): what is passed to torch here is
    trusted.

    Args:
        state: state to load from.
        module: its parameters and buffers are overwritten.
        optimizers: fresh optimizers over them; their entries are set.

    Returns:
        States of the random generators, by stream.
    """
    load_weights(module, state.part("model"), "the run's state")
    for optimizer_name, optimizer in optimizers.items():
        weights = weights_of(optimizer)
        for name, value in state.part(f"optimizer/{optimizer_name}").items():
            index, _, key = name.partition("/")
            weight = weights[int(index)]
            optimizer.state[weight][key] = _match_layout(value, weight, optimizer)
    return state.part("random")


def moved(optimizer: optim.Optimizer) -> list[int]:
    """Return the indices of the weights for which the optimizer holds entries.

    Args:
        optimizer: its entries are looked up.

    Returns:
        Indices into `weights_of(optimizer)`, ascending.
    """
    weights = weights_of(optimizer)
    return [index for index, weight in enumerate(weights) if optimizer.state.get(weight)]


def weights_of(optimizer: optim.Optimizer) -> list[Tensor]:
    """Return all weights of an optimizer, in the order in which their entries are numbered.

    Args:
        optimizer: its parameter groups are joined.

    Returns:
        The weights.
    """
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _match_layout(value: Tensor, weight: Tensor, optimizer: optim.Optimizer) -> Tensor:
    """Return a copy of an optimizer entry in the layout that the optimizer relies on.

    Fused implementations rely on the strides of the weight; step counters stay on the CPU otherwise.
    """
    if value.shape == weight.shape and value.ndim:
        return torch.empty_like(weight, dtype=value.dtype).copy_(value)
    return value.clone().to(weight.device if optimizer.defaults.get("fused") else "cpu")
