"""A computation graph of any expression, laid out automatically: values forward, gradients backward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from convscope.graph import Computation, ComputationNode
from convscope.show.report.figures.matrix import fixed
from convscope.show.svg import drawing, element, join, number

SIGNS = {"mul": "×", "add": "+", "sub": "−", "neg": "×(−1)", "div": "÷", "pow": "^", "sqrt": "√"}


@dataclass(frozen=True)
class Spot:
    """Position of a node, both coordinates in units of one node.

    Attributes:
        depth: along the direction of computation, from the leaves.
        lane: across it.
    """

    depth: float
    lane: float


def layout(inputs: Mapping[str, Sequence[str]]) -> dict[str, Spot]:
    """Compute a position for every node of a computation graph.

    Every node lies behind all it reads and near the mean lane of its inputs, and no two nodes overlap. A leaf
    that is read late lies directly before its first reader, beside that reader's other inputs.

    Args:
        inputs: node -> the nodes it reads; every node comes after those it reads.

    Returns:
        Node -> position; the smallest lane is 0.
    """
    depth: dict[str, int] = {}
    for name, sources in inputs.items():
        depth[name] = 1 + max((depth[s] for s in sources), default=-1)
    readers = {name: [r for r, sources in inputs.items() if name in sources] for name in inputs}
    late = {n: min(depth[r] for r in readers[n]) - 1 for n, s in inputs.items() if not s and readers[n]}
    late = {name: level for name, level in late.items() if level > 0}
    depth.update(late)
    order, lane = _leaves_in_order(inputs), {}
    for level in sorted(set(depth.values())):
        names = [name for name in inputs if depth[name] == level and name not in late]
        target = {n: _mean([lane[s] for s in inputs[n] if s not in late], order.get(n, 0.0)) for n in names}
        lane.update(_spread(sorted(names, key=lambda n: target[n]), target))
        for name in (n for n in late if depth[n] == level):
            beside = [lane[s] for s in inputs[readers[name][0]] if s in lane]
            taken = [lane[n] for n in lane if depth[n] == level]
            lane[name] = _free(_mean(beside, 0.0) + 1, taken)
    low = min(lane.values())
    return {name: Spot(depth[name], lane[name] - low) for name in inputs}


def _free(target: float, taken: Sequence[float]) -> float:
    """Return the first lane from `target` on, in steps of 0.5, that is at least 1 from all taken ones."""
    while any(abs(target - place) < 1 for place in taken):
        target += 0.5
    return target


def _leaves_in_order(inputs: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Number the leaves depth first from the result, so that those of one subexpression are neighbours."""
    order: dict[str, float] = {}
    stack = [list(inputs)[-1]] if inputs else []
    seen: set[str] = set()
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if inputs[name]:
            stack += reversed(inputs[name])
        else:
            order[name] = float(len(order))
    return order


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _spread(names: Sequence[str], target: Mapping[str, float]) -> list[tuple[str, float]]:
    """Place nodes 1 apart, as near as possible to their targets; those that collide share the shift."""
    groups: list[list[str]] = []
    for name in names:
        groups.append([name])
        while len(groups) > 1 and _start(groups[-1], target) < _start(groups[-2], target) + len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    return [(name, _start(group, target) + i) for group in groups for i, name in enumerate(group)]


def _start(group: Sequence[str], target: Mapping[str, float]) -> float:
    """Return the lane of a group's first node that brings the group nearest to its targets."""
    return _mean([target[name] - i for i, name in enumerate(group)], 0.0)


def drawn(computation: Computation, width: float, label: str | Mapping[str, str] = "") -> Markup:
    """Draw a computation graph.

    Each box shows the operation, below it the value, and in orange after ∂ the gradient of the result with
    respect to that value.

    Args:
        computation: the evaluated expression with gradients.
        width: of the drawing in pixels; below 500 the graph runs from top to bottom, else from left to right.
        label: accessible name, or one for each language, as in `convscope.show.svg.drawing`.

    Returns:
        The `<svg>` element.
    """
    nodes = {node.name: node for node in computation.nodes}
    spots = layout({name: tuple(node.inputs) for name, node in nodes.items()})
    down = width < 500
    levels, lanes = max(s.depth for s in spots.values()) + 1, max(s.lane for s in spots.values()) + 1
    along, across = (74.0, width / lanes) if down else (width / levels, 74.0)
    box = min(62.0, (across if down else along) - 8)
    places = {
        name: ((s.lane + 0.5) * across, (s.depth + 0.5) * along)
        if down
        else ((s.depth + 0.5) * along, (s.lane + 0.5) * across)
        for name, s in spots.items()
    }
    edges = [
        _edge(places[source], places[name], box, along, down=down)
        for name, node in nodes.items()
        for source in node.inputs
    ]
    boxes = [
        _box(node, places[name], box, final=name == computation.nodes[-1].name)
        for name, node in nodes.items()
    ]
    size = (width, levels * along) if down else (width, lanes * across)
    return drawing(*size, join(edges), join(boxes), label=label)


def _edge(
    start: tuple[float, float], end: tuple[float, float], box: float, along: float, *, down: bool
) -> Markup:
    """Draw an edge as a curve; one that skips levels bends outwards, around the nodes between."""
    (x0, y0), (x1, y1) = start, end
    swing = 52.0 if (y1 - y0 if down else x1 - x0) > 1.5 * along else 0.0
    if down:
        y0, y1 = y0 + 27, y1 - 27
        bend = (y0 + y1) / 2
        return element("path", d=_path(x0, y0, x0 - swing, bend, x1 - swing / 2, bend, x1, y1), class_="edge")
    x0, x1 = x0 + box / 2, x1 - box / 2
    bend = (x0 + x1) / 2
    return element("path", d=_path(x0, y0, bend, y0 - swing, bend, y1 - swing, x1, y1), class_="edge")


def _path(*values: float) -> str:
    n = [number(value, 1) for value in values]
    return f"M{n[0]} {n[1]}C{n[2]} {n[3]} {n[4]} {n[5]} {n[6]} {n[7]}"


def _box(node: ComputationNode, place: tuple[float, float], box: float, *, final: bool) -> Markup:
    """Draw one node with operation, value and gradient; constants have no gradient."""
    x, y = place
    constant = node.operation == "constant"
    name = SIGNS.get(node.operation, node.operation) if node.inputs else "" if constant else node.name
    return join(
        [
            element(
                "rect",
                x=x - box / 2,
                y=y - 27,
                width=box,
                height=54,
                rx=9 if node.inputs else 20,
                class_="node final" if final else "node constant" if constant else "node",
            ),
            element("text", name, x=x, y=y - 11, class_="number small muted"),
            element("text", fixed(node.value), x=x, y=y + 5, class_="number strong"),
            None
            if constant
            else element("text", "∂ " + fixed(node.gradient), x=x, y=y + 20, class_="number small orange"),
        ]
    )
