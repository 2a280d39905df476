"""Networks as text: `conv 25 3x3, relu, maxpool 2, flatten, dense 10`; with branches: `add < skip conv2`."""

import re
from collections import Counter
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any

from convscope.errors import GraphError, nearest
from convscope.graph.graph import Graph, Node
from convscope.graph.layer import Layer
from convscope.graph.layers import LAYERS
from convscope.graph.names import NAME, family_of, is_writable, kind_of, named, short, unnamed, words
from convscope.graph.spec import Shape
from convscope.recipe import real_number

INPUT = "input"
"""Name of the only input of a chain."""
MOST_LAYERS = 10_000
"""Most layers that are parsed; networks that somebody has trained have a tenth of that."""
SOURCES = "<"
"""Token between a layer and the names of those that it reads."""
MOST_SHOWN = 120
"""Characters of a wrong token that an error repeats."""


@dataclass(frozen=True)
class Word:
    """A token of the text.

    Attributes:
        text: the token.
        column: where it starts, counted from 1 over the whole text.
    """

    text: str
    column: int


def chain(shape: str | Shape, text: str) -> Graph:
    """Build a graph of one input from text.

    Layers stand between commas (or on lines of their own): a kind, its main options in order, the others as
    `name=value`. `c1 = conv 6 5x5` names a layer; the rest are named by kind and number. `3x5` is a value for
    each axis, `#` starts a comment. The number of axes in a kind may be left out: `conv` is `conv2d` for an
    image. A layer reads the one before it, or those that are named after `<`: `add < skip c2`, and
    `conv 8 1x1 < input` begins a second branch.

    Args:
        shape: channels, then the spatial extent: `"1x28x28"` or `(1, 28, 28)`.
        text: the layers, at most `MOST_LAYERS`.

    Returns:
        The graph; its only input is called `input`, its outputs are the layers that no other one reads.

    Raises:
        GraphError: a token is unknown, an option is wrong, a name is taken, or shapes do not fit; the message
            names the column.
    """
    read = read_chain(shape, text)
    if read.error is not None:
        raise read.error
    if read.graph is None:
        raise GraphError("a chain of at least one layer", received=repr(text), hint='Try "conv 8 3x3, relu".')
    return read.graph


@dataclass(frozen=True)
class ReadChain:
    """A chain as far as its text makes sense.

    Attributes:
        graph: the layers before the first error; None if there are none.
        error: the first error; None if there is none.
        layer: index of the layer that is wrong, from 0; None where no single one is.
    """

    graph: Graph | None
    error: GraphError | None = None
    layer: int | None = None


def read_chain(shape: str | Shape, text: str) -> ReadChain:
    """Read a chain up to its first error, for text that is still being written.

    Args:
        shape: channels, then the spatial extent, as for `chain`.
        text: the layers.

    Returns:
        The layers before the first error, and the error.
    """
    try:
        incoming = read_shape(shape) if isinstance(shape, str) else tuple(shape)
        clauses = _clauses(text)
        if len(clauses) > MOST_LAYERS:
            raise GraphError(
                f"a chain of at most {MOST_LAYERS:,} layers",
                received=f"{len(clauses):,}",
                hint="Larger networks are written as a module: convscope.wrap(module, spec).",
            )
    except GraphError as error:
        return ReadChain(None, error)
    reading = _Reading(incoming)
    for index, clause in enumerate(clauses):
        try:
            reading.add(clause)
        except GraphError as error:
            return ReadChain(reading.graph(), error, index)
    return ReadChain(reading.graph())


