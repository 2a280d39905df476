"""Store an index on disk: the state of a pass that is under way, and the finished index.

    index.json, units-<mark>.safetensors       the finished index
    part-0-of-1.json, part-0-of-1-<n>.safetensors   after n batches of one of the processes

The JSON file is replaced last and names the tensors it belongs to, so a reader sees the old state or the new.
The folder may hold other files: only what is recognised by its exact name and its content is replaced or
removed.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from convscope.errors import DataError, UsageError
from convscope.nets import Net
from convscope.nets.io.weights import load_tensors, weights_fingerprint
from convscope.recipe import shortened
from convscope.see.units.index.accumulators import UnitAccumulator
from convscope.see.units.index.distributed import ProcessShard
from convscope.see.units.index.storage_checks import (
    facts_of,
    labels_of,
    layers_of,
    plain_name,
    tally_of,
    texts,
    whole,
)
from convscope.see.units.index.unit_index import IndexedLayer, UnitIndex
from convscope.system.files import read_json, remove_parts, replace_file, write_text
from convscope.system.user_cache import cache_root
from convscope.worlds.caching.fingerprint import dataset_fingerprint
from convscope.worlds.dataset import LabelledDataset

FORMAT = 3
"""Raised where the files change; indexes in the cache of another format are not met again."""
"""Version of the file format."""
INDEX = "index.json"
"""Name of a finished index's JSON file."""
AGAIN = "Name another folder, or move the index's files away, and index again."
"""Hint of errors about damaged files."""
HEAD = re.compile(r"part-\d+-of-\d+\.json")
"""Names of the JSON files of unfinished passes."""
TENSORS = re.compile(r"(part-\d+-of-\d+-\d+|units-[0-9a-f]{12})(-\d+)?\.safetensors")
"""Names of the tensor files of unfinished passes and of finished indexes."""
OWN = {"made_by": "convscope units"}
"""Metadata by which tensor files of this program are recognised."""
LARGEST_HEAD = 256 << 20
"""Largest accepted JSON file in bytes."""


