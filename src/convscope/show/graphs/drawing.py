"""Coordinates of everything in the drawing of a network's graph, for one set of unfolded modules.

`templates/graph.js` repeats this arithmetic in the page; a test compares the two.
"""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from convscope.show.graphs.cards import Card, extent
from convscope.show.graphs.layered import Layered, Line, columns
from convscope.show.graphs.tree import Part, Tree
from convscope.show.svg import number

SIZES = {
    "card": 236,  # width of a card
    "gap": 20,  # between neighbours
    "bend": 8,  # width of a passing edge
    "head": 28,  # a module's own line
    "pad": 14,  # between a module's border and what is inside
    "space": 30,  # between rows
    "entry": 14,  # between a module's own line and its first row
    "exit": 26,  # between its last row and its border
}
"""Pixels; the page takes them from here."""
SLOPE, STEEPEST = 0.07, 44
"""Extra space below a row: for each pixel its widest edge moves sideways, and at most, in pixels."""


@dataclass(frozen=True)
class Box:
    """The rectangle of one layer or module, in pixels from the drawing's upper left corner.

    Attributes:
        part: number of the part in `Tree.parts`.
        x: left edge.
        y: upper edge.
        width: in pixels.
        height: in pixels.
        unfolded: whether it is a module drawn with what is inside.
    """

    part: int
    x: float
    y: float
    width: float
    height: float
    unfolded: bool


@dataclass(frozen=True)
class Wire:
    """One edge, or its piece inside one module.

    Attributes:
        value: number of the layer whose output the edge carries.
        around: number of the module in which the piece is drawn.
        source: number of the part it starts from; -1 where it enters the module.
        target: number of the part it ends at; -1 where it leaves the module.
        path: the `d` attribute of an SVG path.
        points: the corners of the route, from top to bottom, as (x, y) in pixels.
        arrow: whether it ends in an arrowhead, at a part that is not unfolded.
    """

    value: int
    around: int
    source: int
    target: int
    path: str
    points: tuple[tuple[float, float], ...]
    arrow: bool


@dataclass
class Scene:
    """Everything that is drawn, in pixels.

    Attributes:
        width: of the drawing, without margin.
        height: of the drawing, without margin.
        boxes: parts that are drawn; a module comes before what is inside it.
        wires: the edges.
        labels: shapes written beside edges, as (x, y, text).
    """

    width: float
    height: float
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    labels: list[tuple[float, float, str]] = field(default_factory=list)


@dataclass
class _PartLayout:
    """Size of a part, and positions of what is inside relative to its upper left corner, in pixels.

    Attributes:
        width: of the part.
        height: of the part.
        anchor: distance from the left edge to the x coordinate of the part's column.
        children: of an unfolded module: number of each part inside -> its x, y and layout.
        x: coordinate of each item of the module's layout.
        top: where each row begins.
        bottom: where each row ends.
    """

    width: float
    height: float
    anchor: float
    children: dict[int, tuple[float, float, "_PartLayout"]] = field(default_factory=dict)
    x: list[float] = field(default_factory=list)
    top: list[float] = field(default_factory=list)
    bottom: list[float] = field(default_factory=list)


def scene(tree: Tree, cards: Sequence[Card], unfolded: Collection[int]) -> Scene:
    """Compute the coordinates of all parts and edges for one set of unfolded modules.

    Args:
        tree: the network as a tree of modules.
        cards: one for each part of the tree.
        unfolded: numbers of the modules drawn with what is inside them; the network itself always is.

    Returns:
        Boxes, wires and labels, in pixels from the upper left corner.
    """
    unfolded = {*unfolded, 0}
    laid = _measured(tree, cards, 0, unfolded)
    found = Scene(laid.width, laid.height)
    _draw(tree, laid, 0, 0.0, 0.0, found)
    return found


def _measured(tree: Tree, cards: Sequence[Card], part: int, unfolded: Collection[int]) -> _PartLayout:
    """Compute the size of a part, and the positions inside it where it is unfolded."""
    inside = tree.parts[part]
    if part not in unfolded or inside.layout is None:
        width = SIZES["card"]
        return _PartLayout(width, cards[part].height, width / 2)
    laid = [_measured(tree, cards, child, unfolded) for child in inside.children]
    layout, bend = inside.layout, SIZES["bend"] / 2
    left, right, high = ([value] * len(layout.column) for value in (bend, bend, 0.0))
    for item, child in enumerate(laid, len(inside.incoming)):
        left[item], right[item], high[item] = child.anchor, child.width - child.anchor, child.height
    xs, width = columns(layout, left, right, SIZES["gap"])
    pad = SIZES["pad"] if part else 0
    side = pad + max(0.0, (SIZES["card"] - width) / 2)
    x = [xs[column] + side for column in layout.column]
    top, bottom = _rows(inside, layout, x, high)
    box = _PartLayout(width + 2 * side, bottom[-1] + (0 if inside.outgoing else pad), 0.0, {}, x, top, bottom)
    row = layout.row
    for item, (child, one) in enumerate(zip(inside.children, laid, strict=True), len(inside.incoming)):
        box.children[child] = (x[item] - one.anchor, top[row[item]], one)
    box.anchor = x[len(inside.incoming) - 1] if inside.incoming else box.width / 2
    return box


