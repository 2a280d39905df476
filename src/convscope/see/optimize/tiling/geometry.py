"""Cut an image into tiles for which a network computes the same activations as for the whole image.

A tile has a window, which is the network's input, and a core, the part whose positions it contributes. The
window reaches past the core as far as the receptive fields do (the halo), begins at a multiple of every
stride, and has an extent congruent to the whole image's, so that each position of the core is computed from
the same numbers in the same order as in the whole image. At the image's border the window ends too.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product
from math import ceil, isqrt, lcm, log2, prod

import torch
from torch import Tensor

from convscope.errors import ConvscopeError, UsageError
from convscope.graph.analysis.receptive_field import Axis, Field, receptive_fields
from convscope.graph.graph import Graph
from convscope.nets import LayerAddress, Net, describe
from convscope.nets.activations.address import RESULT
from convscope.see.features.recording import record_float32
from convscope.see.optimize.objectives.activation_batch import TileSlices

UNKNOWN = 64
"""Where there is no graph to read strides from, images are cut at multiples of this."""
MOST_PARTS = 64
"""The most tiles along one axis."""
LEAST_HALO = 8
"""A halo below this is not halved further but set to 0."""
MOST_WORK = 6
"""Halos are made smaller where all windows together would have more than this many times the image's
pixels."""


@dataclass(frozen=True)
class TileConfig:
    """How an image is cut.

    Attributes:
        pixels: the most pixels of a window.
        halo: the most pixels by which windows reach past their core; where receptive fields reach further,
            gradients near the seams are not exactly those of the whole image. If None, as far as receptive
            fields reach, unless windows of this size would be nearly all halo; then the largest that is not.
    """

    pixels: int = 512 * 512
    halo: int | None = None


@dataclass(frozen=True)
class AxisMap:
    """How a layer's positions relate to the pixels of one axis of the image.

    Attributes:
        stride: pixels after which the pattern repeats.
        cells: positions for each `stride` pixels.
        before: pixels in front of a stretch of the image that its positions read; None for all there are.
        after: pixels behind it.
        count: positions in the whole image.
    """

    stride: int
    cells: int
    before: int | None
    after: int | None
    count: int

    def at(self, pixel: int) -> int:
        """Return the first position of a stretch of the image.

        Args:
            pixel: where it begins, a multiple of `stride`.

        Returns:
            Index along this axis of the layer's whole map.
        """
        return pixel // self.stride * self.cells


@dataclass(frozen=True)
class AxisTile:
    """One tile along one axis: its window `[first, end)` and its core, both in pixels of the image."""

    first: int
    end: int
    core: tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """A tile of the image: window and core along each axis."""

    spans: tuple[AxisTile, ...]

    @property
    def window(self) -> tuple[slice, ...]:
        """Index of the network's input for this tile, into images `[b c ...]`."""
        return (slice(None), slice(None), *(slice(span.first, span.end) for span in self.spans))


@dataclass(frozen=True)
class TilePlan:
    """The tiles of an image of one size; iterate for the tiles, `len` for their number.

    Attributes:
        size: of the image, for each spatial axis.
        axes: the tiles along each axis, of which all combinations are used.
        grids: for each place, how its positions relate to the pixels of each axis.
        reach: pixels by which windows would have to reach past their core to be exact; None for everything.
        halo: pixels by which they do.
    """

    size: tuple[int, ...]
    axes: tuple[tuple[AxisTile, ...], ...]
    grids: dict[LayerAddress, tuple[AxisMap, ...]]
    reach: int | None
    halo: int

    @property
    def exact(self) -> bool:
        """Whether tiles give the same as the whole image, up to rounding."""
        return len(self) == 1 or (self.reach is not None and self.halo >= self.reach)

    def __len__(self) -> int:
        return prod(map(len, self.axes))

    def __iter__(self) -> Iterator[Tile]:
        yield from map(Tile, product(*self.axes))

    @cached_property
    def total_pixels(self) -> int:
        """Pixels of all windows together: what a pass costs."""
        return prod(sum(span.end - span.first for span in axis) for axis in self.axes)

    @property
    def largest(self) -> int:
        """Pixels of the largest window: what a pass takes in memory."""
        return prod(max(span.end - span.first for span in axis) for axis in self.axes)

    def output_slices(self, place: LayerAddress, tile: Tile) -> TileSlices:
        """Return which positions of a layer's whole map belong to the tile's core.

        Args:
            place: a layer of the plan.
            tile: a tile of the plan.

        Returns:
            For each axis the first position, the one after the last, and how many the whole map has.
        """
        return tuple(map(_core_range, self.grids[place], tile.spans, self.size))

    def crop_output(self, place: LayerAddress, tile: Tile, activation: Tensor) -> Tensor:
        """Crop a layer's activation for a window to the positions of the tile's core.

        Args:
            place: a layer of the plan.
            tile: a tile of the plan.
            activation: of the layer for the tile's window, `[b c *size]`.

        Returns:
            A view, `[b c *core]`.
        """
        parts = zip(self.grids[place], tile.spans, self.output_slices(place, tile), strict=True)
        inside = tuple(
            slice(first - grid.at(span.first), end - grid.at(span.first))
            for grid, span, (first, end, _) in parts
        )
        return activation[(slice(None), slice(None), *inside)]