class IndexStore:
    """A folder that holds an index, or the state of an unfinished pass.

    Args:
        folder: the folder; it is made if it does not exist.
        facts: what the index is made from: network, data, layers, k and batch size.
        shard: the process whose state is stored.

    Raises:
        UsageError: the folder cannot be made, or another file is in the place of one of the index's.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], shard: ProcessShard) -> None:
        self.folder, self.facts, self.shard = folder, dict(facts), shard
        self.name = f"part-{shard.rank}-of-{shard.count}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                "a folder for the index",
                received=str(error),
                hint="Choose another folder, or make this one writable.",
            ) from None
        if not (folder / INDEX).is_file():  # else `finished` says what it is
            _check_own(folder / INDEX)
        _check_own(folder / f"{self.name}.json")

    def finished(self) -> UnitIndex | None:
        """Return the index, if it is finished and made from the same network, data, layers, k and batch.

        Raises:
            UsageError: another index lies there.
            DataError: the index is damaged.
        """
        if not (self.folder / INDEX).is_file():
            return None
        index = read(self.folder)
        if not same_fingerprint(index.fingerprint, self.facts):
            differ = [name for name in self.facts if index.fingerprint.get(name) != self.facts[name]]
            raise UsageError(
                f"a folder without another index than this one at {self.folder}",
                received=f"one made with another {', '.join(differ)}",
                hint="Choose another folder, or delete that one.",
            )
        return index

    def part(self, like: UnitAccumulator) -> tuple[UnitAccumulator | None, int, tuple[str, ...]]:
        """Return the state that this process saved: accumulator, number of batches, problems.

        Args:
            like: an accumulator of the same units, k and classes; a saved one of another form is damage.

        Returns:
            The accumulator, how many batches it holds, and unreadable files; None, 0 and () where nothing was
            saved or the saved state is of other facts.

        Raises:
            DataError: a file is damaged; nothing of it is used.
        """
        path = self.folder / f"{self.name}.json"
        head = _json(path)
        with _damage(path):
            if head is None or not same_fingerprint(facts_of(head.get("facts")), self.facts):
                return None, 0, ()
            problems = texts(head.get("problems"), "problems")
            done = whole(head.get("done"), "done", 0, 2**40)
            tensors = _tensors(self.folder / plain_name(head.get("tensors")))
            return tally_of(tensors, like, self.facts["data"]["images"]), done, problems

    def save(self, tally: UnitAccumulator, done: int, problems: tuple[str, ...]) -> None:
        """Save the state of this process, and remove its older tensor files.

        Args:
            tally: the accumulator.
            done: number of batches that it holds.
            problems: files that could not be read.
        """
        name = _tensor_file(self.folder, f"{self.name}-{done}")
        _write_tensors(self.folder / name, tally.tensors())
        head = {"format": FORMAT, "facts": self.facts, "done": done, "problems": problems, "tensors": name}
        _write_head(self.folder / f"{self.name}.json", json.dumps(head))
        for old in self.folder.glob(f"{self.name}-*.safetensors"):
            if old.name != name and _is_own_tensors(old):
                old.unlink(missing_ok=True)

    def finish(self, index: UnitIndex) -> None:
        """Write the finished index, and remove the saved states that this program wrote.

        Args:
            index: the finished index.
        """
        write(self.folder, index)
        for old in self.folder.glob("part-*-of-*.safetensors"):
            if _is_own_tensors(old):
                old.unlink(missing_ok=True)
        for old in self.folder.glob("part-*-of-*.json"):
            if HEAD.fullmatch(old.name) and _is_own_head(old):
                old.unlink(missing_ok=True)
        remove_parts(self.folder)


def write(folder: Path, index: UnitIndex) -> None:
    """Write an index to a folder.

    Args:
        folder: an existing folder.
        index: the index.

    Raises:
        UsageError: the folder holds an `index.json` that is not of this program.
    """
    _check_own(folder / INDEX)
    name = _tensor_file(folder, f"units-{cache_key(index.fingerprint)}")
    _write_tensors(folder / name, {**index.accumulator.tensors(), "labels": index.labels})
    layers = [vars(layer) for layer in index.layers]
    head = {
        "format": FORMAT,
        "facts": dict(index.fingerprint),
        "layers": layers,
        "classes": index.classes,
        "problems": index.problems,
        "tensors": name,
    }
    _write_head(folder / INDEX, json.dumps(head, ensure_ascii=False))


def read(folder: str | Path) -> UnitIndex:
    """Read an index from its folder.

    Args:
        folder: the folder of a finished index.

    Returns:
        The index, its tensors on the CPU.

    Raises:
        DataError: there is none, or it is damaged.
    """
    folder = Path(folder)
    head = _json(folder / INDEX)
    if head is None:
        raise DataError(
            f"an index at {folder}", received="none", hint="Make one: convscope units NET --data ..."
        )
    with _damage(folder):
        if head.get("format") != FORMAT:
            raise ValueError(f"the format {FORMAT}, not {shortened(head.get('format'))}")
        facts, layers = facts_of(head.get("facts")), layers_of(head.get("layers"))
        classes = texts(head.get("classes"), "classes")
        tensors = _tensors(folder / plain_name(head.get("tensors")))
        images = facts["data"]["images"]
        whole(facts.get("images"), "facts: images", 0, images)
        with torch.device("meta"):  # names, shapes and types without memory
            like = UnitAccumulator.empty(_units(layers, tensors), facts["k"], len(classes))
        return UnitIndex(
            layers,
            tally_of(tensors, like, images),
            classes,
            labels_of(tensors.get("labels"), images, len(classes)),
            facts,
            texts(head.get("problems"), "problems"),
        )


def _units(layers: tuple[IndexedLayer, ...], tensors: Mapping[str, Tensor]) -> int:
    """Return the number of units of all layers; the tensors must have as many."""
    units = sum(layer.units for layer in layers)
    found = tensors.get("images")
    if found is None or found.shape != (units,):
        raise ValueError(f"images: a number for each of {units:,} units")
    return units


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn the ValueError of a check into a DataError that names the file."""
    try:
        yield
    except ValueError as error:
        raise DataError(f"an index at {path}", received=str(error), hint=AGAIN) from None


