"""The networks that the lab knows by name, loaded once, and what is known of their layers."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from convscope import graph
from convscope.errors import ConvscopeError, UsageError, nearest
from convscope.graph import Graph
from convscope.lab.folder import CHECKPOINT, RUN, LabFolder
from convscope.lab.recent import LRUCache
from convscope.learn import list_checkpoints, load_checkpoint
from convscope.nets import (
    ZOO,
    Description,
    LayerInfo,
    Net,
    ZooEntry,
    describe,
    layer_shapes,
    list_networks,
    load,
)
from convscope.system.files import read_json
from convscope.worlds import world_of

STATE = ("state/state.json", "state/before.json")
"""Files of a training whose change means other checkpoints."""
MODEL = "model.json"
"""File of a saved network, by which a folder is known as one."""
LARGEST_MODEL = 2**26
"""Bytes of the largest description that is read for the list."""
MAX_LOADED = 6
"""Networks that are kept in memory; the one that was used longest ago goes first."""
PHOTOGRAPHS = "efficientnet_lite0"
"""The network of photographs that ships with a package of its own."""


@dataclass(frozen=True)
class Layer:
    """One layer that can be watched: it returns one tensor with units.

    Attributes:
        name: its address.
        shape: channels first, without batch axis.
        inputs: the layers that can be watched, or inputs, from which it is computed.
        info: the row of the description.
    """

    name: str
    shape: tuple[int, ...]
    inputs: tuple[str, ...]
    info: LayerInfo

    def to_json(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the layer as the page knows it.

        Args:
            options: options of its kind.

        Returns:
            JSON-ready values; `field` is None where the layer has none.
        """
        return {
            "name": self.name,
            "kind": self.info.kind,
            "shape": list(self.shape),
            "parameters": self.info.parameters,
            "macs": self.info.macs,
            "field": graph.describe_field(self.info.field),
            "inputs": list(self.inputs),
            "options": dict(options),
        }


@dataclass(frozen=True)
class Opened:
    """A network that was loaded.

    Attributes:
        net: the network, in evaluation mode.
        changed: when its files were last written; 0 for a network that ships.
    """

    net: Net
    changed: float