def _core_range(grid: AxisMap, span: AxisTile, extent: int) -> tuple[int, int, int]:
    """Return which positions of one axis belong to the core, and how many the whole map has."""
    first, end = span.core
    last = grid.count if end >= extent else min(grid.at(end), grid.count)
    return min(grid.at(first), last), last, grid.count


def plan_tiles(
    net: Net, places: Sequence[LayerAddress], size: tuple[int, ...], tiles: TileConfig
) -> TilePlan:
    """Return the plan with the fewest pixels to compute whose windows have at most `tiles.pixels`.

    Cached with the network. Sizes of feature maps are measured by running small images.

    Args:
        net: any network.
        places: the layers whose activations are needed.
        size: of the image, for each spatial axis.
        tiles: the limits.

    Returns:
        The plan; one tile where the image fits.

    Raises:
        UsageError: a layer's map does not scale with the image's size, or windows of so few pixels hold
            nothing beside their halo.
        GraphError: the network cannot be run on images of such sizes.
    """
    key = ("tiles", tuple(places), size, tiles)
    return net.cache(key, lambda: _plan(net, places, size, tiles))


def _plan(net: Net, places: Sequence[LayerAddress], size: tuple[int, ...], tiles: TileConfig) -> TilePlan:
    """Find the plan, halving the halo while windows are too large or too much of them is halo."""
    grids, step = _axis_maps(net, places, size)
    along = [grid for axes in grids.values() for grid in axes]
    unbounded = any(grid.before is None or grid.after is None for grid in along)
    known = [max(grid.before or 0, grid.after or 0) for grid in along]
    reach = None if unbounded else max(known, default=0)
    halo = max(*known, isqrt(tiles.pixels) // 4, 0) if reach is None else reach
    halo = halo if tiles.halo is None else min(halo, tiles.halo)
    while True:
        plans = [TilePlan(size, axes, grids, reach, halo) for axes in _tilings(size, step, grids, halo)]
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


def _tilings(
    size: tuple[int, ...], step: int, grids: dict[LayerAddress, tuple[AxisMap, ...]], halo: int
) -> Iterator[tuple[tuple[AxisTile, ...], ...]]:
    """Iterate over all ways to cut each axis into equal parts."""
    choices: list[list[tuple[AxisTile, ...]]] = []
    for axis, extent in enumerate(size):
        along = [grid[axis] for grid in grids.values()]
        before = min(halo, max((halo if g.before is None else g.before for g in along), default=0))
        after = min(halo, max((halo if g.after is None else g.after for g in along), default=0))
        most = min(MOST_PARTS, ceil(extent / step))
        choices.append([_axis_tiles(extent, step, parts, before, after) for parts in range(1, most + 1)])
    yield from product(*choices)


def _axis_tiles(extent: int, step: int, parts: int, before: int, after: int) -> tuple[AxisTile, ...]:
    """Cut an axis into equal parts at multiples of `step`; windows begin there, with congruent extents."""
    units = ceil(extent / step)
    cuts = [min(extent, units * part // parts * step) for part in range(parts)] + [extent]
    spans = []
    for own in pairwise(cuts):
        first = max(0, (own[0] - before) // step * step)
        end = extent - max(0, (extent - own[1] - after) // step) * step
        spans.append(AxisTile(first, end, own))
    return tuple(spans)


def _axis_maps(
    net: Net, places: Sequence[LayerAddress], size: tuple[int, ...]
) -> tuple[dict[LayerAddress, tuple[AxisMap, ...]], int]:
    """Return how each place's positions relate to the pixels, and the step for cuts of the image.

    Paddings may depend on the remainder when strides divide the extent, so all is measured on a small image
    whose extent is congruent to the whole one's.
    """
    graph = _graph(net, net.input_spec.size)
    step = _step(graph, places) if graph else UNKNOWN
    least = net.input_spec.size or size
    small = tuple(low + (extent - low) % step for low, extent in zip(least, size, strict=True))
    graph = _graph(net, small) or graph
    fields = receptive_fields(graph) if graph else {}
    first = _map_sizes(net, places, small)
    second = _map_sizes(net, places, tuple(extent + step for extent in small))
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
            _axis_map(inside, axis, step, (a, b - a), (size[axis] - small[axis]) // step)
            for axis, (a, b) in enumerate(counts)
        )
    return grids, step


def _axis_map(fields: Sequence[Field], axis: int, step: int, cells: tuple[int, int], times: int) -> AxisMap:
    """Return how positions relate to the pixels of one axis.

    `cells` are the positions of the small image, and those added by each `step` pixels; the whole image is
    `times` steps larger.
    """
    count = cells[0] + times * cells[1]
    axes = [field.axes[axis] for field in fields if len(field.axes) > axis and field.positions[axis:]]
    reaches = [_reach(one, step, cells[1]) for one in axes if _same_density(one, step, cells[1])]
    if not reaches or any(reach is None for reach in reaches):
        return AxisMap(step, cells[1], None, None, count)
    known = [reach for reach in reaches if reach is not None]
    return AxisMap(step, cells[1], max(b for b, _ in known), max(a for _, a in known), count)


def _same_density(axis: Axis, step: int, cells: int) -> bool:
    """Return whether a layer has as many positions for each pixel as the place; True if unknown."""
    return axis.pattern is None or axis.pattern.shift * cells == step * len(axis.pattern.intervals)


def _reach(axis: Axis, step: int, cells: int) -> tuple[int, int] | None:
    """Return the pixels that positions of `[0, step)` read before and after it; None for all there are."""
    if axis.pattern is None:
        return None
    reads = [interval for interval in map(axis.pattern.at, range(cells)) if interval]
    if not reads:
        return 0, 0
    return max(0, -min(low for low, _ in reads)), max(0, max(high for _, high in reads) - step + 1)


def _names(graph: Graph, place: LayerAddress) -> list[str]:
    """Return the nodes that a place stands for: the layer itself, or all that run inside it."""
    own = place.layer_text.partition("[")[0]
    inside = (f"{place.layer}.", f"{place.layer}#")
    names = [node.name for node in graph.nodes if node.name == own or node.name.startswith(inside)]
    return names or (list(graph.outputs) if place.layer == RESULT else [])


def _step(graph: Graph, places: Sequence[LayerAddress]) -> int:
    """Return the least common multiple of the strides of all layers up to the places."""
    fields, pending = receptive_fields(graph), [name for place in places for name in _names(graph, place)]
    visited: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in visited and name not in graph.inputs:
            visited.add(name)
            pending.extend(graph[name].inputs)
    strides = [
        _stride(axis, count)
        for name in visited & fields.keys()
        for axis, count in zip(fields[name].axes, fields[name].positions, strict=False)
    ]
    return lcm(*strides) if visited else UNKNOWN


def _stride(axis: Axis, count: int) -> int:
    """Return the stride of a layer with `count` positions on an axis; a power of 2 without a pattern."""
    if count <= 1:
        return 1
    return max(1, axis.pattern.shift) if axis.pattern else 1 << max(0, round(log2(axis.extent / count)))


def _graph(net: Net, size: tuple[int, ...]) -> Graph | None:
    """Return the network's graph for images of this size; None where tracing fails."""
    if size == net.input_spec.size:
        other = net
    else:
        specs = (net.input_spec.resized(*size), *net.input_specs[1:])
        other = replace(net, input_specs=specs)

    def traced() -> Graph | None:
        with suppress(ConvscopeError, RuntimeError, TypeError, ValueError):
            return describe(other).graph
        return None

    return net.cache(("graph", size), traced)


def _map_sizes(
    net: Net, places: Sequence[LayerAddress], size: tuple[int, ...]
) -> dict[LayerAddress, tuple[int, ...]]:
    """Return the size of each place's feature map for images of this size."""
    image = torch.full((1, net.input_spec.channels, *size), sum(net.input_spec.value_range) / 2)
    with torch.no_grad():
        return {place: tuple(act.shape[2:]) for place, act in record_float32(net, image, places).items()}
