"""A chain of layers as text: `conv 25 3x3, relu, maxpool 2, flatten, dense 10`."""

import re
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any

from convscope.errors import GraphError, nearest
from convscope.graph.contract import Shape
from convscope.graph.graph import Graph, Node
from convscope.graph.layer import Layer
from convscope.graph.names import NAME, is_chainable, kind_of, named, short, unnamed, words
from convscope.recipe import real_number

INPUT = "input"
"""What a chain calls its input."""
MOST_LAYERS = 10_000
"""Longest chain that is read; networks that somebody has trained have a tenth of that."""
MOST_SHOWN = 120
"""Characters of a wrong word that an error repeats."""


@dataclass(frozen=True)
class Word:
    """A piece of the text and the column where it starts, counted from 1."""

    text: str
    column: int


def chain(shape: str | Shape, text: str) -> Graph:
    """The graph of layers that each read the one before.

    Layers stand between commas (or on lines of their own): a kind, its main options in order, the others as
    `name=value`. `c1 = conv 6 5x5` names a layer; the rest are named by kind and number. `3x5` is a value for
    each axis, `#` starts a comment. The number of axes in a kind may be left out: `conv` is `conv2d` for an
    image.

    Args:
        shape: channels, then the spatial extent: `"1x28x28"` or `(1, 28, 28)`.
        text: the layers.

    Raises:
        GraphError: a word means nothing, an option is wrong, or shapes do not fit; the column is named.
    """
    incoming = read_shape(shape) if isinstance(shape, str) else tuple(shape)
    given: list[str | None] = []
    layers: list[Layer] = []
    before = incoming
    clauses = _clauses(text)
    if len(clauses) > MOST_LAYERS:
        raise GraphError(f"a chain of at most {MOST_LAYERS:,} layers", received=f"{len(clauses):,}")
    for clause in clauses:
        name, layer = _layer(clause, len(before) - 1)
        before = _through(layer, before, clause[0])
        if name in {INPUT, *given} - {None}:
            raise _at(clause[0], "every layer has a name of its own", str(name))
        given.append(name)
        layers.append(layer)
    if not layers:
        raise GraphError("a chain of at least one layer", received=repr(text), hint='Try "conv 8 3x3, relu".')
    names = named(layers, given, (INPUT,))
    sources = (INPUT, *names)
    nodes = tuple(Node(n, layer, (source,)) for n, layer, source in zip(names, layers, sources, strict=False))
    return Graph({INPUT: incoming}, nodes)


def read_shape(text: str) -> Shape:
    """`1x28x28` as numbers.

    Raises:
        GraphError: it is something else.
    """
    numbers = text.replace(" ", "").split("x")
    if not all(re.fullmatch(r"[1-9]\d{0,8}", n, re.ASCII) for n in numbers):
        raise GraphError(
            "an input shape such as 3x224x224: channels, then height and width", received=repr(text)
        )
    return tuple(map(int, numbers))


def text(graph: Graph) -> str:
    """The chain that makes this graph again; the inverse of `chain`.

    Raises:
        GraphError: the graph is not a chain.
    """
    names = tuple(node.name for node in graph.nodes)
    layers = [node.layer for node in graph.nodes]
    line = tuple(graph.inputs) == (INPUT,) and graph.outputs == names[-1:]
    line = line and all(
        n.inputs == (before,) for n, before in zip(graph.nodes, (INPUT, *names), strict=False)
    )
    if not (line and all(map(NAME.fullmatch, names)) and all(map(is_chainable, layers))):
        raise GraphError(
            f"a chain: one input called {INPUT}, and layers that each read the one before",
            received=f"inputs {', '.join(graph.inputs)}; outputs {', '.join(graph.outputs)}",
            hint="Every graph can be written with to_json.",
        )
    given = unnamed(layers, names, (INPUT,))
    named_layers = zip(given, layers, strict=True)
    return ", ".join(
        f"{name} = {format_layer(layer)}" if name else format_layer(layer) for name, layer in named_layers
    )


def format_layer(layer: Layer) -> str:
    """One layer as a chain has it: `conv 25 3 padding=same`."""
    options = {f.name: f for f in fields(layer)}
    parts = [short(layer.kind)]
    leading = list(layer.positional)
    for name, option in options.items():
        value = getattr(layer, name)
        if _goes_without_saying(layer, option):
            leading = [] if name in leading else leading
        elif leading[:1] == [name]:
            leading = leading[1:]
            parts.append(write(value))
        else:
            parts.append(f"{name}={write(value)}")
    return " ".join(parts)


def _goes_without_saying(layer: Layer, option: Field[Any]) -> bool:
    """Whether leaving the option out gives the same layer."""
    try:
        return option.default is not MISSING and replace(layer, **{option.name: option.default}) == layer
    except GraphError:
        return False


