"""A network as a directed acyclic graph of named layers, as frozen data."""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from convscope.errors import GraphError, nearest
from convscope.graph.layer import Layer
from convscope.graph.spec import Shape


@dataclass(frozen=True)
class Node:
    """A layer in a graph.

    Attributes:
        name: name of the layer, unique in the graph.
        layer: the kind of layer and its options.
        inputs: names of the layers or graph inputs that it reads, in order.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A network: any directed acyclic graph of layers.

    Nodes may be given in any order; they are stored in topological order. Shapes are inferred and checked
    when the graph is made.

    Attributes:
        inputs: name and shape of every input, without batch axis.
        nodes: the layers.
        outputs: names of the layers whose values the network returns; those that no other layer reads if left
            out.

    Raises:
        GraphError: a name is taken twice or unknown, there is a cycle, or shapes do not fit; the message
            names the layer.
    """

    inputs: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", MappingProxyType({k: tuple(v) for k, v in self.inputs.items()}))
        for name, shape in self.inputs.items():
            if not shape or not all(type(n) is int and n > 0 for n in shape):
                raise GraphError("inputs of positive extent", received=f"{name}: {shape}")
        object.__setattr__(self, "nodes", _topological_order(tuple(self.inputs), tuple(self.nodes)))
        if not self.outputs:
            read = {name for node in self.nodes for name in node.inputs}
            object.__setattr__(self, "outputs", tuple(n.name for n in self.nodes if n.name not in read))
        object.__setattr__(self, "outputs", tuple(self.outputs))
        if not self.outputs:
            raise GraphError(
                "a graph of at least one layer",
                received="none",
                hint="For example: chain('1x28x28', 'conv 8 3x3, relu, flatten, dense 10')",
            )
        for name in self.outputs:
            if name not in self.shapes:
                raise GraphError(
                    "outputs that name layers of this graph", received=name, hint=nearest(name, self.shapes)
                )

    def _parts(self) -> tuple[object, ...]:
        return (tuple(self.inputs.items()), self.nodes, self.outputs)

    def __eq__(self, other: object) -> bool:
        return self._parts() == other._parts() if isinstance(other, Graph) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._parts())

    def __reduce__(self) -> tuple[object, ...]:
        return Graph, (dict(self.inputs), self.nodes, self.outputs)

    def __getitem__(self, name: str) -> Node:
        try:
            return self._named[name]
        except KeyError:
            raise GraphError("the name of a layer", received=name, hint=nearest(name, self._named)) from None

    @cached_property
    def _named(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """The exact shape of every input and of every layer's output by name, without batch axis."""
        shapes: dict[str, Shape] = dict(self.inputs)
        for node in self.nodes:
            read = [shapes[name] for name in node.inputs]
            try:
                _check_arity(node)
                shapes[node.name] = node.layer.output_shape(*read)
            except GraphError as error:
                raise GraphError(
                    f"{node.name}: {error.expected}", received=error.received, hint=error.hint
                ) from None
        return MappingProxyType(shapes)

    def input_shapes(self, name: str) -> tuple[Shape, ...]:
        """Return the shapes that a layer reads.

        Args:
            name: name of a layer of this graph.

        Returns:
            The shape of each input of the layer in order, without batch axis.

        Raises:
            GraphError: there is no layer of this name.
        """
        return tuple(self.shapes[source] for source in self[name].inputs)


def _check_arity(node: Node) -> None:
    """Check that a layer has as many inputs as its kind allows."""
    fewest, most = node.layer.inputs
    if len(node.inputs) < fewest or (most is not None and len(node.inputs) > most):
        wanted = (
            str(fewest) if fewest == most else f"{fewest} or more" if most is None else f"{fewest} to {most}"
        )
        raise GraphError(
            f"{wanted} input(s) for {node.layer.kind} to read",
            received=", ".join(node.inputs) or "none",
            hint="In a chain each layer reads the one before it; branches need a Graph.",
        )


def _topological_order(inputs: tuple[str, ...], nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the nodes in topological order; of those that are ready, the first as given."""
    _check_names(inputs, nodes)
    position = {node.name: i for i, node in enumerate(nodes)}
    missing = [len({*node.inputs}.difference(inputs)) for node in nodes]
    readers: dict[str, list[int]] = {}
    for i, node in enumerate(nodes):
        for source in {*node.inputs} & position.keys():
            readers.setdefault(source, []).append(i)
    ready = [i for i, count in enumerate(missing) if not count]
    ordered: list[Node] = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        ordered.append(node)
        for i in readers.get(node.name, ()):
            missing[i] -= 1
            if not missing[i]:
                heapq.heappush(ready, i)
    if len(ordered) < len(nodes):
        stuck = [node.name for node, count in zip(nodes, missing, strict=True) if count]
        raise GraphError(
            "a graph without cycles",
            received=f"a cycle through or before {', '.join(stuck)}",
            hint="A layer may read only layers before it: take one of these connections away.",
        )
    return tuple(ordered)


def _check_names(inputs: tuple[str, ...], nodes: tuple[Node, ...]) -> None:
    """Check that every name is unique and that every layer reads inputs or layers of the graph."""
    counts = Counter([*inputs, *(node.name for node in nodes)])
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise GraphError(
            "a name of its own for every layer",
            received=f"{', '.join(twice)} more than once",
            hint="Give each of these layers another name.",
        )
    for node in nodes:
        for source in node.inputs:
            if source not in counts:
                raise GraphError(
                    f"a layer of this graph for {node.name} to read",
                    received=source,
                    hint=nearest(source, counts),
                )
