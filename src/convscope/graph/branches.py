"""Networks of several chains as text: each reads inputs or other chains, and has a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convscope.errors import GraphError, nearest
from convscope.graph.chain import INPUT, chain
from convscope.graph.graph import Graph, Node
from convscope.graph.layer import Layer
from convscope.graph.layers.merge import Add, Concat, Multiply
from convscope.graph.spec import Shape

MERGES: dict[str, type[Layer]] = {"concat": Concat, "add": Add, "multiply": Multiply}
"""How a branch joins several things that it reads, by name."""


@dataclass(frozen=True)
class Branch:
    """A chain of layers in a graph of several.

    Attributes:
        name: name of the branch, which is that of its last layer; the others are `<name>_<layer>`.
        inputs: inputs of the graph, or branches, that it reads.
        layers: its layers in the syntax of `chain`.
        merge: one of `MERGES`, by which several inputs are joined.
    """

    name: str
    inputs: tuple[str, ...]
    layers: str
    merge: str = "concat"


def graph_of_branches(
    inputs: Mapping[str, Shape], parts: Sequence[Branch], outputs: Sequence[str] = ()
) -> Graph:
    """Build a graph of chains that read inputs and each other.

    Args:
        inputs: name and shape of every input, without batch axis.
        parts: the branches, each after those that it reads.
        outputs: names of branches that the network returns; those that nothing reads if left out.

    Returns:
        The graph; each branch is known by the name of its last layer.

    Raises:
        GraphError: a name is unknown or taken, a chain is wrong, shapes do not fit, or a branch is neither
            read nor an output; the message names the branch.
    """
    shapes: dict[str, Shape] = dict(inputs)
    nodes: list[Node] = []
    for part in parts:
        if part.name in shapes:
            raise GraphError(
                "a name for each input and each branch",
                received=f"{part.name}, twice",
                hint="Rename one of them.",
            )
        made = _nodes(part, shapes)
        nodes += made
        shapes[part.name] = Graph(dict(inputs), tuple(nodes), (part.name,)).shapes[part.name]
    read = {name for part in parts for name in part.inputs}
    lost = [name for name in shapes if name not in {*read, *(outputs or shapes)}]
    if lost:
        raise GraphError(
            "inputs and branches that are read, or are outputs",
            received=f"{', '.join(lost)}, which leads to none of {', '.join(outputs)}",
            hint="Leave it out, name it as an output, or let a branch read it.",
        )
    for name in outputs:
        if name not in {part.name for part in parts}:
            raise GraphError(
                f"outputs that are branches: {', '.join(part.name for part in parts)}",
                received=name,
                hint=nearest(name, [part.name for part in parts]),
            )
    return Graph(dict(inputs), tuple(nodes), tuple(outputs))


def _nodes(part: Branch, shapes: Mapping[str, Shape]) -> list[Node]:
    """Return the layers of a branch, with their names in the whole graph."""
    for name in part.inputs:
        if name not in shapes:
            raise GraphError(
                f"an input, or a branch before {part.name}, for it to read: {', '.join(shapes)}",
                received=name,
                hint=nearest(name, shapes),
            )
    if part.merge not in MERGES:
        raise GraphError(f"merge {', '.join(MERGES)}", received=part.merge, hint=nearest(part.merge, MERGES))
    try:
        joined = _joined(part, shapes)
        start = joined[0].layer.output_shape(*(shapes[name] for name in part.inputs)) if joined else None
        own = chain(start or shapes[part.inputs[0]], part.layers)
    except GraphError as error:
        raise GraphError(
            f"branch {part.name}, {error.expected}", received=error.received, hint=error.hint
        ) from None
    last = own.nodes[-1].name
    first = joined[0].name if joined else part.inputs[0]
    names = {INPUT: first, **{n.name: f"{part.name}_{n.name}" for n in own.nodes}, last: part.name}
    return [*joined, *(Node(names[n.name], n.layer, tuple(names[i] for i in n.inputs)) for n in own.nodes)]


def _joined(part: Branch, shapes: Mapping[str, Shape]) -> list[Node]:
    """Return the layer that joins what a branch reads; none where that is one thing."""
    if len(part.inputs) == 1:
        return []
    return [Node(f"{part.name}_{part.merge}", MERGES[part.merge](), part.inputs)]