def same_fingerprint(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two indexes are of the same network and data, layers, k and batch size.

    Args:
        one: fingerprint of an index.
        other: fingerprint of another.

    Returns:
        True if these fields are equal; others are ignored.
    """
    return all(one.get(name) == other.get(name) for name in ("net", "data", "places", "k", "batch"))


def cache_key(facts: Mapping[str, Any]) -> str:
    """Return a short hash of a fingerprint.

    Args:
        facts: the fingerprint.

    Returns:
        12 hexadecimal digits.
    """
    chosen = {name: facts.get(name) for name in ("net", "data", "places", "k", "batch")}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]


def cache_dir(net: Net, samples: LabelledDataset) -> Path:
    """Return the folder, in the user's cache, of indexes of this network over this data.

    Args:
        net: the network; its weights are part of the name.
        samples: the data; its content is part of the name.

    Returns:
        The path; it need not exist. It is below `$XDG_CACHE_HOME`, or `~/.cache` where that is not set.
    """
    made_from = json.dumps([FORMAT, fingerprint(net, samples)], sort_keys=True)
    print_ = hashlib.sha256(made_from.encode()).hexdigest()[:12]
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in net.name)[:60]
    return cache_root("units") / f"{plain}-{print_}"


def cached_indexes(net: Net, samples: LabelledDataset) -> list[UnitIndex]:
    """Read the finished indexes of this network over this data from the user's cache.

    Args:
        net: the network.
        samples: the data.

    Returns:
        The indexes, the largest first; damaged ones are left out.
    """
    found = []
    for path in sorted(cache_dir(net, samples).glob(f"*/{INDEX}")):
        try:
            found.append(read(path.parent))
        except DataError:
            continue
    return sorted(found, key=len, reverse=True)


def fingerprint(net: Net, samples: LabelledDataset) -> dict[str, Any]:
    """Return what identifies a network and data: names, and hashes of weights and of images or files.

    Args:
        net: the network; parameters, buffers and specs are hashed.
        samples: the data; images in memory are hashed, files by path, size and modification time.

    Returns:
        Tables `net` and `data` that can be written as JSON.
    """
    made = f"{weights_fingerprint(net.module.state_dict())} {net.input_specs}"
    return {
        "net": {"name": net.name, "print": hashlib.sha256(made.encode()).hexdigest()[:16]},
        "data": {"name": samples.name, "images": len(samples), "print": dataset_fingerprint(samples)},
    }


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = read_json(path, LARGEST_HEAD)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"JSON at {path}", received=str(error), hint=AGAIN) from None
    if not isinstance(found, dict):
        raise DataError(f"a table at {path}", received=type(found).__name__, hint=AGAIN)
    return found


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_tensors(path)
    except (OSError, ValueError) as error:
        raise DataError(f"tensors at {path}", received=str(error), hint=AGAIN) from None


def _check_own(path: Path) -> None:
    """Refuse to write where a file of the index would replace something else."""
    if os.path.lexists(path) and not _is_own_head(path):
        raise UsageError(
            f"a folder for the index without another file named {path.name}",
            received=f"{path}, which convscope did not make",
            hint="Name another folder with --index, or move that file away.",
        )


def _is_own_head(path: Path) -> bool:
    """Return whether a JSON file is one that this program writes: no link, with the fields of a head."""
    if path.is_symlink():
        return False
    try:
        head = read_json(path, LARGEST_HEAD)
    except (OSError, ValueError):
        return False
    return (
        isinstance(head, dict)
        and isinstance(head.get("facts"), dict)
        and {"net", "data"} <= head["facts"].keys()
        and isinstance(head.get("tensors"), str)
        and TENSORS.fullmatch(head["tensors"]) is not None
    )


def _is_own_tensors(path: Path) -> bool:
    """Return whether a tensor file was written by this program: by its exact name and metadata, no link."""
    if TENSORS.fullmatch(path.name) is None or path.is_symlink() or not path.is_file():
        return False
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).items() >= OWN.items()
    except (OSError, SafetensorError):
        return False


def _tensor_file(folder: Path, stem: str) -> str:
    """Return a name for a tensor file that is unused or used by this program's own file."""
    number, name = 1, f"{stem}.safetensors"
    while os.path.lexists(folder / name) and not _is_own_tensors(folder / name):
        number += 1
        name = f"{stem}-{number}.safetensors"
    return name


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replace_file(path) as part:
        save_file(own, part, metadata=OWN)


def _write_head(path: Path, text: str) -> None:
    _check_own(path)  # again: what came there meanwhile stays
    write_text(path, text)
