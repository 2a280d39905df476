"""Contents of the cards that stand for layers and modules in the drawing of a network's graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convscope.show.graphs.tree import Leaf, Part, Tree

TALL, LOW = 46, 26
"""Height of a card with two lines, and with one, in pixels."""
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
        "capsules",
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
        "softpool",
        "upsample",
        "interpol",
        "spatialtransformer",
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
        "squash",
        "capsulelength",
        "capsulemask",
        "prelu",
        "mish",
    ),
}
"""Colour family of a card, by prefixes of the layer's kind."""


@dataclass(frozen=True)
class Card:
    """What is written on the card of one layer or module, and its details beside the graph.

    Attributes:
        kind: the layer's kind, or the module's class; empty for inputs and outputs.
        options: the most informative options as text; for inputs and outputs the shape.
        parameters: number of trainable parameters.
        macs: multiply-accumulates of one forward pass.
        uncounted: whether some multiply-accumulates are unknown.
        height: of the folded card, in pixels.
        family: key of `FAMILIES`, or `module`, `input` or `output`, for the colour; empty for other layers.
        layers: number of layers inside a module; 0 for a layer.
        output: shapes of all outputs, as text.
        details: further facts as pairs of name and text.
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
    """Make the card of each part of a module tree.

    Args:
        tree: the network as a tree of modules.
        classes: class name of each module, by the module's dotted path.

    Returns:
        One card for each of `tree.parts`, in the same order.
    """
    return tuple(_module(part, tree, classes) if part.children else _layer(part, tree) for part in tree.parts)


def extent(shape: Sequence[int]) -> str:
    """Format a shape as text: `64×56×56`.

    Args:
        shape: extents of the axes.

    Returns:
        The extents, separated by multiplication signs.
    """
    return "×".join(map(str, shape))


def compact(number: int) -> str:
    """Abbreviate a count to three significant digits: `9.41K`, `118M`, `4.09G`.

    Args:
        number: a count, from 0.

    Returns:
        The count as it is below 1000, else with one of the suffixes K, M, G, T, P (powers of 1000).
    """
    if number < 1000:
        return str(number)
    powers = next((k for k in range(1, 5) if number / 1000**k < 999.5), 5)
    value = number / 1000**powers
    return (f"{value:.3g}" if value < 999.5 else f"{value:,.0f}") + "_KMGTP"[powers]


def counts(card: Card) -> str:
    """Format the parameters and multiply-accumulates of a card: `9.41K · 118M`.

    Args:
        card: of a layer or a module.

    Returns:
        Both counts, `–` for one that is 0 and `+ ?` where some multiply-accumulates are unknown; empty where
            there are none at all.
    """
    macs = (compact(card.macs) if card.macs else "") + (" + ?" if card.uncounted else "")
    if not card.parameters and not macs:
        return ""
    return f"{compact(card.parameters) if card.parameters else '–'} · {macs or '–'}"


def short_options(options: Mapping[str, object]) -> str:
    """Select the options that describe a layer best: `3×3, 64, stride 2`.

    Args:
        options: the layer's options by name.

    Returns:
        The values of the options named in `SHORT`, then those of `NAMED` that are not 1, separated by commas.
    """
    found = [_plain(options[name]) for name in SHORT if options.get(name) is not None]
    found += [f"{name} {text}" for name in NAMED if (text := _single(options.get(name, 1))) != "1"]
    return ", ".join(found)


def _single(value: object) -> str:
    """Format a value that may differ by axis: one number where all axes agree, else all of them."""
    return str(value[0]) if isinstance(value, list) and len(set(value)) == 1 else _plain(value)


def _family(kind: str) -> str:
    """Return the key of `FAMILIES` one of whose prefixes the kind begins with, or an empty text."""
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
    """Return receptive field and cumulative stride of a module's last output, as pairs of name and text."""
    if not leaving or leaving[-1].info is None:
        return ()
    field, stride = leaving[-1].info.cells()[-2:]
    return tuple((name, text) for name, text in (("field", field), ("jump", stride)) if text)
