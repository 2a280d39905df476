"""A network as frozen data: named layers, what each reads, what goes in and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from convscope.errors import GraphError, nearest
from convscope.graph.contract import Shape
from convscope.graph.layer import Layer


@dataclass(frozen=True)
class Node:
    """A layer with a name and the names of what it reads."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Any directed acyclic graph of layers.

    Nodes may come in any order; they are stored so that each follows what it reads.

    Raises:
        GraphError: a name is taken twice or unknown, there is a cycle, or shapes do not fit; the layer is named.
    """

    inputs: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))
        object.__setattr__(self, "nodes", _in_order(tuple(self.inputs), tuple(self.nodes)))
        if not self.outputs:
            read = {name for node in self.nodes for name in node.inputs}
            object.__setattr__(self, "outputs", tuple(n.name for n in self.nodes if n.name not in read))
        for name in self.outputs:
            if name not in self.shapes:
                raise GraphError("outputs that name layers of this graph", received=name,
                                 hint=nearest(name, self.shapes))

    def __hash__(self) -> int:
        return hash((tuple(self.inputs.items()), self.nodes, self.outputs))

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise GraphError("the name of a layer", received=name, hint=nearest(name, [n.name for n in self.nodes]))

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """The exact shape at every input and after every layer, without batch axis."""
        shapes: dict[str, Shape] = dict(self.inputs)
        for node in self.nodes:
            read = [shapes[name] for name in node.inputs]
            try:
                _check_arity(node)
                shapes[node.name] = node.layer.output_shape(*read)
            except GraphError as error:
                raise GraphError(f"{node.name}: {error.expected}", received=error.received, hint=error.hint) from None
        return MappingProxyType(shapes)

    def input_shapes(self, name: str) -> tuple[Shape, ...]:
        """The shapes that go into one layer."""
        return tuple(self.shapes[source] for source in self[name].inputs)


def _check_arity(node: Node) -> None:
    fewest, most = node.layer.inputs
    if len(node.inputs) < fewest or (most is not None and len(node.inputs) > most):
        wanted = str(fewest) if fewest == most else f"{fewest} or more" if most is None else f"{fewest} to {most}"
        raise GraphError(f"{node.layer.kind} reads {wanted} input(s)", received=", ".join(node.inputs) or "none")


def _in_order(inputs: tuple[str, ...], nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Kahn's order, stable: each node after everything it reads."""
    names = [*inputs, *(node.name for node in nodes)]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise GraphError("every layer has a name of its own", received=f"{', '.join(twice)} more than once")
    for node in nodes:
        for source in node.inputs:
            if source not in names:
                raise GraphError(f"{node.name} reads a layer of this graph", received=source,
                                 hint=nearest(source, names))
    done, ordered, waiting = set(inputs), [], list(nodes)
    while waiting:
        ready = [node for node in waiting if done.issuperset(node.inputs)]
        if not ready:
            raise GraphError("a graph without cycles",
                             received=f"a cycle through {', '.join(node.name for node in waiting)}")
        done.update(node.name for node in ready)
        ordered += ready
        waiting = [node for node in waiting if node.name not in done]
    return tuple(ordered)
