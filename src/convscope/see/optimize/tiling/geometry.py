"""Cutting an image into tiles that a network sees alike, alone or as part of the whole.

A tile has a window, which the network looks at, and owns a part of it. The window reaches past what the tile
owns as far as the network sees (the halo), begins at a multiple of every stride, and is congruent to the
whole image's extent, so that each position that the tile owns is computed from the same numbers in the same
order as in the whole image; where the window ends at the image's border, it is that border.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import ceil, isqrt, lcm, log2, prod

import torch
from torch import Tensor

from convscope.errors import ConvscopeError, UsageError
from convscope.graph.graph import Graph
from convscope.graph.receptive_field import Axis, Field, receptive_fields
from convscope.nets import LayerAddress, Net
from convscope.nets.activations.address import RESULT
from convscope.see.features.recording import record_float32
from convscope.see.optimize.activation_batch import TileSlices

UNKNOWN = 64
"""Where there is no graph to tell strides, images are cut at multiples of this."""
MOST_PARTS = 64
"""Along one axis."""
LEAST_HALO = 8
"""A smaller one is not worth its work."""
MOST_WORK = 6
"""How many times an image's own pixels tiles may take before halos are made smaller."""


@dataclass(frozen=True)
class TileConfig:
    """How an image is cut.

    Attributes:
        pixels: the most that a window may have.
        halo: pixels that windows reach past what they own, at most; where the network sees further, gradients
            near the seams are not exactly those of the whole image. As far as the network sees, if left out,
            unless windows of this size would be nearly nothing but halo; then the largest that is not.
    """

    pixels: int = 512 * 512
    halo: int | None = None


@dataclass(frozen=True)
class AxisMap:
    """How a layer's positions lie along one axis of the image.

    Attributes:
        stride: pixels after which the pattern repeats.
        cells: positions for each `stride` pixels.
        before: pixels in front of a stretch that its positions read; None for all there are.
        after: pixels behind it.
        count: positions in the whole image.
    """

    stride: int
    cells: int
    before: int | None
    after: int | None
    count: int

    def at(self, pixel: int) -> int:
        """The first position of a stretch that begins at this pixel, a multiple of `stride`."""
        return pixel // self.stride * self.cells


@dataclass(frozen=True)
class AxisTile:
    """One tile along one axis: the window `[first, end)`, and what it owns of it."""

    first: int
    end: int
    core: tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """A window of the image, and which part of it the tile owns, axis by axis."""

    spans: tuple[AxisTile, ...]

    @property
    def window(self) -> tuple[slice, ...]:
        """What the network looks at, as an index of images `[b c ...]`."""
        return (slice(None), slice(None), *(slice(span.first, span.end) for span in self.spans))


@dataclass(frozen=True)
class TilePlan:
    """The tiles of an image of one size.

    Attributes:
        size: of the image.
        axes: the spans along each axis; tiles are all their combinations.
        grids: for each place, how its positions lie along each axis.
        reach: pixels that windows would have to reach past what they own; None for everything.
        halo: pixels that they do.
    """

    size: tuple[int, ...]
    axes: tuple[tuple[AxisTile, ...], ...]
    grids: dict[LayerAddress, tuple[AxisMap, ...]]
    reach: int | None
    halo: int

    @property
    def exact(self) -> bool:
        """Whether tiles give what the whole image gives, but for rounding."""
        return len(self) == 1 or (self.reach is not None and self.halo >= self.reach)

    def __len__(self) -> int:
        return prod(map(len, self.axes))

    def __iter__(self) -> Iterator[Tile]:
        yield from map(Tile, product(*self.axes))

    @cached_property
    def total_pixels(self) -> int:
        """Pixels of all windows together."""
        return prod(sum(span.end - span.first for span in axis) for axis in self.axes)

    @property
    def largest(self) -> int:
        """Pixels of the largest window."""
        return prod(max(span.end - span.first for span in axis) for axis in self.axes)

    def output_slices(self, place: LayerAddress, tile: Tile) -> TileSlices:
        """The positions of a layer's whole map that the tile owns."""
        return tuple(map(_core_starts, self.grids[place], tile.spans, self.size))

    def crop_output(self, place: LayerAddress, tile: Tile, activation: Tensor) -> Tensor:
        """A layer's answer to a window, without the positions that belong to other tiles."""
        parts = zip(self.grids[place], tile.spans, self.output_slices(place, tile), strict=True)
        inside = tuple(
            slice(first - grid.at(span.first), end - grid.at(span.first))
            for grid, span, (first, end, _) in parts
        )
        return activation[(slice(None), slice(None), *inside)]