class _Reading:
    """The layers that have been read; layer 0 is the input.

    Args:
        incoming: shape of the input.
    """

    def __init__(self, incoming: Shape) -> None:
        self.layers: list[Layer] = []
        self.given: list[str | None] = []
        self.shapes: list[Shape] = [incoming]
        self.sources: list[tuple[int, ...]] = []
        self._index = {INPUT: 0}
        self._families: Counter[str] = Counter()

    def add(self, clause: list[Word]) -> None:
        """Read one layer, and check that it fits to those that it reads."""
        clause, sources = self._split_sources(clause)
        name, layer = _layer(clause, len(self.shapes[sources[0]]) - 1)
        _check_sources(layer, sources, clause[0])
        shape = _checked_output_shape(layer, [self.shapes[source] for source in sources], clause[0])
        if name in {INPUT, *self.given} - {None}:
            raise _error_at(clause[0], "every layer has a name of its own", str(name))
        self.layers.append(layer)
        self.given.append(name)
        self.shapes.append(shape)
        self.sources.append(sources)
        self._index[name or self._default_name(layer)] = len(self.layers)
        if name is None and not layer.numbered:
            self._index.setdefault(family_of(layer), len(self.layers))

    def graph(self) -> Graph | None:
        """Return the graph of the layers; None without one."""
        if not self.layers:
            return None
        names = (INPUT, *named(self.layers, self.given, (INPUT,)))
        nodes = (
            Node(name, layer, tuple(names[source] for source in sources))
            for name, layer, sources in zip(names[1:], self.layers, self.sources, strict=True)
        )
        return Graph({INPUT: self.shapes[0]}, tuple(nodes))

    def _split_sources(self, clause: list[Word]) -> tuple[list[Word], tuple[int, ...]]:
        """Return the tokens before `<`, and the indices of the layers that are named after it."""
        at = next((index for index, word in enumerate(clause) if word.text == SOURCES), None)
        if at is None:
            return clause, (len(self.layers),)
        after = clause[at + 1 :]
        if at == 0 or not after:
            what = "a layer before <" if at == 0 else "names of layers after <"
            raise _error_at(clause[at], what, hint="For example: add < skip conv2")
        for word in after:
            if word.text not in self._index:
                hint = nearest(word.text, self._index) or "A layer has a name as in: skip = conv 8 1x1"
                raise _error_at(word, "the name of a layer before this one", repr(word.text), hint)
        return clause[:at], tuple(self._index[word.text] for word in after)

    def _default_name(self, layer: Layer) -> str:
        """Return the name that a layer without one has so far: its family and number."""
        family = family_of(layer)
        self._families[family] += 1
        while f"{family}{self._families[family]}" in self._index:
            self._families[family] += 1
        return f"{family}{self._families[family]}"


def read_shape(text: str) -> Shape:
    """Parse an input shape such as `1x28x28`.

    Args:
        text: positive whole numbers of at most 9 digits, separated by `x`; spaces are ignored.

    Returns:
        The numbers, `(1, 28, 28)`.

    Raises:
        GraphError: the text is not of this form.
    """
    numbers = text.replace(" ", "").split("x")
    if not all(re.fullmatch(r"[1-9]\d{0,8}", n, re.ASCII) for n in numbers):
        raise GraphError(
            "an input shape such as 3x224x224: channels, then height and width", received=repr(text)
        )
    return tuple(map(int, numbers))


def text(graph: Graph) -> str:
    """Format a graph as text; the inverse of `chain`.

    Args:
        graph: one input called `input`; its outputs are the layers that no other one reads.

    Returns:
        The layers on one line, without options at their default and without names that `chain` gives anyway.
        The input shape is not part of it.

    Raises:
        GraphError: the graph has several inputs, or holds a layer or a name that a text cannot express.
    """
    names = tuple(node.name for node in graph.nodes)
    layers = [node.layer for node in graph.nodes]
    read = {name for node in graph.nodes for name in node.inputs}
    plain = tuple(graph.inputs) == (INPUT,) and graph.outputs == tuple(n for n in names if n not in read)
    if not (plain and all(map(NAME.fullmatch, names)) and all(map(is_writable, layers))):
        raise GraphError(
            f"one input called {INPUT}, outputs that no layer reads, and layers that a text can name",
            received=f"inputs {', '.join(graph.inputs)}; outputs {', '.join(graph.outputs)}",
            hint="Every graph can be written with to_json.",
        )
    befores = (INPUT, *names)
    branching = [node.inputs != (before,) for node, before in zip(graph.nodes, befores, strict=False)]
    referred = {
        name for node, apart in zip(graph.nodes, branching, strict=True) if apart for name in node.inputs
    }
    given = unnamed(layers, names, (INPUT,))
    clauses = []
    for node, name, apart in zip(graph.nodes, given, branching, strict=True):
        shown = name or (node.name if node.name in referred else None)
        sources = f" {SOURCES} {' '.join(node.inputs)}" if apart else ""
        clauses.append(f"{f'{shown} = ' if shown else ''}{format_layer(node.layer)}{sources}")
    return ", ".join(clauses)


