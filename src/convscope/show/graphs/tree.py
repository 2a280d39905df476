"""A network as a tree of modules: what can be folded, and how values flow between its parts.

A module part is one uninterrupted run of a module over consecutive layers, so that folding it never makes a
cycle. A module that runs twice, or whose layers other layers interrupt, is several parts.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from convscope.nets import Description, LayerInfo
from convscope.show.graphs.layered import Layered, Line, arrange

READABLE = 42
"""Most parts visible at first; exceeded where the outermost level alone has more."""
Key = tuple[str, int]
"""A module's dotted path, and the number of its run, from 1."""


@dataclass
class Part:
    """A layer, an input, an output or a module.

    Inputs and outputs count as layers here. "Number" means the index in `Tree.leaves` for layers and in
    `Tree.parts` for parts.

    Attributes:
        number: index of this part in `Tree.parts`.
        path: dotted path, with `#2` for the second of several runs of a module.
        label: the path without that of the module around it.
        first: number of the first layer inside.
        last: number of the last layer inside.
        parent: number of the module around it; -1 for the network.
        module: dotted path of the module without the number of its run; empty for layers and the network.
        children: numbers of the parts directly inside a module, in execution order.
        incoming: numbers of layers outside whose outputs are read inside, ascending.
        outgoing: numbers of layers inside whose outputs are read outside, ascending.
        layout: layered layout of a module; its items are `incoming`, `children`, `outgoing`, then bends.
    """

    number: int
    path: str
    label: str
    first: int
    last: int
    parent: int = -1
    module: str = ""
    children: list[int] = field(default_factory=list)
    incoming: list[int] = field(default_factory=list)
    outgoing: list[int] = field(default_factory=list)
    layout: Layered | None = None

    def has(self, leaf: int) -> bool:
        """Return whether a layer is inside this part.

        Args:
            leaf: number of the layer in `Tree.leaves`.

        Returns:
            True if it lies between `first` and `last`, both included.
        """
        return self.first <= leaf <= self.last


@dataclass(frozen=True)
class Leaf:
    """One layer, input or output of the network.

    Attributes:
        name: as in the graph.
        shape: of the output, without batch axis.
        sources: numbers of the layers it reads.
        info: the layer's row of the description; None for inputs and outputs.
        role: `input`, `layer` or `output`.
        options: the layer's options by name.
    """

    name: str
    shape: tuple[int, ...]
    sources: tuple[int, ...]
    info: LayerInfo | None = None
    role: str = "layer"
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    """The module tree of a network.

    Attributes:
        parts: modules and layers; the first is the network itself.
        leaves: inputs, layers in execution order, outputs.
    """

    parts: tuple[Part, ...]
    leaves: tuple[Leaf, ...]

    def at_depth(self, depth: int) -> frozenset[int]:
        """Return the modules that are unfolded when the tree is unfolded to a depth.

        Args:
            depth: 0 unfolds only the network itself, 1 also the modules directly inside it, and so on.

        Returns:
            Numbers of these modules.
        """
        return frozenset(part.number for part, level in self.walk() if part.children and level <= depth)

    def readable(self, limit: int = READABLE) -> frozenset[int]:
        """Choose the modules to unfold at first: level by level, as long as few parts are visible.

        Args:
            limit: most visible parts; exceeded only by the outermost level.

        Returns:
            Numbers of these modules; the network itself is always among them.
        """
        unfolded = self.at_depth(0)
        while True:
            wider = unfolded | {c for p in unfolded for c in self.parts[p].children if self.parts[c].children}
            shown = sum(c not in wider for p in wider for c in self.parts[p].children)
            if wider == unfolded or shown > limit:
                return unfolded
            unfolded = wider

    def walk(self) -> Iterator[tuple[Part, int]]:
        """Iterate over all parts, depth first.

        Yields:
            Each part and its depth; the network has depth 0.
        """
        stack = [(0, 0)]
        while stack:
            number, level = stack.pop()
            yield self.parts[number], level
            stack += [(child, level + 1) for child in reversed(self.parts[number].children)]


def tree(description: Description) -> Tree:
    """Build the module tree of a described network and lay out each module.

    Args:
        description: the network's graph, layer information and module scopes.

    Returns:
        The tree, with `incoming`, `outgoing` and `layout` of every module filled in.
    """
    leaves, keys = _leaves(description)
    runs: dict[str, int] = defaultdict(int)
    for path in keys:
        for name, run in path:
            runs[name] = max(runs[name], run)
    parts = _parts(description.name, leaves, keys, runs)
    _connect(parts, leaves)
    return Tree(tuple(parts), leaves)