def _core_starts(grid: AxisMap, span: AxisTile, extent: int) -> tuple[int, int, int]:
    first, end = span.core
    last = grid.count if end >= extent else min(grid.at(end), grid.count)
    return min(grid.at(first), last), last, grid.count


def plan_tiles(
    net: Net, places: Sequence[LayerAddress], size: tuple[int, ...], tiles: TileConfig
) -> TilePlan:
    """The plan that computes least within `tiles.pixels`; kept with the network.

    Raises:
        UsageError: a layer's map does not go with the image's size, or windows of so few pixels hold nothing.
        GraphError: the network cannot look at images of such sizes.
    """
    key = ("tiles", tuple(places), size, tiles)
    if key not in net._cache:
        net._cache[key] = _plan(net, places, size, tiles)
    return net._cache[key]


def _plan(net: Net, places: Sequence[LayerAddress], size: tuple[int, ...], tiles: TileConfig) -> TilePlan:
    grids, step = _grids(net, places, size)
    along = [grid for axes in grids.values() for grid in axes]
    everywhere = any(grid.before is None or grid.after is None for grid in along)
    known = [max(grid.before or 0, grid.after or 0) for grid in along]
    reach = None if everywhere else max(known, default=0)
    halo = max(*known, isqrt(tiles.pixels) // 4, 0) if reach is None else reach
    halo = halo if tiles.halo is None else min(halo, tiles.halo)
    while True:
        plans = [TilePlan(size, axes, grids, reach, halo) for axes in _axes(size, step, grids, halo)]
        fitting = [plan for plan in plans if plan.largest <= tiles.pixels]
        best = min(fitting, key=lambda plan: (plan.total_pixels, len(plan)), default=None)
        if best and (best.total_pixels <= MOST_WORK * prod(size) or tiles.halo is not None or not halo):
            return best
        if halo <= 0 or tiles.halo is not None:
            raise UsageError(
                f"tiles of more than {tiles.pixels:,} pixels for a picture of {size}, or a smaller halo",
                received=f"a halo of {halo} pixels, and cuts at every {step}",
                hint="Give more --memory.",
            )
        halo = halo // 2 if halo >= LEAST_HALO else 0


def _axes(
    size: tuple[int, ...], step: int, grids: dict[LayerAddress, tuple[AxisMap, ...]], halo: int
) -> Iterator[tuple[tuple[AxisTile, ...], ...]]:
    """All ways to cut each axis evenly."""
    choices: list[list[tuple[AxisTile, ...]]] = []
    for axis, extent in enumerate(size):
        along = [grid[axis] for grid in grids.values()]
        before = min(halo, max((halo if g.before is None else g.before for g in along), default=0))
        after = min(halo, max((halo if g.after is None else g.after for g in along), default=0))
        most = min(MOST_PARTS, ceil(extent / step))
        choices.append([_spans(extent, step, parts, before, after) for parts in range(1, most + 1)])
    yield from product(*choices)


def _spans(extent: int, step: int, parts: int, before: int, after: int) -> tuple[AxisTile, ...]:
    """Even parts, cut at multiples of `step`, with windows that begin there and end congruently."""
    units = ceil(extent / step)
    cuts = [min(extent, units * part // parts * step) for part in range(parts)] + [extent]
    spans = []
    for own in pairwise(cuts):
        first = max(0, (own[0] - before) // step * step)
        end = extent - max(0, (extent - own[1] - after) // step) * step
        spans.append(AxisTile(first, end, own))
    return tuple(spans)


def _grids(
    net: Net, places: Sequence[LayerAddress], size: tuple[int, ...]
) -> tuple[dict[LayerAddress, tuple[AxisMap, ...]], int]:
    """How each place's positions lie in an image of this size, and at what multiples it may be cut.

    Paddings may depend on what is left when strides divide the extent: all is asked for a small image that is
    congruent to the whole one.
    """
    graph = _graph(net, net.contract.size)
    step = _step(graph, places) if graph else UNKNOWN
    least = net.contract.size or size
    small = tuple(low + (extent - low) % step for low, extent in zip(least, size, strict=True))
    graph = _graph(net, small) or graph
    fields = receptive_fields(graph) if graph else {}
    first = _maps(net, places, small)
    second = _maps(net, places, tuple(extent + step for extent in small))
    grids: dict[LayerAddress, tuple[AxisMap, ...]] = {}
    for place in places:
        counts = tuple(zip(first[place], second[place], strict=True))
        if len(counts) != len(size) or any(a >= b for a, b in counts):
            raise UsageError(
                "layers whose maps grow with the picture, to look at it in tiles",
                received=f"{place}, whose map is {first[place]} for {small} pixels",
                hint="Choose a layer before the last pooling, or give more --memory.",
            )
        inside = [fields[name] for name in _names(graph, place) if name in fields] if graph else []
        grids[place] = tuple(
            _grid(inside, axis, step, (a, b - a), (size[axis] - small[axis]) // step)
            for axis, (a, b) in enumerate(counts)
        )
    return grids, step


def _grid(fields: Sequence[Field], axis: int, step: int, cells: tuple[int, int], times: int) -> AxisMap:
    """Positions: so many in the small image, so many more for each `step`; `times` steps to the whole one."""
    count = cells[0] + times * cells[1]
    axes = [field.axes[axis] for field in fields if len(field.axes) > axis and field.positions[axis:]]
    reaches = [_reach(one, step, cells[1]) for one in axes if _follows(one, step, cells[1])]
    if not reaches or any(reach is None for reach in reaches):
        return AxisMap(step, cells[1], None, None, count)
    known = [reach for reach in reaches if reach is not None]
    return AxisMap(step, cells[1], max(b for b, _ in known), max(a for _, a in known), count)


def _follows(axis: Axis, step: int, cells: int) -> bool:
    """Whether this layer's positions are as dense as those of the place; unknown ones count as such."""
    return axis.pattern is None or axis.pattern.shift * cells == step * len(axis.pattern.intervals)


def _reach(axis: Axis, step: int, cells: int) -> tuple[int, int] | None:
    """Pixels that the positions of `[0, step)` read before it and after it; None for all there are."""
    if axis.pattern is None:
        return None
    reads = [interval for interval in map(axis.pattern.at, range(cells)) if interval]
    if not reads:
        return 0, 0
    return max(0, -min(low for low, _ in reads)), max(0, max(high for _, high in reads) - step + 1)


def _names(graph: Graph, place: LayerAddress) -> list[str]:
    """The nodes that a place may be: itself, or all that run inside it."""
    own = place.layer_text.partition("[")[0]
    inside = (f"{place.layer}.", f"{place.layer}#")
    names = [node.name for node in graph.nodes if node.name == own or node.name.startswith(inside)]
    return names or (list(graph.outputs) if place.layer == RESULT else [])


def _step(graph: Graph, places: Sequence[LayerAddress]) -> int:
    """A multiple of every stride on the way to the places."""
    fields, waiting = receptive_fields(graph), [name for place in places for name in _names(graph, place)]
    passed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in passed and name not in graph.inputs:
            passed.add(name)
            waiting.extend(graph[name].inputs)
    strides = [
        _stride(axis, count)
        for name in passed & fields.keys()
        for axis, count in zip(fields[name].axes, fields[name].positions, strict=False)
    ]
    return lcm(*strides) if passed else UNKNOWN


def _stride(axis: Axis, count: int) -> int:
    """Of a layer with `count` positions along an axis; a power of 2 where there is no pattern."""
    if count <= 1:
        return 1
    return max(1, axis.pattern.shift) if axis.pattern else 1 << max(0, round(log2(axis.extent / count)))


def _graph(net: Net, size: tuple[int, ...]) -> Graph | None:
    """The network's graph for images of this size; None where it cannot be read."""
    if size == net.contract.size:
        other = net
    else:
        contracts = (net.contract.resized(*size), *net.contracts[1:])
        other = Net(net.module, contracts, net.labels, net.source, net.graph, net.name)
    key = ("graph", size)
    if key not in net._cache:
        try:
            net._cache[key] = other.describe().graph
        except (ConvscopeError, RuntimeError, TypeError, ValueError):
            net._cache[key] = None
    return net._cache[key]


def _maps(
    net: Net, places: Sequence[LayerAddress], size: tuple[int, ...]
) -> dict[LayerAddress, tuple[int, ...]]:
    """The extent of each place's map for images of this size."""
    image = torch.full((1, net.contract.channels, *size), sum(net.contract.value_range) / 2)
    with torch.no_grad():
        return {place: tuple(act.shape[2:]) for place, act in record_float32(net, image, places).items()}
