"""What a card in the drawing of a network says about a layer or a module."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convscope.show.graphs.tree import Leaf, Part, Tree

TALL, LOW = 46, 26
"""Pixels: a card of two lines, and of one."""
SHORT = ("kernel_size", "out_channels", "out_features", "output_size", "size", "scale_factor")
"""Options that a card shows; `stride`, `dilation` and `groups` where they are not 1."""
NAMED = ("stride", "dilation", "groups")
FAMILIES = {
    "weights": (
        "conv",
        "dense",
        "local",
        "linear",
        "rbf",
        "partialconv",
        "matmul",
        "bmm",
        "einsum",
        "lstm",
        "gru",
        "embedding",
        "attention",
    ),
    "norm": ("batchnorm", "layernorm", "lrn", "norm", "groupnorm"),
    "join": ("add", "concat", "multiply", "cat", "stack", "mul", "sub"),
    "pool": (
        "maxpool",
        "avgpool",
        "adaptive",
        "globalavg",
        "globalmax",
        "subsample",
        "upsample",
        "interpol",
        "mean",
    ),
    "activation": (
        "relu",
        "sigmoid",
        "tanh",
        "leaky",
        "elu",
        "gelu",
        "silu",
        "hard",
        "softplus",
        "softmax",
        "scaledtanh",
        "maxout",
        "prelu",
        "mish",
    ),
}
"""By how a kind begins: which colour its card has."""


@dataclass(frozen=True)
class Card:
    """What is written on a card, and the details beside the graph.

    Attributes:
        kind: of the layer, or the class of the module.
        options: the few that matter most, as text; of inputs and outputs the shape.
        parameters: trainable values.
        macs: multiply-accumulates.
        uncounted: whether some multiply-accumulates are not known.
        height: pixels when folded.
        family: for the colour; empty for others.
        layers: inside; 0 for a layer.
        output: every shape that leaves it, as text.
        details: further facts, name and text.
    """

    kind: str
    options: str
    parameters: int
    macs: int
    uncounted: bool
    height: int
    family: str
    layers: int
    output: str
    details: tuple[tuple[str, str], ...] = ()


def cards(tree: Tree, classes: Mapping[str, str]) -> tuple[Card, ...]:
    """One card for each part of the tree.

    Args:
        tree: the network.
        classes: the class of each module, by path.
    """
    return tuple(_module(part, tree, classes) if part.children else _layer(part, tree) for part in tree.parts)


def extent(shape: Sequence[int]) -> str:
    """A shape as text: `64×56×56`."""
    return "×".join(map(str, shape))


def compact(number: int) -> str:
    """A count in three digits: `9.41K`, `118M`, `4.09G`."""
    if number < 1000:
        return str(number)
    powers = next((k for k in range(1, 5) if number / 1000**k < 999.5), 5)
    value = number / 1000**powers
    return (f"{value:.3g}" if value < 999.5 else f"{value:,.0f}") + "_KMGTP"[powers]


def counts(card: Card) -> str:
    """Parameters and multiply-accumulates, as far as there are any: `9.41K · 118M`."""
    macs = (compact(card.macs) if card.macs else "") + (" + ?" if card.uncounted else "")
    if not card.parameters and not macs:
        return ""
    return f"{compact(card.parameters) if card.parameters else '–'} · {macs or '–'}"


def short_options(options: Mapping[str, object]) -> str:
    """The options that say most about a layer: `3×3, 64, stride 2`."""
    found = [_plain(options[name]) for name in SHORT if options.get(name) is not None]
    found += [f"{name} {text}" for name in NAMED if (text := _single(options.get(name, 1))) != "1"]
    return ", ".join(found)


def _single(value: object) -> str:
    """The one number along every axis, or all of them."""
    return str(value[0]) if isinstance(value, list) and len(set(value)) == 1 else _plain(value)


def _family(kind: str) -> str:
    low = kind.lower()
    return next((name for name, starts in FAMILIES.items() if low.startswith(starts)), "")


def _layer(part: Part, tree: Tree) -> Card:
    leaf = tree.leaves[part.first]
    output = extent(leaf.shape)
    if leaf.info is None:
        return Card("", output, 0, 0, False, LOW, leaf.role, 0, output)
    info, options = leaf.info, "" if leaf.info.foreign else short_options(leaf.options)
    _, kind, _, _, macs, field, stride = info.cells()
    uncounted = any(letter.isalpha() for letter in macs)
    high = TALL if options or info.parameters or info.macs or uncounted else LOW
    facts = [("path", str(leaf.options.get("path", "")) if info.foreign else "")]
    facts += [("field", field), ("jump", stride), ("calls", str(info.calls) if info.calls > 1 else "")]
    facts += [] if info.foreign else [(f"option {name}", _plain(v)) for name, v in leaf.options.items()]
    details = tuple((name, text) for name, text in facts if text)
    return Card(kind, options, info.parameters, info.macs, uncounted, high, _family(kind), 0, output, details)


def _plain(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _module(part: Part, tree: Tree, classes: Mapping[str, str]) -> Card:
    inside = [leaf for leaf in tree.leaves[part.first : part.last + 1] if leaf.info is not None]
    infos = [leaf.info for leaf in inside if leaf.info is not None]
    leaving = [tree.leaves[value] for value in part.outgoing]
    output = " · ".join(dict.fromkeys(extent(leaf.shape) for leaf in leaving))
    facts = _reach(leaving)
    uncounted = any(any(letter.isalpha() for letter in info.cells()[4]) for info in infos)
    return Card(
        classes.get(part.module, ""),
        "",
        sum(info.parameters for info in infos),
        sum(info.macs for info in infos),
        uncounted,
        TALL,
        "module",
        len(infos),
        output,
        facts,
    )


def _reach(leaving: Sequence[Leaf]) -> tuple[tuple[str, str], ...]:
    """Receptive field and stride of what leaves a module last."""
    if not leaving or leaving[-1].info is None:
        return ()
    field, stride = leaving[-1].info.cells()[-2:]
    return tuple((name, text) for name, text in (("field", field), ("jump", stride)) if text)