def _leaves(description: Description) -> tuple[tuple[Leaf, ...], list[tuple[Key, ...]]]:
    """Return the leaves, and for each the modules around it, outermost first."""
    graph = description.graph
    number = {name: i for i, name in enumerate([*graph.inputs, *(node.name for node in graph.nodes)])}
    leaves = [Leaf(name, tuple(shape), (), role="input") for name, shape in graph.inputs.items()]
    keys: list[tuple[Key, ...]] = [()] * len(leaves)
    for node, info in zip(graph.nodes, description.layers, strict=True):
        sources = tuple(dict.fromkeys(number[name] for name in node.inputs))
        leaves.append(Leaf(node.name, tuple(info.output_shape), sources, info, options=node.layer.options()))
        keys.append(_path(node.name, [(s.name, s.run) for s in description.scopes.get(node.name, ())]))
    for name in graph.outputs:
        word = "output" if len(graph.outputs) == 1 else f"output: {name}"
        leaves.append(Leaf(word, tuple(graph.shapes[name]), (number[name],), role="output"))
        keys.append(())
    return tuple(leaves), keys


def _path(name: str, scopes: Sequence[Key]) -> tuple[Key, ...]:
    """Return the modules around a layer, with containers that never run, such as `ModuleList`."""
    if not scopes:
        words = name.split(".")
        return tuple((".".join(words[:k]), 1) for k in range(1, len(words)))
    found: list[Key] = []
    for path, run in scopes:
        above = found[-1] if found else ("", 1)
        inside = path.startswith(above[0] + ".") if above[0] else True
        words = path.split(".")
        start = above[0].count(".") + 2 if above[0] else 1
        if inside:
            found += [(".".join(words[:k]), above[1]) for k in range(start, len(words))]
        found.append((path, run))
    return tuple(found)


def _parts(
    name: str, leaves: Sequence[Leaf], keys: Sequence[tuple[Key, ...]], runs: Mapping[str, int]
) -> list[Part]:
    """Split the layers into nested runs of one module each; a module with a single part becomes that part."""
    parts = [Part(0, name, name, 0, len(leaves) - 1)]
    waiting = [(0, 0)]
    while waiting:
        parent, depth = waiting.pop()
        around = parts[parent]
        prefix = keys[around.first][depth - 1][0] + "." if depth else ""
        for first, last in _runs(keys, around.first, around.last, depth):
            inner = depth
            while first < last and len(list(_runs(keys, first, last, inner + 1))) == 1:
                inner += 1
            module = first < last
            key = keys[first][inner] if module else ("", 1)
            path = key[0] + (f"#{key[1]}" if runs[key[0]] > 1 else "") if module else leaves[first].name
            label = path.removeprefix(prefix) or path
            part = Part(len(parts), path, label, first, last, parent, key[0])
            parts.append(part)
            around.children.append(part.number)
            if module:
                waiting.append((part.number, inner + 1))
    return parts


def _runs(keys: Sequence[tuple[Key, ...]], first: int, last: int, depth: int) -> Iterator[tuple[int, int]]:
    """Yield the longest runs of layers with the same module at `depth`; a layer without one is alone."""
    start = first
    for i in range(first, last + 1):
        mine = keys[i][depth : depth + 1]
        if i == last or not mine or keys[i + 1][depth : depth + 1] != mine:
            yield start, i
            start = i + 1


def _connect(parts: Sequence[Part], leaves: Sequence[Leaf]) -> None:
    """Fill in what each module reads and returns, and lay out each module."""
    home = {part.first: part.number for part in parts if not part.children}
    flows: dict[int, dict[int, tuple[int, list[int]]]] = defaultdict(dict)
    for target, leaf in enumerate(leaves):
        for source in leaf.sources:
            _flow(parts, flows, source, home[source], home[target], target)
    for part in parts:
        if part.children:
            part.layout = _layout(part, flows[part.number])


def _flow(
    parts: Sequence[Part],
    flows: dict[int, dict[int, tuple[int, list[int]]]],
    value: int,
    start: int,
    end: int,
    target: int,
) -> None:
    """Register one edge in every module it crosses; -1 stands for the outside of a module."""
    child = start
    while (around := parts[parts[child].parent]) and not around.has(target):
        _note(flows[around.number], value, child, -1)
        if value not in around.outgoing:
            around.outgoing.append(value)
        child = around.number
    top, inner = around.number, end
    while parts[inner].parent != top:
        box = parts[parts[inner].parent]
        _note(flows[box.number], value, -1, inner)
        if value not in box.incoming:
            box.incoming.append(value)
        inner = box.number
    _note(flows[top], value, child, inner)


def _note(flow: dict[int, tuple[int, list[int]]], value: int, source: int, target: int) -> None:
    targets = flow.setdefault(value, (source, []))[1]
    if target not in targets:
        targets.append(target)


def _layout(part: Part, flow: Mapping[int, tuple[int, list[int]]]) -> Layered:
    part.incoming.sort()
    part.outgoing.sort()
    top, inside = len(part.incoming), len(part.children)
    item = {child: top + i for i, child in enumerate(part.children)}
    entry = {value: i for i, value in enumerate(part.incoming)}
    way_out = {value: top + inside + i for i, value in enumerate(part.outgoing)}
    lines = []
    for value, (source, targets) in sorted(flow.items()):
        ends = sorted(way_out[value] if target < 0 else item[target] for target in targets)
        lines.append(Line(value, entry[value] if source < 0 else item[source], tuple(ends)))
    return arrange(top + inside + len(part.outgoing), lines, top, len(part.outgoing))
