"""Receptive fields: the part of the input that one unit of a layer depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm
from types import MappingProxyType

from convscope.errors import GraphError, nearest
from convscope.graph.graph import Graph, Node
from convscope.graph.layer import SAME, Window
from convscope.graph.spec import Shape

Interval = tuple[int, int] | None
"""First and last position that is read; None where nothing is read."""

LONGEST_PERIOD = 4096
"""Longest period of a pattern; without one, fields are those inside the input only."""


def hull(intervals: Sequence[Interval]) -> Interval:
    """Return the smallest interval that contains all of them.

    Args:
        intervals: first and last position of each; None for an empty one.

    Returns:
        First and last position; None if all are empty.
    """
    some = [interval for interval in intervals if interval]
    return (min(low for low, _ in some), max(high for _, high in some)) if some else None


@dataclass(frozen=True)
class Pattern:
    """The periodic receptive fields along an axis of an infinitely long input, padding included.

    Output `k + period` reads what output `k` reads, `shift` positions further; `period` is the length of
    `intervals`.

    Attributes:
        intervals: what outputs 0 to `period - 1` read, as first and last position of the input.
        shift: positions of the input from one period to the next.
    """

    intervals: tuple[Interval, ...]
    shift: int

    def at(self, k: int) -> Interval:
        """Return what an output reads.

        Args:
            k: index of the output, also a negative one.

        Returns:
            First and last position of the input; None where it reads nothing.
        """
        turns, phase = divmod(k, len(self.intervals))
        interval = self.intervals[phase]
        return interval and (interval[0] + turns * self.shift, interval[1] + turns * self.shift)

    def through(self, window: Window) -> "Pattern | None":
        """Return the pattern after one more layer.

        Args:
            window: what an output of that layer reads of this one.

        Returns:
            The pattern; None where its period would exceed `LONGEST_PERIOD`.
        """
        grid = window.up * len(self.intervals)
        period = grid // gcd(window.stride, grid)
        if period > LONGEST_PERIOD:
            return None
        after = tuple(hull([self.at(i) for i in window.taps(k)]) for k in range(period))
        return Pattern(after, period * window.stride // grid * self.shift)

    def joined(self, other: "Pattern | None") -> "Pattern | None":
        """Return the pattern of the hulls, for two branches that meet.

        Args:
            other: the pattern of the other branch, or None for none.

        Returns:
            The pattern; None without another one, or if their strides differ.
        """
        if other is None or len(self.intervals) * other.shift != len(other.intervals) * self.shift:
            return None
        period = lcm(len(self.intervals), len(other.intervals))
        intervals = tuple(hull([self.at(k), other.at(k)]) for k in range(period))
        return Pattern(intervals, period // len(self.intervals) * self.shift)


@dataclass(frozen=True)
class Axis:
    """The receptive fields of a layer along one axis of the input.

    Attributes:
        extent: length of the input.
        intervals: first and last position that each output reads, inside the input; a single interval where
            all outputs read the same.
        pattern: what they read where the input is infinitely long; None where that is not periodic.
        follows: whether `intervals` is indexed by the output's position along this axis.
        at: index of the layer's spatial axis along which this axis of the input goes on; None where it has
            ended, as after flattening.
    """

    extent: int
    intervals: tuple[Interval, ...]
    pattern: Pattern | None
    follows: bool
    at: int | None = None

    @classmethod
    def start(cls, extent: int, at: int = 0) -> "Axis":
        """Return the receptive fields of the input itself: position `k` reads `k`.

        Args:
            extent: length of the input.
            at: index of the axis among the input's spatial axes.

        Returns:
            The fields along this axis.
        """
        return cls(extent, tuple((k, k) for k in range(extent)), Pattern(((0, 0),), 1), True, at)

    @cached_property
    def _monotone(self) -> bool:
        steps = zip(self.intervals, self.intervals[1:], strict=False)
        return None not in self.intervals and all(a[0] <= b[0] and a[1] <= b[1] for a, b in steps if a and b)

    def fixed(self) -> "Axis":
        """Return the fields of a layer of which every unit reads everything that this layer's units read."""
        if not self.follows:
            return self
        return Axis(self.extent, (hull(self.intervals),), None, False, self.at)

    def ended(self) -> "Axis":
        """Return the fields of a layer that has no axis along which this one goes on."""
        return replace(self.fixed(), at=None)

    def through(self, window: Window | None, inputs: int, outputs: int) -> "Axis":
        """Return the receptive fields after one more layer.

        Args:
            window: what an output of that layer reads of this one; None for all of it.
            inputs: number of positions of this layer.
            outputs: number of positions of that layer.

        Returns:
            The fields of that layer along the same axis of the input.
        """
        if window is None:
            return self.fixed()
        if window == SAME and inputs == outputs:
            return self
        reads = [window.reads(k, inputs) for k in range(outputs)]
        if not self.follows and all(reads):
            return self
        if self.follows:
            intervals = tuple(map(self._hull, reads))
        else:
            intervals = tuple(self.intervals[0] if read else None for read in reads)
        return Axis(self.extent, intervals, self.pattern and self.pattern.through(window), True, self.at)

    def _hull(self, reads: Sequence[int]) -> Interval:
        """Return the hull of the fields at some positions; if monotonic, that of the first and last."""
        if self._monotone and reads:
            reads = (reads[0], reads[-1])
        return hull([self.intervals[i] for i in reads])

    def joined(self, other: "Axis") -> "Axis":
        """Return the hulls, position by position, for two branches that meet.

        Args:
            other: the fields of the other branch along the same axis of the input.

        Returns:
            The fields of the layer that reads both.
        """
        if self == other:
            return self
        if self.at != other.at and (self.follows or other.follows):
            return self.ended().joined(other.ended())
        count = max(len(self.intervals), len(other.intervals))
        pairs = zip(self._spread(count), other._spread(count), strict=True)
        pattern = self.pattern and self.pattern.joined(other.pattern)
        return Axis(self.extent, tuple(map(hull, pairs)), pattern, self.follows or other.follows, self.at)

    def _spread(self, count: int) -> tuple[Interval, ...]:
        """Return one interval for each of `count` positions."""
        return self.intervals if self.follows else self.intervals * count

    @property
    def size(self) -> int:
        """Extent of a receptive field in input positions, padding included; the largest if units differ."""
        known = self.pattern.intervals if self.pattern else self.intervals
        return max((high - low + 1 for low, high in filter(None, known)), default=0)

    @property
    def stride(self) -> Fraction:
        """Positions of the input from one unit to the next, on average."""
        if self.pattern:
            return Fraction(self.pattern.shift, len(self.pattern.intervals))
        first, last = self.intervals[0], self.intervals[-1]
        return (
            Fraction(last[0] - first[0], max(len(self.intervals) - 1, 1)) if first and last else Fraction(0)
        )

    @property
    def offset(self) -> int:
        """First position that unit 0 reads; negative inside the padding."""
        known = self.pattern.intervals if self.pattern else self.intervals
        return known[0][0] if known[0] else 0

    @property
    def covers_all(self) -> bool:
        """Whether every unit reads the input from end to end."""
        return all(interval == (0, self.extent - 1) for interval in self.intervals)