def format_layer(layer: Layer) -> str:
    """Format one layer in the syntax of chains: `conv 25 3 padding=same`.

    Args:
        layer: the layer.

    Returns:
        Its kind without the number of axes, and the options that differ from their defaults.
    """
    options = {f.name: f for f in fields(layer)}
    parts = [short(layer.kind)]
    leading = list(layer.positional)
    for name, option in options.items():
        value = getattr(layer, name)
        if _is_default(layer, option):
            leading = [] if name in leading else leading
        elif leading[:1] == [name]:
            leading = leading[1:]
            parts.append(write(value))
        else:
            parts.append(f"{name}={write(value)}")
    return " ".join(parts)


def _is_default(layer: Layer, option: Field[Any]) -> bool:
    """Return whether an option may be left out because its default gives an equal layer."""
    try:
        return option.default is not MISSING and replace(layer, **{option.name: option.default}) == layer
    except GraphError:
        return False


def _clauses(text: str) -> list[list[Word]]:
    """Return the tokens of each layer; comments are dropped."""
    text = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0]), text)
    clauses, last = [], None
    for piece in re.finditer(r"[^,\n;]+|[,;\n]", text):
        parts = [Word(w[0], piece.start() + w.start() + 1) for w in re.finditer(r"[=<]|[^\s=<]+", piece[0])]
        if piece[0] in ",;":
            if last in (None, ","):
                raise _error_at(
                    Word(piece[0], piece.start() + 1), "a layer before every comma", repr(piece[0])
                )
            last = ","
        elif parts:
            clauses.append(parts)
            last = "layer"
    return clauses


def _layer(clause: list[Word], axes: int) -> tuple[str | None, Layer]:
    """Return the name that the tokens of a layer give it, if any, and the layer."""
    name = None
    if len(clause) > 1 and clause[1].text == "=":
        if not NAME.fullmatch(clause[0].text):
            raise _error_at(clause[0], "a name of letters, digits and _", repr(clause[0].text))
        name, clause = clause[0].text, clause[2:] or [Word("", clause[1].column + 1)]
    head = clause[0]
    kind = kind_of(head.text, axes)
    if kind is None:
        raise _error_at(head, "a kind of layer", repr(head.text), nearest(head.text, words()))
    if not is_writable(kind):
        raise _error_at(
            head,
            "a layer that can be built from its options",
            repr(head.text),
            f"{kind.kind} stands for a module of another package: convscope.wrap(module, spec).",
        )
    options = _options(kind, clause)
    try:
        return name, kind(**options)
    except GraphError as error:
        raise _error_at(head, error.expected, error.received, error.hint) from None


def _options(kind: type[Layer], clause: list[Word]) -> dict[str, Any]:
    """Return the options of a layer by name, from positional tokens and from `name=value`."""
    head, *parts = clause
    options: dict[str, Any] = {}
    known = {f.name: f for f in fields(kind)}
    positional = [name for name in kind.positional if name in known]
    while parts:
        word, *parts = parts
        if parts and parts[0].text == "=":
            if word.text not in known:
                raise _error_at(word, f"an option of {kind.kind}", repr(word.text), nearest(word.text, known))
            name, word, parts = word.text, *(parts[1:2] or [Word("", parts[0].column + 1)]), parts[2:]
        elif positional:
            name = positional[0]
        else:
            takes = " ".join(kind.positional) or "no values"
            raise _error_at(
                word,
                f"{kind.kind} takes {takes}, and options as name=value",
                repr(word.text),
                f"Write: {word.text}=VALUE"
                if word.text in known
                else nearest(word.text, known)
                if known
                else "",
            )
        if name in options:
            raise _error_at(word, f"{name} once", repr(word.text))
        positional = [w for w in positional if w != name]
        options[name] = _value(word, name)
    missing = [n for n, f in known.items() if f.default is MISSING and n not in options]
    if missing:
        raise _error_at(
            head, f"{kind.kind} needs {' and '.join(missing)}", hint=f"Write: {layer_usage(kind)}"
        )
    return options


