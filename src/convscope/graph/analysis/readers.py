"""What reads a layer alone and acts on each value by itself: normalisation and activation function."""

from convscope.graph.graph import Graph, Node

ACTIVATIONS = (
    "sigmoid",
    "tanh",
    "relu",
    "relu6",
    "leakyrelu",
    "elu",
    "gelu",
    "silu",
    "hardswish",
    "hardsigmoid",
)
"""Kinds of activation functions that act on each value by itself."""
NORMALISATIONS = ("batchnorm1d", "batchnorm2d")
"""Kinds that scale and shift each value by itself, where the network is not training."""


def elementwise_readers(graph: Graph, name: str) -> tuple[Node, ...]:
    """Follow a layer to its activation function.

    Args:
        graph: the network.
        name: the layer.

    Returns:
        The batch normalisations behind it and the first activation function, in their order, as long as each
        is the only reader of what comes before; empty where there are none.
    """
    found: list[Node] = []
    at = name
    while True:
        readers = [node for node in graph.nodes if at in node.inputs]
        if len(readers) != 1 or readers[0].inputs != (at,):
            return tuple(found)
        kind = readers[0].layer.kind
        if kind not in (*ACTIVATIONS, *NORMALISATIONS):
            return tuple(found)
        found.append(readers[0])
        if kind in ACTIVATIONS:
            return tuple(found)
        at = readers[0].name