@dataclass(frozen=True)
class Field:
    """The receptive fields of one layer in one input; lengths are pixels of that input, one for each axis.

    Attributes:
        source: name of the input.
        axes: the fields along each spatial axis of the input.
        positions: spatial extent of the layer's output.
    """

    source: str
    axes: tuple[Axis, ...]
    positions: Shape

    @property
    def size(self) -> tuple[int, ...]:
        """Extent of one unit's receptive field, padding included; the largest where units differ."""
        return tuple(axis.size for axis in self.axes)

    @property
    def stride(self) -> tuple[Fraction, ...]:
        """Distance between neighbouring units: below 1 after upsampling, 0 where all read the same."""
        return tuple(axis.stride for axis in self.axes)

    @property
    def offset(self) -> tuple[int, ...]:
        """First position that unit 0 reads; negative inside the padding."""
        return tuple(axis.offset for axis in self.axes)

    @property
    def covers_all(self) -> tuple[bool, ...]:
        """Whether every unit reads the input from end to end, for each axis."""
        return tuple(axis.covers_all for axis in self.axes)

    def box(self, position: Sequence[int] = ()) -> tuple[tuple[int, int], ...] | None:
        """Return the bounding box of the receptive field of one unit, inside the input.

        The box is exact at its borders; dilation may leave holes in it. Padding is left out.

        Args:
            position: indices of the unit in the layer's output, `(y, x)` for images. They make no difference
                along an axis that all units read in full, and may be left out if that holds for every axis.

        Returns:
            For each axis of the input the first pixel and the one after the last; None if the unit reads only
            padding.

        Raises:
            GraphError: the layer has no such position.
        """
        inside = len(position) == len(self.positions)
        inside = inside and all(0 <= k < n for k, n in zip(position, self.positions, strict=True))
        if not inside and (position or any(axis.follows for axis in self.axes)):
            raise GraphError(f"a position inside {self.positions}", received=str(tuple(position)))
        spans = [axis.intervals[position[axis.at or 0] if axis.follows else 0] for axis in self.axes]
        found = tuple((low, high + 1) for low, high in filter(None, spans))
        return found if len(found) == len(spans) else None


