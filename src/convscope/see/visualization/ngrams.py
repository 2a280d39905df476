"""Feature visualization of units that read words: the n-gram of largest value, exactly.

Tokens are discrete, so that no image-like input can be optimised step by step. A unit of a convolution over
vectors of words needs none: its value for an n-gram is a sum over the places of its kernel, and of each place
the best word of the vocabulary can be found by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph.graph import Graph, Node
from convscope.graph.layers.conv import Conv1d
from convscope.graph.layers.worlds.embedding import Embedding, MaxOverTime
from convscope.graph.spec import SPECIAL
from convscope.nets import LayerAddress, Net, describe, embeddings, resolve, takes_network
from convscope.recipe.result import Result

RISING = ("relu", "relu6", "sigmoid", "tanh", "softplus", "elu", "leakyrelu", "identity", "dropout")
"""Kinds of layers after a convolution whose value is largest where that of the convolution is."""


@dataclass(frozen=True, eq=False)
class BestNgrams(Result):
    """The words with which units of a convolution over words are largest, or smallest.

    Attributes:
        places: the units.
        words: for each unit and each place of its kernel the best words, the first one first.
        gains: what each of these words adds, in the same order.
        values: value of the convolution, bias included, for the n-gram of the first words: no input gives a
            larger one (smaller, where minimised).
        negative: whether the value is minimised.
        tokens: the n-grams of the first words as int64 indices of the vocabulary, `[k]` for each unit.
    """

    places: tuple[str, ...]
    words: tuple[tuple[tuple[str, ...], ...], ...]
    gains: tuple[tuple[tuple[float, ...], ...], ...]
    values: tuple[float, ...]
    tokens: tuple[Tensor, ...]
    negative: bool = False
    gap: str = " "
    """What stands between tokens: a space between words, nothing between characters."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The best n-gram of each unit as one text."""
        return tuple(self.gap.join(ngram) for ngram in self.ngrams)

    @property
    def ngrams(self) -> tuple[tuple[str, ...], ...]:
        """The best n-gram of each unit."""
        return tuple(tuple(words[0] for words in places) for places in self.words)


@takes_network
def best_ngrams(
    net: Net, places: Sequence[str | LayerAddress], *, top: int = 5, negative: bool = False
) -> BestNgrams:
    """Find the n-gram with which each unit is largest, by its own weights: a closed form, no data is read.

    The value of a convolution over vectors is `b + sum_j w_j . E[v_j]`; each `v_j` is the word of the
    vocabulary of the largest product with the weights `w_j` at its place. That no sentence holds this n-gram
    is the rule.

    Args:
        net: a network of tokens with a vocabulary, or its name.
        places: units of convolutions that read the vectors of tokens themselves, or of ReLUs and maxima over
            time after them: `conv3:17`.
        top: how many words to name for each place of the kernel.
        negative: whether to look for the smallest value.

    Returns:
        Words, what each adds, and the value.

    Raises:
        PlaceError: there is no such unit.
        UsageError: the network reads no tokens, or a unit lies deeper.
    """
    found = [_of_unit(net, resolve(net, place), top, negative) for place in places]
    words, gains, values, tokens = zip(*found, strict=True) if found else ((), (), (), ())
    gap = " " if net.input_spec.text.tokens == "words" else ""
    return BestNgrams(tuple(map(str, places)), words, gains, values, tokens, negative, gap)


def _of_unit(
    net: Net, place: LayerAddress, top: int, negative: bool
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[float, ...], ...], float, Int64[Tensor, " k"]]:
    """Return the words, what they add, the value and the tokens of one unit."""
    node = word_convolution(net, place)
    if node is None or not isinstance(place.unit, int):
        raise UsageError(
            "units of a convolution that reads the vectors of words, such as conv3:17, or of what follows it",
            received=f"{place}; tokens are discrete, and deeper units have no best text in closed form",
            hint=f"See the texts with which it is largest: convscope unit NETWORK {place} --data DATA",
        )
    module = net.module.get_submodule(node.name)
    with torch.no_grad():
        weights = dict(module.named_parameters())
        weight = weights["weight"][place.unit].detach().double().cpu()
        bias = float(weights["bias"][place.unit]) if "bias" in weights else 0.0
        vectors = vectors_of(net).double().cpu()
        gains = vectors[len(SPECIAL) :] @ weight
        best = (-gains if negative else gains).topk(min(top, len(gains)), dim=0)
        chosen = best.indices + len(SPECIAL)
        added = gains.gather(0, best.indices)
    names = net.input_spec.vocabulary
    words = tuple(tuple(names[i] for i in column) for column in chosen.T.tolist())
    return words, tuple(map(tuple, added.T.tolist())), bias + float(added[0].sum()), chosen[0].clone()


def vectors_of(net: Net) -> Float[Tensor, "v d"]:
    """Return what a convolution after the embeddings gets for each token: the sum of all embeddings' vectors.

    Args:
        net: a network of tokens.

    Returns:
        One row for each token.
    """
    return torch.stack([part.weight.detach() for _, part in embeddings(net.module)]).sum(0)


@takes_network
def word_convolution(net: Net, place: LayerAddress) -> Node | None:
    """Find the convolution over vectors of words whose value decides that of a unit.

    Args:
        net: any network.
        place: a unit.

    Returns:
        The convolution; None where there is none, or the network has no vocabulary.
    """
    if not net.input_spec.is_integer or len(net.input_spec.vocabulary) <= len(SPECIAL):
        return None
    graph = describe(net).graph
    names = {node.name for node in graph.nodes}
    node = graph[place.layer] if place.layer in names else None
    while node is not None and not isinstance(node.layer, Conv1d):
        follows = node.layer.kind in RISING or isinstance(node.layer, MaxOverTime)
        node = graph[node.inputs[0]] if follows and node.inputs[0] in names else None
    if node is None or not isinstance(node.layer, Conv1d) or node.layer.groups != 1:
        return None
    return node if _reads_vectors(graph, node.inputs[0]) else None


def _reads_vectors(graph: Graph, name: str) -> bool:
    """Return whether a layer returns vectors of tokens, or the sum of all of these."""
    if name in graph.inputs:
        return False
    layer, sources = graph[name].layer, graph[name].inputs
    if isinstance(layer, Embedding):
        return sum(isinstance(node.layer, Embedding) for node in graph.nodes) == 1
    if layer.kind in ("dropout", "identity"):
        return _reads_vectors(graph, sources[0])
    count = sum(isinstance(node.layer, Embedding) for node in graph.nodes)
    summed = {s for s in sources if s not in graph.inputs and isinstance(graph[s].layer, Embedding)}
    return layer.kind == "add" and len(summed) == len(sources) == count
