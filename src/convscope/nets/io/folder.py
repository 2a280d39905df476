"""Save and open networks as folders: `model.json` describes one, `model.safetensors` holds its weights."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, fields
from math import prod
from pathlib import Path
from typing import Any

import torch

from convscope.errors import ConvscopeError, DataError, MissingError, UsageError
from convscope.graph.analysis.costs import costs, totals
from convscope.graph.document import from_json, to_json
from convscope.graph.graph import Graph
from convscope.graph.spec import ImageTransform, OutputSpec, TensorSpec, TextTransform
from convscope.nets.io.graph_module import GraphModule, build
from convscope.nets.io.registry import from_config, to_config
from convscope.nets.io.weights import load_weights, read_weights, write_weights
from convscope.nets.network import Net, Source, takes_network
from convscope.recipe import shortened
from convscope.system.files import is_full, read_json, write_text

FORMAT = "convscope.model/2"
BROKEN = "Take the folder again from where it came from; that of a run is written anew by --resume."
"""Next step where the description of a network is damaged."""
DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"
MOST_VALUES = 2**32
"""Largest number of values that one layer may return for one example: 16 GB in float32."""


@takes_network
def save(net: Net, folder: str | Path, *, recipe: Mapping[str, Any] | None = None) -> Path:
    """Save a network to a folder, from where `load` reads it.

    Each file is written completely or not at all; the folder is created if missing. A network that was
    neither built from a graph nor is in the registry `convscope.nets.io.registry` is saved with its weights
    and spec; to read it back, give its module to `open_folder`.

    Args:
        net: the network.
        folder: where to; files of the same names are replaced.
        recipe: how it was trained, JSON-ready; stored in the description.

    Returns:
        The folder.

    Raises:
        UsageError: the folder cannot be written.
        ConvscopeError: the disk is full.
    """
    folder = Path(folder)
    document = _to_document(net, recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_weights(folder / WEIGHTS, net.module.state_dict(), metadata={"format": "pt"})
        write_text(folder / DESCRIPTION, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        if is_full(error):
            raise ConvscopeError(
                f"room on the disk for {folder}", received=str(error), hint="Free some space."
            ) from None
        raise UsageError(
            f"a folder that can be written at {folder}",
            received=str(error),
            hint="Choose another folder, or change its permissions.",
        ) from None
    return folder


def _to_document(net: Net, recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    graph = net.module.graph if isinstance(net.module, GraphModule) else None
    return {
        "format": FORMAT,
        "name": net.name,
        "graph": None if graph is None else to_json(graph),
        "module": net.config or to_config(net.module),
        "inputs": [asdict(spec) for spec in net.input_specs],
        "outputs": [asdict(spec) for spec in net.output_specs],
        "source": asdict(net.source),
        "recipe": None if recipe is None else dict(recipe),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def open_folder(folder: str | Path, module: torch.nn.Module | None = None) -> Net:
    """Open a network that `save` wrote.

    Args:
        folder: holds `model.json` and `model.safetensors`.
        module: receives the weights, in place; needed for a network that neither was built from a graph nor
            is in the registry.

    Returns:
        The network, in evaluation mode.

    Raises:
        MissingError: a file is missing.
        DataError: a file is damaged, or the weights do not fit; the message names what is wrong.
        UsageError: the network has no graph and no module is given.
    """
    folder = Path(folder)
    for name in (DESCRIPTION, WEIGHTS):
        if not os.path.lexists(folder / name):
            raise MissingError(
                f"a saved network in {folder}",
                received=f"no {name}",
                hint="Name the folder that a training or nets.save has written.",
            )
    document = _read_document(folder / DESCRIPTION)
    graph, inputs, outputs, source = _parse_document(document, folder / DESCRIPTION)
    made = document.get("module")
    if module is None and graph is None and made is None:
        raise UsageError(
            f"the module that {folder} holds the weights of",
            received="none",
            hint="It was not built from a graph: open_folder(folder, module).",
        )
    tensors = read_weights(folder / WEIGHTS)
    values = sum(t.numel() for t in tensors.values())
    if module is not None:
        ready = module
    else:
        ready = (
            _build_registered(made, values, folder) if graph is None else _build_graph(graph, values, folder)
        )
        _check_registered(ready, inputs, folder / DESCRIPTION)
    load_weights(ready, tensors, str(folder / WEIGHTS))
    ready.eval()
    config = made if module is None and graph is None else None
    return Net(ready, inputs, outputs, source, graph, document["name"], config)


def _parse_document(
    document: dict[str, Any], path: Path
) -> tuple[Graph | None, tuple[TensorSpec, ...], tuple[OutputSpec, ...], Source]:
    """Read graph, inputs, outputs and source of a description, and check every field."""
    try:
        graph = None if document["graph"] is None else from_json(document["graph"])
        inputs = tuple(_dataclass(TensorSpec, entry) for entry in _list_field(document, "inputs"))
        outputs = tuple(_dataclass(OutputSpec, entry) for entry in _list_field(document, "outputs"))
        source = _dataclass(Source, document["source"])
        if not all(isinstance(value, str) for value in asdict(source).values()):
            raise ValueError("a source whose fields are texts")
        _check_specs(graph, inputs, outputs)
        _check_graph_size(graph)
    except (ConvscopeError, TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise DataError(
            f"the description of a network in {path}", received=str(error)[:300], hint=BROKEN
        ) from None
    return graph, inputs, outputs, source


def _list_field(document: dict[str, Any], name: str) -> list[Any]:
    """Return a field that must be a list; a string or a dict would be iterated over silently."""
    value = document[name]
    if not isinstance(value, list):
        raise ValueError(f"{name} is a list, not {shortened(value)}")
    return value


def _check_graph_size(graph: Graph | None) -> None:
    """Compute every shape, so that layers that do not fit or are too large are refused here."""
    if graph is not None:
        largest = max(prod(shape) for shape in graph.shapes.values())
        if largest > MOST_VALUES:
            raise ValueError(f"a layer of {largest:,} values for one example; the limit is {MOST_VALUES:,}")


def _build_graph(graph: Graph | None, values: int, folder: Path) -> GraphModule:
    """Build a graph's module, unless it would take far more memory than the stored weights can fill."""
    expected = f"a network that can be built in {folder / DESCRIPTION}"
    try:
        wanted = totals(costs(graph)).parameters  # pyright: ignore[reportArgumentType]
        if wanted > 10 * values + 10**6:
            raise DataError(
                expected,
                received=f"a graph of {wanted:,} weights, of which {values:,} are there",
                hint=BROKEN,
            )
        return build(graph, seed=0)  # pyright: ignore[reportArgumentType]
    except DataError:
        raise
    except (ConvscopeError, RuntimeError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise DataError(expected, received=str(error), hint=BROKEN) from None


def _build_registered(description: Any, values: int, folder: Path) -> torch.nn.Module:
    """Build a registered module, unless it would take far more memory than the stored weights can fill."""
    expected = f"a network that can be made in {folder / DESCRIPTION}"
    try:
        with torch.device("meta"):
            wanted = sum(weight.numel() for weight in from_config(description).parameters())
        if wanted > 10 * values + 10**6:
            raise DataError(
                expected, received=f"{wanted:,} weights, of which {values:,} are there", hint=BROKEN
            )
        with torch.random.fork_rng(devices=[]):
            return from_config(description)
    except (
        ConvscopeError,
        RuntimeError,
        TypeError,
        ValueError,
        KeyError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise DataError(expected, received=str(error), hint=BROKEN) from None


def _check_registered(module: torch.nn.Module, inputs: tuple[TensorSpec, ...], path: Path) -> None:
    """Refuse specs that a registered module does not take: those of `input_shape`, or of RGB images."""
    if isinstance(module, GraphModule):
        return
    wanted = getattr(module, "input_shape", None)
    if not all(spec.is_rgb if wanted is None else spec.shape == wanted for spec in inputs):
        shape = "RGB images" if wanted is None else f"inputs of {wanted}"
        raise DataError(
            f"a spec for {shape}, which networks of this kind take, in {path}",
            received=", ".join(str(spec.shape) for spec in inputs),
            hint=BROKEN,
        )


def _read_document(path: Path) -> dict[str, Any]:
    expected = f"the description of a network in {path}"
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(expected, received=f"no JSON: {error}", hint=BROKEN) from None
    if not isinstance(document, dict):
        raise DataError(expected, received=type(document).__name__, hint=BROKEN)
    if document.get("format") != FORMAT:
        raise DataError(
            f"the format {FORMAT} in {path}",
            received=shortened(document.get("format")),
            hint="It may come from a newer version: try pip install --upgrade convscope.",
        )
    missing = [name for name in ("name", "graph", "inputs", "outputs", "source") if name not in document]
    if missing:
        raise DataError(expected, received=f"no {', '.join(missing)}", hint=BROKEN)
    if not isinstance(document["name"], str):
        raise DataError(
            expected, received=f"a name that is no text: {shortened(document['name'])}", hint=BROKEN
        )
    return document


def _check_specs(
    graph: Graph | None, inputs: tuple[TensorSpec, ...], outputs: tuple[OutputSpec, ...]
) -> None:
    if not inputs or not outputs:
        raise ValueError("no inputs" if not inputs else "no outputs")
    shapes = tuple(spec.shape for spec in inputs)
    if graph is not None and tuple(graph.inputs.values()) != shapes:
        raise ValueError(f"inputs of {shapes}, and a graph for {tuple(graph.inputs.values())}")


def _dataclass(kind: type[Any], values: Any) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"{kind.__name__} as a table, not {shortened(values)}")
    known = {f.name for f in fields(kind)}
    unknown = set(values) - known
    if unknown:
        raise ValueError(f"{kind.__name__} with {', '.join(sorted(unknown))}")
    ready = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    for field, inner in (("transform", ImageTransform), ("text", TextTransform)):
        if field in known and field in ready:
            ready[field] = _dataclass(inner, ready[field])
    return kind(**ready)