def _rows(
    part: Part, layout: Layered, x: Sequence[float], high: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Compute where each row begins and ends, in pixels from the top of the module."""
    row = layout.row
    widest = [0.0] * len(layout.rows)
    for line in layout.lines:
        for route in layout.routes(line):
            for a, b in itertools.pairwise(route):
                widest[row[a]] = max(widest[row[a]], abs(x[a] - x[b]))
    y, last = float(SIZES["head"] if part.number else 0), len(layout.rows) - 1
    top, bottom = [], []
    for number_, items in enumerate(layout.rows):
        top.append(y)
        bottom.append(y + max(high[item] for item in items))
        space = "entry" if number_ == 0 and part.incoming else "space"
        space = "exit" if number_ == last - 1 and part.outgoing else space
        y = bottom[-1] + SIZES[space] + min(STEEPEST, SLOPE * widest[number_])
    return top, bottom


def _draw(tree: Tree, laid: _PartLayout, part: int, x: float, y: float, found: Scene) -> None:
    """Add the contents of a module whose upper left corner is at (x, y) to the scene."""
    inside = tree.parts[part]
    for child, (dx, dy, one) in laid.children.items():
        found.boxes.append(Box(child, x + dx, y + dy, one.width, one.height, bool(one.children)))
        if one.children:
            _draw(tree, one, child, x + dx, y + dy, found)
    if inside.layout is None:
        return
    for line in inside.layout.lines:
        for route in inside.layout.routes(line):
            found.wires.append(_wire(tree, laid, inside.layout, inside, line, route, (x, y)))
    leaving: dict[int, list[str]] = {}
    for line in inside.layout.lines:
        item = line.source - len(inside.incoming)
        if item >= 0 and not laid.children[inside.children[item]][2].children:
            leaving.setdefault(item, []).append(extent(tree.leaves[line.value].shape))
    for item, shapes in leaving.items():
        dx, dy, one = laid.children[inside.children[item]]
        at = (x + dx + one.width / 2 + 7, y + dy + one.height + 17)
        found.labels.append((*at, " · ".join(dict.fromkeys(shapes))))


def _wire(
    tree: Tree,
    laid: _PartLayout,
    layout: Layered,
    inside: Part,
    line: Line,
    route: Sequence[int],
    corner: tuple[float, float],
) -> Wire:
    """Route one edge within one module: down to the end of each row, then across to the next item."""
    top, count, row = len(inside.incoming), len(inside.children), layout.row
    source, target = route[0] - top, route[-1] - top
    bends = [(laid.x[item], laid.top[row[item]], laid.bottom[row[item]]) for item in route[1:-1]]
    if source < 0:
        start = (laid.x[route[0]], 0.0)
    else:
        dx, dy, one = laid.children[inside.children[source]]
        start = (dx + _port(tree, inside.children[source], one, line.value, entry=False), dy + one.height)
    if target >= count:
        end = (laid.x[route[-1]], laid.top[row[route[-1]]], laid.height)
    else:
        dx, dy, one = laid.children[inside.children[target]]
        end = (dx + _port(tree, inside.children[target], one, line.value, entry=True), dy, dy)
    points = [start, (start[0], laid.bottom[row[route[0]]])]
    for x, upper, lower in [*bends, end]:
        points += [(x, upper), (x, lower)]
    placed = [(x + corner[0], y + corner[1]) for x, y in points]
    parts = [-1 if not 0 <= item < count else inside.children[item] for item in (source, target)]
    arrow = parts[1] >= 0 and not laid.children[parts[1]][2].children
    return Wire(line.value, inside.number, parts[0], parts[1], _path(placed), tuple(placed), arrow)


def _port(tree: Tree, part: int, laid: _PartLayout, value: int, *, entry: bool) -> float:
    """Return the distance from a part's left edge at which a value enters or leaves it, in pixels."""
    inside = tree.parts[part]
    if not laid.children:
        return laid.width / 2
    if entry:
        return laid.x[inside.incoming.index(value)]
    return laid.x[len(inside.incoming) + len(inside.children) + inside.outgoing.index(value)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Return an SVG path through the points: vertical lines, and curves where x changes."""
    x, y = points[0]
    words = [f"M{number(x, 1)} {number(y, 1)}"]
    for to_x, to_y in points[1:]:
        if (to_x, to_y) == (x, y):
            continue
        if to_x == x:
            words.append(f"V{number(to_y, 1)}")
        else:
            middle = number((y + to_y) / 2, 1)
            words.append(
                f"C{number(x, 1)} {middle} {number(to_x, 1)} {middle} {number(to_x, 1)} {number(to_y, 1)}"
            )
        x, y = to_x, to_y
    return "".join(words)
