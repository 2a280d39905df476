"""Pieces of chains as nodes of a larger graph."""

from convscope.graph.chain import INPUT, chain
from convscope.graph.contract import Shape
from convscope.graph.graph import Node


def follow(source: str, shape: Shape, text: str, prefix: str = "") -> tuple[tuple[Node, ...], str, Shape]:
    """The layers of a chain that reads `source`.

    Args:
        source: name of the node that the chain reads.
        shape: what comes out of it.
        text: the chain.
        prefix: put before every name.

    Returns:
        The nodes, the name of the last, and the shape after it.
    """
    part = chain(shape, text)
    nodes = tuple(
        Node(prefix + node.name, node.layer, tuple(source if s == INPUT else prefix + s for s in node.inputs))
        for node in part.nodes
    )
    return nodes, nodes[-1].name, part.shapes[part.nodes[-1].name]
