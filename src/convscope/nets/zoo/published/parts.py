"""Embed chains in larger graphs."""

from convscope.graph.chain import INPUT, chain
from convscope.graph.graph import Node
from convscope.graph.spec import Shape


def follow(source: str, shape: Shape, text: str, prefix: str = "") -> tuple[tuple[Node, ...], str, Shape]:
    """Build the layers of a chain that reads another node of a graph.

    Args:
        source: name of the node that the chain reads.
        shape: output shape of that node, without batch axis.
        text: the chain.
        prefix: prepended to every name.

    Returns:
        The nodes, the name of the last, and its output shape.
    """
    part = chain(shape, text)
    nodes = tuple(
        Node(prefix + node.name, node.layer, tuple(source if s == INPUT else prefix + s for s in node.inputs))
        for node in part.nodes
    )
    return nodes, nodes[-1].name, part.shapes[part.nodes[-1].name]