def _clauses(text: str) -> list[list[Word]]:
    """The words of each layer."""
    text = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0]), text)
    clauses, last = [], None
    for piece in re.finditer(r"[^,\n;]+|[,;\n]", text):
        parts = [Word(w[0], piece.start() + w.start() + 1) for w in re.finditer(r"=|[^\s=]+", piece[0])]
        if piece[0] in ",;":
            if last in (None, ","):
                raise _at(Word(piece[0], piece.start() + 1), "a layer before every comma", repr(piece[0]))
            last = ","
        elif parts:
            clauses.append(parts)
            last = "layer"
    return clauses


def _layer(clause: list[Word], axes: int) -> tuple[str | None, Layer]:
    """One layer from its words, and the name it was given."""
    name = None
    if len(clause) > 1 and clause[1].text == "=":
        if not NAME.fullmatch(clause[0].text):
            raise _at(clause[0], "a name of letters, digits and _", repr(clause[0].text))
        name, clause = clause[0].text, clause[2:] or [Word("", clause[1].column + 1)]
    head = clause[0]
    kind = kind_of(head.text, axes)
    if kind is None:
        raise _at(head, "a kind of layer", repr(head.text), nearest(head.text, words()))
    if not is_chainable(kind):
        raise _at(
            head,
            "a layer that reads the one before",
            repr(head.text),
            f"{kind.kind} cannot stand in a chain: build a Graph of Nodes.",
        )
    options = _options(kind, clause)
    try:
        return name, kind(**options)
    except GraphError as error:
        raise _at(head, error.expected, error.received, error.hint) from None


def _options(kind: type[Layer], clause: list[Word]) -> dict[str, Any]:
    """Options by name, from words in order and from `name=value`."""
    head, *parts = clause
    options: dict[str, Any] = {}
    known = {f.name: f for f in fields(kind)}
    waiting = [name for name in kind.positional if name in known]
    while parts:
        word, *parts = parts
        if parts and parts[0].text == "=":
            if word.text not in known:
                raise _at(word, f"an option of {kind.kind}", repr(word.text), nearest(word.text, known))
            name, word, parts = word.text, *(parts[1:2] or [Word("", parts[0].column + 1)]), parts[2:]
        elif waiting:
            name = waiting[0]
        else:
            takes = " ".join(kind.positional) or "no values"
            raise _at(
                word,
                f"{kind.kind} takes {takes}, and options as name=value",
                repr(word.text),
                nearest(word.text, known) if known else "",
            )
        if name in options:
            raise _at(word, f"{name} once", repr(word.text))
        waiting = [w for w in waiting if w != name]
        options[name] = _value(word, name)
    missing = [n for n, f in known.items() if f.default is MISSING and n not in options]
    if missing:
        raise _at(head, f"{kind.kind} needs {' and '.join(missing)}", hint=f"Write: {layer_usage(kind)}")
    return options


def layer_usage(kind: type[Layer]) -> str:
    """How a chain writes this kind: `conv2d OUT_CHANNELS KERNEL_SIZE [stride=1] ...`."""
    parts = [kind.kind]
    for f in fields(kind):
        if f.default is MISSING:
            parts.append(f.name.upper())
        else:
            parts.append(f"[{f.name}]" if f.default is None else f"[{f.name}={write(f.default)}]")
    return " ".join(parts)


def _value(word: Word, name: str) -> Any:
    """A number, numbers for each axis, true or false, a table `0+1/1+2`, or a word."""
    text = word.text
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-?\d{1,18}(x-?\d{1,18})+", text, re.ASCII):
        return tuple(map(int, text.split("x")))
    if re.fullmatch(r"(\d{1,18}(\+\d{1,18})*/)+(\d{1,18}(\+\d{1,18})*)?", text, re.ASCII):
        return tuple(tuple(map(int, row.split("+"))) for row in text.removesuffix("/").split("/"))
    number = real_number(text)
    if number is not None:
        return number
    if not re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII):
        raise _at(word, f"a value for {name}: a number, 3x3, true, false or a word", repr(text))
    return text


def write(value: Any) -> str:
    """A value as a chain has it; the inverse of reading."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and all(isinstance(row, tuple) for row in value):
        return "/".join("+".join(map(str, row)) for row in value) + "/" * (len(value) == 1)
    if isinstance(value, tuple):
        return "x".join(map(str, value[:1] if len(set(value)) == 1 else value))
    return str(value)


def _through(layer: Layer, before: Shape, head: Word) -> Shape:
    try:
        return layer.output_shape(before)
    except GraphError as error:
        raise _at(head, error.expected, error.received, error.hint) from None


def _at(word: Word, expected: str, received: str = "", hint: str = "") -> GraphError:
    shown = received if len(received) <= MOST_SHOWN else f"{received[:MOST_SHOWN]}..."
    return GraphError(f"column {word.column}: {expected}", received=shown, hint=hint)
