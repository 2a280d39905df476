"""Default names of layers, and the kinds that words in a chain stand for."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from convscope.graph.layer import Layer
from convscope.graph.layers import LAYERS

NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*", re.ASCII)
"""Valid names of layers in a chain: letters, digits and `_`, in parts joined by dots."""


def short(kind: str) -> str:
    """Return a kind without its number of axes: `conv` for `conv2d`.

    Args:
        kind: name of a kind of layer.

    Returns:
        The kind without a final `1d` or `2d`.
    """
    return kind[:-2] if kind.endswith(("1d", "2d")) else kind


def is_writable(layer: Layer | type[Layer]) -> bool:
    """Return whether a layer can stand in a text: it can be built from its options.

    Args:
        layer: a layer, or its class.

    Returns:
        False for foreign ones.
    """
    return layer.implementation != ""


def words() -> tuple[str, ...]:
    """Return every word that names a kind that can stand in a text: each kind, and its short form."""
    kinds = [kind for kind, layer in LAYERS.items() if is_writable(layer)]
    return tuple(dict.fromkeys(word for kind in kinds for word in (short(kind), kind)))


def kind_of(word: str, axes: int) -> type[Layer] | None:
    """Return the kind of layer that a word names.

    Without a kind for exactly this number of axes the one with the closest number is returned, so that its
    own error can be shown.

    Args:
        word: a kind with or without its number of axes: `conv2d`, `conv`.
        axes: number of spatial axes of the input, which completes a word without.

    Returns:
        The class of the layer; None for an unknown word.
    """
    if word in LAYERS:
        return LAYERS[word]
    ranks = sorted((1, 2), key=lambda rank: abs(rank - axes))
    return next((LAYERS[f"{word}{rank}d"] for rank in ranks if f"{word}{rank}d" in LAYERS), None)


def named(layers: Sequence[Layer], given: Sequence[str | None], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a name for each layer: the given one, or its family and a number, `conv1 relu1 pool1 conv2`.

    The only layer of a family that needs no number (`flatten`, `softmax`) gets none.

    Args:
        layers: the layers, in order.
        given: the name of each layer, or None for a default one.
        taken: names that defaults must avoid, besides the given ones.

    Returns:
        One name for each layer.
    """
    numbering = _Numbering(layers, {*taken, *(name for name in given if name)})
    return tuple(name or numbering.next(layer) for layer, name in zip(layers, given, strict=True))


def unnamed(layers: Sequence[Layer], names: Sequence[str], taken: Iterable[str] = ()) -> list[str | None]:
    """Return the names that differ from the default ones; the inverse of `named`.

    Args:
        layers: the layers, in order.
        names: the name of each layer.
        taken: names that defaults must avoid.

    Returns:
        For each layer None if `named` gives it this name anyway, else the name; all names where leaving some
        out would not restore the same ones.
    """
    numbering = _Numbering(layers, set(taken))
    given = [
        None if numbering.matches(layer, name) else name for layer, name in zip(layers, names, strict=True)
    ]
    return given if named(layers, given, taken) == tuple(names) else list(names)


class _Numbering:
    """Counts layers by family to give out default names that are not used yet."""

    def __init__(self, layers: Sequence[Layer], used: set[str]) -> None:
        self._families = Counter(map(family_of, layers))
        self._used = used
        self._counts: Counter[str] = Counter()

    def next(self, layer: Layer) -> str:
        """Return the default name of a layer, and mark it as used."""
        name = self._peek(layer)
        self._counts[family_of(layer)] += 1
        self._used.add(name)
        return name

    def matches(self, layer: Layer, name: str) -> bool:
        """Return whether the default name is `name`; either way `name` is used from now on."""
        if self._peek(layer) == name:
            self.next(layer)
            return True
        self._used.add(name)
        return False

    def _peek(self, layer: Layer) -> str:
        """Return the default name of a layer without using it up."""
        family = family_of(layer)
        if not layer.numbered and self._families[family] == 1 and family not in self._used:
            return family
        while f"{family}{self._counts[family] + 1}" in self._used:
            self._counts[family] += 1
        return f"{family}{self._counts[family] + 1}"


def family_of(layer: Layer) -> str:
    """Return the word from which default names of a layer are made.

    Args:
        layer: the layer.

    Returns:
        `conv` of `conv1`, `pool` of `pool2`.
    """
    return layer.family or short(layer.kind)
