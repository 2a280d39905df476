"""The front end of a network of sounds: where it ends, and the frequencies and times of what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from convscope.errors import ConvscopeError, PlaceError
from convscope.graph.analysis.readers import ACTIVATIONS, NORMALISATIONS
from convscope.graph.graph import Graph
from convscope.graph.layer import Layer
from convscope.graph.layers.foreign import Foreign
from convscope.graph.layers.worlds.sound.recurrent import Log
from convscope.graph.layers.worlds.sound.spectrum import MFCC, Decibels, Framing, LogMel, MelScale
from convscope.graph.spec import SOUND
from convscope.nets.activations.recording import record
from convscope.nets.description.description import describe
from convscope.nets.modules.worlds.sound.spectrum import band_edges
from convscope.nets.network import Net, takes_network

FIXED = (Framing, MelScale, Decibels, Log)
"""Layers of a front end, none of which has weights."""


@dataclass(frozen=True)
class SpectrogramAxes:
    """Frequencies of a spectrogram's rows and times of its columns.

    Attributes:
        seconds: the middle of each frame, equally spaced.
        hertz: the middle of each row, rising; empty where rows are no frequencies, as those of an MFCC.
    """

    seconds: tuple[float, ...]
    hertz: tuple[float, ...] = ()


@takes_network
def front_end(net: Net) -> str | None:
    """Find the fixed front end with which a network of sounds begins: spectrum, mel bands, logarithm, MFCC.

    A module without a graph is traced once. Its front end is the last module, if there is one, before which
    are no weights and a Fourier transform, that returns rows over time, and through which everything passes.

    Args:
        net: any network.

    Returns:
        The last of these layers; None where the network begins otherwise.
    """
    if net.input_spec.kind != SOUND or len(net.input_specs) != 1:
        return None
    return net.cache("front end", lambda: _of_module(net) if net.graph is None else _of_graph(net.graph))


def _of_graph(graph: Graph) -> str | None:
    found: str | None = None
    at, framed = next(iter(graph.inputs)), False
    while at not in graph.outputs:
        readers = [node for node in graph.nodes if at in node.inputs]
        if len(readers) != 1 or not isinstance(readers[0].layer, FIXED):
            break
        at, framed = readers[0].name, framed or isinstance(readers[0].layer, Framing)
        found = at if framed and at not in graph.outputs else found
    return found


def _of_module(net: Net) -> str | None:
    try:
        description = describe(net)
    except ConvscopeError:  # its code cannot be traced
        return None
    graph, weights = description.graph, {info.name: info.parameters for info in description.layers}
    ends = dict[str, str]()
    for name, _ in net.module.named_modules():
        inside = [node.name for node in graph.nodes if f"{node.name}.".startswith(f"{name}.")]
        if inside and len(graph.shapes[inside[-1]]) == 3:
            ends.setdefault(inside[-1], name)  # the outermost of several that end here
    for last in reversed([node.name for node in graph.nodes if node.name in ends]):
        before = _fixed_before(graph, last, weights)
        if before and any(map(_transforms, before)) and _is_real(net, ends[last]):
            return ends[last]
    return None


def _fixed_before(graph: Graph, last: str, weights: Mapping[str, int]) -> list[Layer]:
    """Return a layer and those of which it is computed; none if one has weights, or is read elsewhere."""
    nodes, names, waiting = {node.name: node for node in graph.nodes}, {last}, [last]
    while waiting:
        sources = nodes[waiting.pop()].inputs
        waiting += [name for name in sources if name in nodes and name not in names]
        names.update(sources)
    inside = names - {last}
    passed_by = any(inside.intersection(node.inputs) for node in graph.nodes if node.name not in names)
    pools = "pool" in nodes[last].layer.kind
    if passed_by or pools or names.intersection(graph.outputs) or any(weights.get(name) for name in names):
        return []
    return [nodes[name].layer for name in names if name in nodes]


def _transforms(layer: Layer) -> bool:
    """Return whether a layer is a Fourier transform, by the kernels that it ran."""
    return isinstance(layer, Framing) or (
        isinstance(layer, Foreign) and any(kernel.startswith("_fft") for kernel in layer.uncounted)
    )


def _is_real(net: Net, name: str) -> bool:
    """Return whether a layer's output can be attributed: a complex spectrum cannot."""
    try:
        with torch.no_grad():
            record(net, net.example(), [name])
    except PlaceError:
        return False
    return True


@takes_network
def spectrogram_axes(net: Net, layer: str) -> SpectrogramAxes | None:
    """Return the frequencies and times of a layer's output.

    Args:
        net: any network.
        layer: name of a layer.

    Returns:
        The axes; None where the output is no spectrogram of the network's input, or nothing is known.
    """
    graph, rate = net.graph, net.input_spec.sample_rate
    if graph is None or rate is None:
        return None
    path = _path(graph, layer)
    if not path or not isinstance(path[0], Framing):
        return None
    frames, rows = path[0], path[0]
    axes = _of_frames(frames, graph.shapes[layer][-1], rate)
    for step in path[1:]:
        if isinstance(step, MelScale):
            rows = step
        elif step.kind not in (*ACTIVATIONS, *NORMALISATIONS, Decibels.kind, Log.kind):
            return None
    return replace(axes, hertz=_hertz(rows, rate))


def _path(graph: Graph, layer: str) -> list[Layer]:
    """Return the layers from the input to one of them, if each reads the one before; else none."""
    nodes, path, at = {node.name: node for node in graph.nodes}, [], layer
    while at in nodes:
        node = nodes[at]
        if len(node.inputs) != 1:
            return []
        path.insert(0, node.layer)
        at = node.inputs[0]
    return path


def _of_frames(layer: Framing, count: int, rate: int) -> SpectrogramAxes:
    first = 0.0 if layer.center else layer.n_fft / 2
    return SpectrogramAxes(tuple((first + k * layer.hop) / rate for k in range(count)))


def _hertz(layer: Layer, rate: int) -> tuple[float, ...]:
    """Return the middle of each row of a spectrogram; of mel bands, where each is highest."""
    if isinstance(layer, MFCC):
        return ()
    if isinstance(layer, LogMel | MelScale):
        top = rate / 2 if layer.f_max is None else layer.f_max
        return tuple(band_edges(layer.n_mels, layer.f_min, top)[1:-1].tolist())
    bins = layer.height if isinstance(layer, Framing) else 0
    return tuple(torch.linspace(0, rate / 2, bins, dtype=torch.float64).tolist())
