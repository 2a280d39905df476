"""Networks of texts for another vocabulary, length, number of classes or size of vectors than their own."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph.graph import Graph, Node
from convscope.graph.layers.dense import Dense
from convscope.graph.layers.worlds.embedding import Embedding
from convscope.graph.spec import UNKNOWN, TensorSpec
from convscope.nets.io.graph_module import GraphModule, build
from convscope.nets.modules.worlds.embedding import Embedding as EmbeddingModule
from convscope.nets.network import Net, takes_network


@takes_network
def with_vocabulary(
    net: Net,
    spec: TensorSpec,
    classes: Sequence[str] = (),
    *,
    embedding_dim: int | None = None,
    seed: int | None = None,
) -> Net:
    """Build a network of texts anew for a vocabulary, with fresh weights.

    Every embedding gets a row for each token of the vocabulary, and a last dense layer an output for each
    class.

    Args:
        net: a network with a graph that reads indices; left as it is.
        spec: vocabulary and length.
        classes: names of the classes; the network's own if left out.
        embedding_dim: length of the vectors; the network's own if left out.
        seed: of the fresh weights.

    Returns:
        The network.

    Raises:
        UsageError: the network has no graph, or no embedding.
        GraphError: the layers do not fit an input of that length.
    """
    graph = net.module.graph if isinstance(net.module, GraphModule) else None
    if graph is None or not any(isinstance(node.layer, Embedding) for node in graph.nodes):
        raise UsageError(
            "a network of this package that begins with an embedding, such as kim_cnn",
            received=net.name,
            hint="convscope nets lists those of texts.",
        )
    made = adapt_graph(graph, spec, len(classes) or None, embedding_dim)
    names = tuple(classes) or net.classes
    outputs = (replace(net.output_spec, classes=names), *net.output_specs[1:])
    module = build(made, seed=seed).to(net.device)
    with torch.no_grad():
        for _, part in embeddings(module):
            part.weight[UNKNOWN] = 0.0  # it is not learned where no such token is in the training data
    named = replace(spec, name=net.input_spec.name)
    return replace(
        net, module=module.eval(), input_specs=(named,), output_specs=outputs, graph=made, config=None
    )


def adapt_graph(
    graph: Graph, spec: TensorSpec, classes: int | None = None, embedding_dim: int | None = None
) -> Graph:
    """Return a graph of texts for another vocabulary, length, number of classes or size of vectors.

    Args:
        graph: the graph; left as it is.
        spec: vocabulary and length.
        classes: number of outputs of the last dense layer; unchanged if left out.
        embedding_dim: length of the vectors; unchanged if left out.

    Returns:
        The graph.
    """
    (name,) = graph.inputs
    nodes = []
    for node in graph.nodes:
        layer = node.layer
        if isinstance(layer, Embedding):
            size = len(spec.vocabulary) or layer.num_embeddings
            layer = Embedding(embedding_dim or layer.embedding_dim, size)
        elif isinstance(layer, Dense) and node.name in graph.outputs and classes:
            layer = replace(layer, out_features=classes)
        nodes.append(Node(node.name, layer, node.inputs))
    return Graph({name: spec.shape}, tuple(nodes), graph.outputs)


def embeddings(module: torch.nn.Module) -> list[tuple[str, EmbeddingModule]]:
    """Return the embeddings of a module.

    Args:
        module: any module.

    Returns:
        Path and module of each, in the order in which they are registered.
    """
    return [(name, part) for name, part in module.named_modules() if isinstance(part, EmbeddingModule)]


@takes_network
def set_vectors(net: Net, words: Sequence[str], vectors: Float[Tensor, "n d"]) -> int:
    """Set the vectors of words in every embedding of a network, in place.

    A token that is not among the words gets the vector of its lower-case form, if there is one; the others
    keep theirs, which are of about the same spread.

    Args:
        net: a network with a vocabulary.
        words: the words.
        vectors: one row for each, as long as the network's vectors.

    Returns:
        How many tokens of the vocabulary got a vector.

    Raises:
        UsageError: the network has no embedding of that length.
    """
    found = embeddings(net.module)
    if not found or any(part.embedding_dim != vectors.shape[1] for _, part in found):
        sizes = ", ".join(str(part.embedding_dim) for _, part in found) or "no embedding"
        raise UsageError(
            f"vectors as long as those of {net.name}",
            received=f"{vectors.shape[1]}, not {sizes}",
            hint="Build it for their length: nets.with_vocabulary(net, spec, embedding_dim=...).",
        )
    rows = {word: row for row, word in enumerate(words)}
    pairs = [
        (index, rows.get(token, rows.get(token.lower(), -1)))
        for index, token in enumerate(net.input_spec.vocabulary)
        if index > UNKNOWN
    ]
    known = [(index, row) for index, row in pairs if row >= 0]
    indices, chosen = (torch.tensor([pair[k] for pair in known], dtype=torch.int64) for k in (0, 1))
    with torch.no_grad():
        for _, part in found:
            part.weight[indices] = vectors[chosen].to(part.weight)
    return len(known)
