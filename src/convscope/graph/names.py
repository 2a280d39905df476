"""Names for layers, and kinds for words."""

import re
from collections.abc import Iterable, Sequence

from convscope.graph.layer import Layer
from convscope.graph.layers import LAYERS

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a chain may call a layer."""


def short(kind: str) -> str:
    """The kind without its number of axes: `conv2d` is `conv`."""
    return kind[:-2] if kind.endswith(("1d", "2d")) else kind


def words() -> tuple[str, ...]:
    """Every word that names a kind in a chain."""
    return tuple(dict.fromkeys(word for kind in LAYERS for word in (short(kind), kind)))


def kind_of(word: str, axes: int) -> type[Layer] | None:
    """The kind a word means for an input with so many spatial axes; None for a word that names nothing.

    Without a kind for exactly that many axes, the closest one answers, so that its own complaint can be shown.
    """
    if word in LAYERS:
        return LAYERS[word]
    ranks = sorted((1, 2), key=lambda rank: abs(rank - axes))
    return next((LAYERS[f"{word}{rank}d"] for rank in ranks if f"{word}{rank}d" in LAYERS), None)


def named(layers: Sequence[Layer], given: Sequence[str | None], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """A name for each layer: the given one, or its family and a number, `conv1 relu1 pool1 conv2`.

    A family of which there is one, and that needs no number (`flatten`, `softmax`), has none.
    """
    families = [layer.family or short(layer.kind) for layer in layers]
    used = {*taken, *(name for name in given if name)}
    counts: dict[str, int] = {}
    names = []
    for layer, name, family in zip(layers, given, families, strict=True):
        if name is None and not layer.numbered and families.count(family) == 1 and family not in used:
            name = family
        while name is None or (name in used and name not in given):
            counts[family] = counts.get(family, 0) + 1
            name = f"{family}{counts[family]}"
        used.add(name)
        names.append(name)
    return tuple(names)
