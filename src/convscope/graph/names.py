"""Names for layers, and kinds for words."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from convscope.graph.layer import Layer
from convscope.graph.layers import LAYERS

NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*", re.ASCII)
"""What a chain may call a layer."""


def short(kind: str) -> str:
    """The kind without its number of axes: `conv2d` is `conv`."""
    return kind[:-2] if kind.endswith(("1d", "2d")) else kind


def is_chainable(layer: Layer | type[Layer]) -> bool:
    """Whether a chain can hold it: it can be built, and reads one layer."""
    return layer.implementation != "" and layer.inputs == (1, 1)


def words() -> tuple[str, ...]:
    """Every word that names a kind which can stand in a chain."""
    kinds = [kind for kind, layer in LAYERS.items() if is_chainable(layer)]
    return tuple(dict.fromkeys(word for kind in kinds for word in (short(kind), kind)))


def kind_of(word: str, axes: int) -> type[Layer] | None:
    """The kind a word means for an input with so many spatial axes; None for a word that names nothing.

    Without a kind for exactly that many axes, the closest one answers, so that its own complaint can be
    shown.
    """
    if word in LAYERS:
        return LAYERS[word]
    ranks = sorted((1, 2), key=lambda rank: abs(rank - axes))
    return next((LAYERS[f"{word}{rank}d"] for rank in ranks if f"{word}{rank}d" in LAYERS), None)


def named(layers: Sequence[Layer], given: Sequence[str | None], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """A name for each layer: the given one, or its family and a number, `conv1 relu1 pool1 conv2`.

    A family of which there is one, and that needs no number (`flatten`, `softmax`), has none.
    """
    numbering = _Numbering(layers, {*taken, *(name for name in given if name)})
    return tuple(name or numbering.next(layer) for layer, name in zip(layers, given, strict=True))


def unnamed(layers: Sequence[Layer], names: Sequence[str], taken: Iterable[str] = ()) -> list[str | None]:
    """The inverse of `named`: None for every name that comes about by itself."""
    numbering = _Numbering(layers, set(taken))
    given = [
        None if numbering.meets(layer, name) else name for layer, name in zip(layers, names, strict=True)
    ]
    return given if named(layers, given, taken) == tuple(names) else list(names)


class _Numbering:
    def __init__(self, layers: Sequence[Layer], used: set[str]) -> None:
        self._families = Counter(map(_family, layers))
        self._used = used
        self._counts: Counter[str] = Counter()

    def next(self, layer: Layer) -> str:
        name = self._peek(layer)
        self._counts[_family(layer)] += 1
        self._used.add(name)
        return name

    def meets(self, layer: Layer, name: str) -> bool:
        """Whether the next name is this one; if so it is taken, if not `name` is."""
        if self._peek(layer) == name:
            self.next(layer)
            return True
        self._used.add(name)
        return False

    def _peek(self, layer: Layer) -> str:
        family = _family(layer)
        if not layer.numbered and self._families[family] == 1 and family not in self._used:
            return family
        while f"{family}{self._counts[family] + 1}" in self._used:
            self._counts[family] += 1
        return f"{family}{self._counts[family] + 1}"


def _family(layer: Layer) -> str:
    return layer.family or short(layer.kind)