def layer_usage(kind: type[Layer]) -> str:
    """Return the syntax of one kind of layer: `conv2d OUT_CHANNELS KERNEL_SIZE [stride=1] ...`.

    Args:
        kind: the class of the layer.

    Returns:
        The kind, then its options in the order of the class: required ones in capitals, the others in
        brackets with their defaults; of kinds that read several layers, where their names stand.
    """
    parts = [kind.kind]
    several = kind.inputs[0] > 1 or kind.inputs[1] is None
    for f in fields(kind):
        if f.default is MISSING:
            parts.append(f.name.upper())
        else:
            parts.append(f"[{f.name}]" if f.default is None else f"[{f.name}={write(f.default)}]")
    return " ".join([*parts, SOURCES, "NAME", "NAME"] if several else parts)


def layer_usages() -> dict[str, str]:
    """Return the syntax of every kind of layer that a text can hold.

    Returns:
        Syntax as by `layer_usage`, by the kind without its number of axes; of kinds for several numbers that
        of the largest.
    """
    return {short(kind): layer_usage(layer) for kind, layer in LAYERS.items() if is_writable(layer)}


def _value(word: Word, name: str) -> Any:
    """Parse an option's value: a number, one for each axis, true or false, a table `0+1/1+2`, or a word."""
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
        raise _error_at(word, f"a value for {name}: a number, 3x3, true, false or a word", repr(text))
    return text


def write(value: Any) -> str:
    """Format an option's value in the syntax of chains; the inverse of parsing.

    Args:
        value: a number, a truth value, a word, a tuple of numbers (one for each axis) or a table of numbers.

    Returns:
        The text: `3` for `(3, 3)`, `3x5` for `(3, 5)`, `0+1/1+2` for `((0, 1), (1, 2))`.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and all(isinstance(row, tuple) for row in value):
        return "/".join("+".join(map(str, row)) for row in value) + "/" * (len(value) == 1)
    if isinstance(value, tuple):
        return "x".join(map(str, value[:1] if len(set(value)) == 1 else value))
    return str(value)


def _check_sources(layer: Layer, sources: tuple[int, ...], head: Word) -> None:
    """Check that a layer reads as many others as its kind allows."""
    fewest, most = layer.inputs
    if len(sources) < fewest:
        usage = layer_usage(type(layer))
        raise _error_at(
            head, f"{layer.kind} reads {fewest} layers or more", f"{len(sources)}", f"Write: {usage}"
        )
    if most is not None and len(sources) > most:
        raise _error_at(
            head,
            f"{layer.kind} reads {'one layer' if most == 1 else f'at most {most} layers'}",
            f"{len(sources)}",
            "Join them before: add, multiply or concat.",
        )


def _checked_output_shape(layer: Layer, before: list[Shape], head: Word) -> Shape:
    """Return the layer's output shape; a refusal names the column of the token `head`."""
    try:
        return layer.output_shape(*before)
    except GraphError as error:
        raise _error_at(head, error.expected, error.received, error.hint) from None


def _error_at(word: Word, expected: str, received: str = "", hint: str = "") -> GraphError:
    """Return the error for a token, with its column and a shortened copy of what was received."""
    shown = received if len(received) <= MOST_SHOWN else f"{received[:MOST_SHOWN]}..."
    return GraphError(f"column {word.column}: {expected}", received=shown, hint=hint)