class Networks:
    """Load networks by the names that the lab gives them: those of `nets.load`, and trainings.

    `open` and `keep` may be called in another thread.

    Args:
        folder: the folder of trainings.
        device: where the networks compute.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        self.folder, self.device = LabFolder(folder), torch.device(device)
        self._loaded: LRUCache[str, Opened] = LRUCache(MAX_LOADED)
        self._lock, self._opening = Lock(), Lock()

    def list(self) -> list[dict[str, Any]]:
        """List this package's networks and the trainings.

        Returns:
            JSON-ready entries; trainings that cannot be read are left out.
        """
        summary = "EfficientNet-Lite0, trained on ImageNet"
        photographs = _entry(PHOTOGRAPHS, summary, "image", (3, 224, 224), 1000, True)
        return [*map(_zoo_entry, ZOO.values()), photographs, *self._runs()]

    def load(self, name: str) -> Net:
        """Return a network by its name.

        Args:
            name: a name of the list, `torchvision/NAME`, `timm/NAME` (with fresh weights: nothing is
                fetched), `run:FOLDER`, or `run:FOLDER@CHECKPOINT`.

        Returns:
            The network, in evaluation mode; the same object as long as its files are the same.

        Raises:
            UsageError: there is no such network.
            DataError: the files of a training are damaged.
        """
        found = self._current(name)
        if found is None:
            found = self.open(name)
            self.keep(name, found)
        return found.net

    def is_loaded(self, name: str) -> bool:
        """Return whether a network is in memory as its files are now.

        Args:
            name: as for `load`.

        Returns:
            Whether `load` returns it at once; False for a name that names none.
        """
        try:
            return self._current(name) is not None
        except (UsageError, OSError, ValueError):  # `load` says what is wrong
            return False

    def open(self, name: str) -> Opened:
        """Load a network, without keeping it.

        Args:
            name: as for `load`.

        Returns:
            The network.

        Raises:
            UsageError: there is no such network.
            DataError: the files of a training are damaged.
        """
        where, checkpoint = self._place(name)
        changed = _changed(where, checkpoint) if where else 0.0
        with self._opening:  # fresh weights are drawn from torch's global generator
            net = load_checkpoint(where, checkpoint) if where and checkpoint else load(where or name, seed=0)
        return Opened(net.to(self.device), changed)

    def keep(self, name: str, opened: Opened) -> None:
        """Keep a network in memory; of too many the one that was used longest ago is given up.

        Args:
            name: as for `load`.
            opened: what `open` has returned.
        """
        with self._lock:
            self._loaded.put(name, opened)

    def _current(self, name: str) -> Opened | None:
        """Return a network that is in memory as its files are now."""
        where, checkpoint = self._place(name)
        changed = _changed(where, checkpoint) if where else 0.0
        with self._lock:
            return self._loaded.find(name, lambda found: found.changed == changed)

    def _place(self, name: str) -> tuple[Path | None, str]:
        """Return the folder of a training, None for another network, and the name of a checkpoint."""
        if name.startswith(RUN):
            return self._folder(name)
        if name not in (*ZOO, PHOTOGRAPHS) and not name.startswith(("torchvision/", "timm/")):
            raise UsageError(
                "the name of a network", received=name[:100], hint=nearest(name[:100], list_networks())
            )
        return None, ""

    def checkpoints(self, name: str) -> Sequence[dict[str, Any]]:
        """List the checkpoints of a training.

        Args:
            name: its name in the lab, with or without a checkpoint.

        Returns:
            JSON-ready: `name` (of the network in the lab), `checkpoint`, finished `epoch`s and `step`s of the
            one after them; none for a network that is no training.

        Raises:
            UsageError: there is no such training.
        """
        if not name.startswith(RUN):
            return []
        where, _ = self._folder(name)
        try:
            found = list_checkpoints(where)
        except ConvscopeError:  # its files are damaged: the saved network is all there is
            return []
        run = f"{RUN}{where.name}{CHECKPOINT}"
        return [
            {"name": f"{run}{one.name}", "checkpoint": one.name, "epoch": one.epoch, "step": one.step}
            for one in found
        ]

    def _folder(self, name: str) -> tuple[Path, str]:
        """Return the folder of a training, only an entry of the folder, and the name of a checkpoint."""
        run, checkpoint = self.folder.run_and_checkpoint(name)
        inside = {path.name: path for path in self._folders()}
        if run not in inside:
            raise UsageError("the name of a training", received=name[:100], hint=nearest(run, inside))
        return inside[run], checkpoint

    def _folders(self) -> Iterator[Path]:
        """Iterate over the folders that hold a saved network; links that lead elsewhere are left out."""
        runs = self.folder.runs
        if not runs.is_dir():
            return
        root = runs.resolve()
        for path in sorted(runs.iterdir()):
            if path.resolve().parent == root and (path / MODEL).is_file():
                yield path

    def _runs(self) -> Iterator[dict[str, Any]]:
        """Describe the trainings from the descriptions of their networks, without their weights."""
        for path in self._folders():
            try:
                found = read_json(path / MODEL, LARGEST_MODEL)
                spec, classes = found["inputs"][0], found["outputs"][0]["classes"]
                summary, world, shape = str(found["name"]), str(spec["kind"]), [int(n) for n in spec["shape"]]
                yield _entry(f"{RUN}{path.name}", summary, world, shape, len(classes), True)
            except (OSError, ValueError, LookupError, TypeError):  # damaged, or something else
                continue


def _changed(folder: Path, checkpoint: str) -> float:
    """Return when the files of a network were last written."""
    files_of = (folder / name for name in (MODEL, *(STATE if checkpoint else ())))
    return max(path.stat().st_mtime for path in files_of if path.is_file())


def _zoo_entry(entry: ZooEntry) -> dict[str, Any]:
    """Describe a network of this package; one that was trained has the vocabulary of its data."""
    spec, classes = entry.input_spec, entry.classes
    shape, count = spec.shape, 1000 if classes is None else len(classes)
    if entry.weights:
        with as_file(files("convscope.nets") / "data" / entry.weights / MODEL) as path:
            if path.is_file():
                found = read_json(path, LARGEST_MODEL)
                shape, count = found["inputs"][0]["shape"], len(found["outputs"][0]["classes"])
    return _entry(entry.name, entry.summary, spec.kind, shape, count, bool(entry.weights))


def _entry(
    name: str, summary: str, world: str, shape: Sequence[int], classes: int, trained: bool
) -> dict[str, Any]:
    origin = "run" if name.startswith(RUN) else "shipped" if trained else "zoo"
    facts = {"name": name, "summary": summary, "world": world, "shape": list(map(int, shape))}
    return {**facts, "classes": classes, "trained": trained, "origin": origin}


def watchable(net: Net) -> tuple[Layer, ...]:
    """List the layers of a network that can be watched, in the order in which they run.

    Args:
        net: any network; without a graph of its own it is traced once.

    Returns:
        Those that are modules and return one tensor with units. What lies between two of them (sums,
        functions) is skipped in `inputs`.
    """
    return net.cache("lab: layers", lambda: _watchable(net))


def _watchable(net: Net) -> tuple[Layer, ...]:
    description, shapes = describe(net), layer_shapes(net)
    kept = [
        info.name
        for info in description.layers
        if info.name in shapes
        and len(shapes[info.name][-1]) == 1
        and next(iter(shapes[info.name][-1].values()))
    ]
    reads = _inputs_of(description, set(kept))
    return tuple(
        Layer(info.name, next(iter(shapes[info.name][-1].values())), reads[info.name], info)
        for info in description.layers
        if info.name in reads and info.name in kept
    )


def _inputs_of(description: Description, kept: set[str]) -> dict[str, tuple[str, ...]]:
    """Return for each layer the nearest layers before it that are kept, or inputs."""
    found: dict[str, tuple[str, ...]] = {name: (name,) for name in description.graph.inputs}
    reads: dict[str, tuple[str, ...]] = {}
    for node in description.graph.nodes:
        before = tuple(dict.fromkeys(name for one in node.inputs for name in found[one]))
        reads[node.name] = before
        found[node.name] = (node.name,) if node.name in kept else before
    return reads


def describe_network(net: Net, name: str, reference: str) -> dict[str, Any]:
    """Return what the page knows of a network.

    Args:
        net: the network.
        name: its name in the lab.
        reference: its name in the terminal.

    Returns:
        JSON-ready: specification of the input, layers, text of a chain, and the command that describes it.
    """
    spec, description = net.input_spec, describe(net)
    world = world_of(spec)
    nodes = {node.name: node.layer for node in description.graph.nodes}
    return {
        "name": name,
        "world": spec.kind,
        "spec": {
            "shape": list(spec.shape),
            "axes": spec.axes,
            "kind": spec.kind,
            "value_range": list(spec.value_range),
            "classes": list(net.classes),
            "sample_rate": spec.sample_rate,
        },
        "display": {"rows_upwards": world.rows_upwards, "ink": world.is_ink, "timeline": world.has_timeline},
        "examples": world.has_example(spec),
        "data": world.bundled_data(spec),
        "trained": net.source.weights != "none",
        "parameters": description.parameters,
        "macs": description.macs,
        "layers": [layer.to_json(options_of(nodes[layer.name])) for layer in watchable(net)],
        "text": chain_text(net.graph),
        "command": f"convscope describe {shlex.quote(reference)}",
    }


def options_of(layer: graph.Layer) -> dict[str, Any]:
    """Return the options of a layer, JSON-ready; none for what is no kind of this package.

    Args:
        layer: the layer.

    Returns:
        Options by name.
    """
    return {} if layer.kind == "foreign" else layer.options()


def chain_text(found: Graph | None) -> str | None:
    """Return the text of a chain of layers.

    Args:
        found: a graph.

    Returns:
        The text; None for a network that has none.
    """
    if found is None:
        return None
    try:
        return graph.text(found)
    except ConvscopeError:
        return None
