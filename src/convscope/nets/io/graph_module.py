"""Build a module from a graph."""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

import torch
from torch import Tensor, nn

from convscope.errors import GraphError
from convscope.graph.analysis.costs import costs, totals
from convscope.graph.graph import Graph, Node
from convscope.nets.io.weights import memory_of_machine

MAX_POOLINGS = ("maxpool1d", "maxpool2d")
Step = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Name of the value that a step computes, layers it runs, values it reads, those that no later one reads."""


class GraphModule(nn.Module):
    """Module that runs a graph: one submodule per node, under the node's name.

    A dot in a name nests, so that `layer1.0.conv1` has the same path as in the network that the graph was
    traced from. Several outputs are returned as a dict by name. Parameters have torch's default
    initialisation.

    In training mode, max pooling that alone reads a ReLU is run before it, on the larger map, and the ReLU on
    the smaller one. Output and gradients are bit for bit the same, since a ReLU does not change which value
    of a window is the largest and passes no gradient where that is not positive. With hooks on either of
    both, every layer is run as the graph has it.

    Args:
        graph: the graph, without foreign layers.
        modules: layers that are there already, by name, which are shared; the others are built.

    Raises:
        GraphError: a layer cannot be built.
    """

    def __init__(self, graph: Graph, modules: Mapping[str, nn.Module] = MappingProxyType({})) -> None:
        super().__init__()
        self._graph = graph
        for node in graph.nodes:
            _place(self, node.name, modules.get(node.name) or _module(graph, node))
        self._pairs = _relu_pool_pairs(graph)
        self._steps = _steps(graph, {})
        self._training_steps = _steps(graph, self._pairs)

    @property
    def graph(self) -> Graph:
        """The graph that the module was built from."""
        return self._graph

    def forward(self, *inputs: Tensor) -> Tensor | dict[str, Tensor]:
        """Run the graph.

        Args:
            *inputs: one tensor `[b c ...]` for each input of the graph, in its order.

        Returns:
            The output; several outputs as a dict by name.

        Raises:
            GraphError: the number of inputs is not that of the graph.
        """
        if len(inputs) != len(self._graph.inputs):
            raise GraphError(
                f"{len(self._graph.inputs)} input(s): {', '.join(self._graph.inputs)}",
                received=f"{len(inputs)}",
            )
        values = dict(zip(self._graph.inputs, inputs, strict=True))
        steps = self._training_steps if self.training and not self._pair_has_hooks() else self._steps
        for name, layers, sources, done in steps:
            value = self.get_submodule(layers[0])(*[values[source] for source in sources])
            for layer in layers[1:]:
                value = self.get_submodule(layer)(value)
            values[name] = value
            for source in done:
                del values[source]
        if len(self._graph.outputs) == 1:
            return values[self._graph.outputs[0]]
        return {name: values[name] for name in self._graph.outputs}

    def _pair_has_hooks(self) -> bool:
        modules = (self.get_submodule(name) for pair in self._pairs.items() for name in pair)
        return any(
            m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks
            for m in modules
        )


def build(graph: Graph, *, seed: int | None = None) -> GraphModule:
    """Build a freshly initialised module from a graph.

    Args:
        graph: the graph to build.
        seed: makes the initial weights reproducible and leaves torch's global generator unchanged; without
            one, the weights are drawn from that generator.

    Returns:
        The module, in training mode.

    Raises:
        GraphError: a layer cannot be built: a `foreign` one, or one whose name no submodule can have; or
            the weights do not fit into memory.
    """
    _require_room(graph)
    if seed is None:
        return GraphModule(graph)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GraphModule(graph)


def _require_room(graph: Graph) -> None:
    """Refuse a graph whose weights exceed this machine's memory, before torch tries to allocate it.

    Nothing is checked on the meta device.

    Raises:
        GraphError: the weights exceed it, in float32.
    """
    if torch.get_default_device().type == "meta":
        return
    weights, room = totals(costs(graph)).parameters, memory_of_machine()
    if 4 * weights > room:
        raise GraphError(
            "a network whose weights fit into this machine's memory",
            received=f"{weights:,} weights, {4 * weights / 1e9:,.1f} GB; there are {room / 1e9:,.1f} GB",
            hint="Make the input or the layers smaller.",
        )


@cache
def _constructor(path: str) -> type[nn.Module]:
    package, _, name = path.rpartition(".")
    return getattr(import_module(package), name)


def _module(graph: Graph, node: Node) -> nn.Module:
    if node.layer.kind == "foreign":
        raise GraphError(
            f"a network without {node.name}, which can be described but not built",
            received=str(node.layer),
            hint="It was read by watching another module run; keep using that module.",
        )
    arguments = node.layer.arguments(*graph.input_shapes(node.name))
    return _constructor(node.layer.module)(**arguments)


def _place(root: nn.Module, name: str, module: nn.Module) -> None:
    *path, last = name.split(".")
    try:
        for part in path:
            if part not in root._modules:
                root.add_module(part, nn.Module())
            root = root.get_submodule(part)
        root.add_module(last, module)
    except (KeyError, AttributeError) as error:
        raise GraphError(
            "a layer name that a submodule can have", received=f"{name}: {error}", hint="Choose another name."
        ) from None


def _relu_pool_pairs(graph: Graph) -> dict[str, str]:
    """Return the max poolings that alone read a ReLU which is no output, by the name of that ReLU."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for source in node.inputs:
            readers.setdefault(source, []).append(node)
    found = {}
    for node in graph.nodes:
        after = readers.get(node.name, ())
        if node.layer.kind == "relu" and node.name not in graph.outputs and len(after) == 1:
            (reader,) = after
            if reader.layer.kind in MAX_POOLINGS:
                found[node.name] = reader.name
    return found


def _steps(graph: Graph, pairs: Mapping[str, str]) -> tuple[Step, ...]:
    """Return the steps that run the graph, with each pair of ReLU and max pooling as one, exchanged."""
    nodes = {node.name: node for node in graph.nodes}
    relus = {pool: relu for relu, pool in pairs.items()}
    merged = []
    for node in graph.nodes:
        if node.name in relus:
            relu = nodes[relus[node.name]]
            merged.append((node.name, (node.name, relu.name), relu.inputs))
        elif node.name not in pairs:
            merged.append((node.name, (node.name,), node.inputs))
    readers = Counter(source for _, _, sources in merged for source in set(sources))
    steps = []
    for name, layers, sources in merged:
        readers.subtract(set(sources))
        done = tuple(s for s in sorted(set(sources)) if not readers[s] and s not in graph.outputs)
        steps.append((name, layers, sources, done))
    return tuple(steps)
