"""How far behind the last token a network looks, where its result does not depend on more padding."""

from convscope.graph.graph import Graph, Node
from convscope.graph.layers.worlds.embedding import Embedding, MaxOverTime

LOCAL = frozenset(
    "identity sigmoid tanh relu relu6 leakyrelu elu gelu silu add multiply concat dropout".split()  # noqa: SIM905
)
"""Kinds that compute every position on its own."""
SLIDING = ("conv1d", "maxpool1d", "avgpool1d")
"""Kinds that read a window; without padding at the ends they give every position what a longer input does."""


def padding_that_counts(graph: Graph) -> int | None:
    """Return how many positions of padding behind the last token of a text its result can depend on.

    That is so where everything that is computed along the tokens ends in a maximum over time, which leaves
    out windows of padding alone, and where no layer before it adds zeros at the ends.

    Args:
        graph: a network of one input of tokens.

    Returns:
        The positions; None where a shorter input may have another result.
    """
    if len(graph.inputs) != 1:
        return None
    (source,) = graph.inputs
    along, reach = {source}, 0
    for node in graph.nodes:
        if not along & {*node.inputs}:
            continue
        layer = node.layer
        if isinstance(layer, MaxOverTime):
            maps, tokens = graph.input_shapes(node.name)
            reach = max(reach, (layer.kernel_size or tokens[0] - maps[1] + 1) - 1)
            if layer.padding or node.inputs[1] != source:
                return None
        elif isinstance(layer, Embedding) or layer.kind in LOCAL or _slides(node):
            along.add(node.name)
        else:
            return None
    return None if along & {*graph.outputs} or not reach else reach


def _slides(node: Node) -> bool:
    layer = node.layer
    plain = getattr(layer, "padding", None) in (0, (0,)) and not getattr(layer, "ceil_mode", False)
    return layer.kind in SLIDING and plain