def receptive_fields(graph: Graph, source: str | None = None) -> Mapping[str, Field]:
    """Compute the receptive fields of every layer that depends on an input.

    Where branches meet, the hull of their fields is taken. Dependencies through the statistics of batch
    normalisation in training, and through neighbouring channels, do not count; normalisation over space makes
    a field cover the whole input.

    Args:
        graph: the network.
        source: name of the input; the graph's first if None.

    Returns:
        The fields by name of the layer; layers that do not depend on the input are left out.

    Raises:
        GraphError: the graph has no such input.
    """
    source = next(iter(graph.inputs)) if source is None else source
    if source not in graph.inputs:
        raise GraphError("the name of an input", received=source, hint=nearest(source, graph.inputs))
    axes: dict[str, tuple[Axis, ...]] = {
        source: tuple(Axis.start(n, k) for k, n in enumerate(_positions(graph, source)))
    }
    for node in graph.nodes:
        found = _fields_after(graph, node, axes)
        if found is not None:
            axes[node.name] = found
    return MappingProxyType(
        {name: Field(source, found, graph.shapes[name][1:]) for name, found in axes.items() if name != source}
    )


def _positions(graph: Graph, source: str) -> Shape:
    """Return the extents of an input along its spatial axes: all axes where a layer reads it as indices."""
    indices = any(
        node.inputs[at] == source
        for node in graph.nodes
        for at in node.layer.index_inputs
        if at < len(node.inputs)
    )
    return graph.inputs[source] if indices else graph.inputs[source][1:]


def _fields_after(graph: Graph, node: Node, axes: Mapping[str, tuple[Axis, ...]]) -> tuple[Axis, ...] | None:
    """Return the fields after a layer, joined over its inputs; None if it does not depend on the source."""
    shapes, positions = graph.input_shapes(node.name), graph.shapes[node.name][1:]
    each = zip(node.inputs, shapes, node.layer.windows(*shapes), node.layer.output_axes(*shapes), strict=True)
    joined: tuple[Axis, ...] | None = None
    for name, shape, windows, goes_on in each:
        if name not in axes:
            continue
        before, after = _positions(graph, name) if name in graph.inputs else shape[1:], []
        for axis in axes[name]:
            to = None if axis.at is None else goes_on[axis.at]
            if axis.at is None or to is None:
                after.append(axis.ended())
                continue
            passed = axis.through(windows[axis.at], before[axis.at], positions[to])
            after.append(replace(passed, at=to) if passed.at != to else passed)
        joined = tuple(after if joined is None else (a.joined(b) for a, b in zip(joined, after, strict=True)))
    return joined
