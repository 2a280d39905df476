"""Receptive fields: which part of the input a unit of a layer can see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm
from types import MappingProxyType

from convscope.errors import GraphError, nearest
from convscope.graph.contract import Shape
from convscope.graph.graph import Graph, Node
from convscope.graph.layer import SAME, Window

Interval = tuple[int, int] | None
"""First and last position that is read; None where nothing is."""

LONGEST_PERIOD = 4096
"""Patterns that repeat more rarely are described by what they do inside the input."""


def hull(intervals: Sequence[Interval]) -> Interval:
    """The smallest interval that holds all."""
    some = [interval for interval in intervals if interval]
    return (min(low for low, _ in some), max(high for _, high in some)) if some else None


@dataclass(frozen=True)
class Pattern:
    """What the outputs along an axis read of an input that never ends, padding included.

    Output `k + period` reads what output `k` reads, `shift` positions further; `period` is the length of
    `intervals`.
    """

    intervals: tuple[Interval, ...]
    shift: int

    def at(self, k: int) -> Interval:
        """What output `k` reads."""
        turns, phase = divmod(k, len(self.intervals))
        interval = self.intervals[phase]
        return interval and (interval[0] + turns * self.shift, interval[1] + turns * self.shift)

    def through(self, window: Window) -> "Pattern | None":
        """The pattern after a layer with this window."""
        grid = window.up * len(self.intervals)
        period = grid // gcd(window.stride, grid)
        if period > LONGEST_PERIOD:
            return None
        after = tuple(hull([self.at(i) for i in window.taps(k)]) for k in range(period))
        return Pattern(after, period * window.stride // grid * self.shift)

    def joined(self, other: "Pattern | None") -> "Pattern | None":
        """The hull with another pattern; None if one moves faster than the other."""
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
        intervals: what each output reads, inside the input; a single one where all read the same.
        pattern: what they read where the input never ends; None where there is no such regularity.
        follows: whether `intervals` goes by the position along this axis.
    """

    extent: int
    intervals: tuple[Interval, ...]
    pattern: Pattern | None
    follows: bool

    @classmethod
    def start(cls, extent: int) -> "Axis":
        """The input itself."""
        return cls(extent, tuple((k, k) for k in range(extent)), Pattern(((0, 0),), 1), True)

    @cached_property
    def _monotone(self) -> bool:
        steps = zip(self.intervals, self.intervals[1:], strict=False)
        return None not in self.intervals and all(a[0] <= b[0] and a[1] <= b[1] for a, b in steps if a and b)

    def fixed(self) -> "Axis":
        """The field of a layer whose every unit reads all that this layer's units read."""
        return Axis(self.extent, (hull(self.intervals),), None, False) if self.follows else self

    def through(self, window: Window | None, inputs: int, outputs: int) -> "Axis":
        """The fields after a layer with this window, from `inputs` positions to `outputs`."""
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
        return Axis(self.extent, intervals, self.pattern and self.pattern.through(window), True)

    def _hull(self, reads: Sequence[int]) -> Interval:
        if self._monotone and reads:
            reads = (reads[0], reads[-1])
        return hull([self.intervals[i] for i in reads])

    def joined(self, other: "Axis") -> "Axis":
        """The hull of two branches, position by position."""
        if self == other:
            return self
        count = max(len(self.intervals), len(other.intervals))
        pairs = zip(self._spread(count), other._spread(count), strict=True)
        pattern = self.pattern and self.pattern.joined(other.pattern)
        return Axis(self.extent, tuple(map(hull, pairs)), pattern, self.follows or other.follows)

    def _spread(self, count: int) -> tuple[Interval, ...]:
        return self.intervals if self.follows else self.intervals * count

    @property
    def size(self) -> int:
        """Positions from the first to the last that a unit reads; the most where units differ."""
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
        """The first position that unit 0 reads; negative inside the padding."""
        known = self.pattern.intervals if self.pattern else self.intervals
        return known[0][0] if known[0] else 0

    @property
    def covers_all(self) -> bool:
        """Whether every unit sees the input from end to end."""
        return all(interval == (0, self.extent - 1) for interval in self.intervals)


@dataclass(frozen=True)
class Field:
    """The receptive fields of one layer in one input; numbers are pixels of that input, one for each axis.

    Attributes:
        source: the name of the input.
        axes: the fields along each spatial axis of the input.
        positions: spatial extent of the layer's output.
    """

    source: str
    axes: tuple[Axis, ...]
    positions: Shape

    @property
    def size(self) -> tuple[int, ...]:
        """Extent of what one unit sees, padding included; the largest where units differ."""
        return tuple(axis.size for axis in self.axes)

    @property
    def stride(self) -> tuple[Fraction, ...]:
        """Distance between neighbouring units: below 1 after upsampling, 0 where all see the same."""
        return tuple(axis.stride for axis in self.axes)

    @property
    def offset(self) -> tuple[int, ...]:
        """The first position that unit 0 reads; negative inside the padding."""
        return tuple(axis.offset for axis in self.axes)

    @property
    def covers_all(self) -> tuple[bool, ...]:
        """Whether every unit sees the input from end to end."""
        return tuple(axis.covers_all for axis in self.axes)

    def box(self, position: Sequence[int] = ()) -> tuple[tuple[int, int], ...] | None:
        """What the unit at `position` sees: the first pixel and the one after the last, axis by axis.

        It is the exact hull: dilation may leave holes in it, padding lies outside. None if the unit reads
        only padding. A position along an axis that the layer's units all see in full makes no difference.

        Raises:
            GraphError: the layer has no such position.
        """
        inside = len(position) == len(self.positions)
        inside = inside and all(0 <= k < n for k, n in zip(position, self.positions, strict=True))
        if not inside and (position or any(axis.follows for axis in self.axes)):
            raise GraphError(f"a position inside {self.positions}", received=str(tuple(position)))
        spans = [axis.intervals[position[i] if axis.follows else 0] for i, axis in enumerate(self.axes)]
        found = tuple((low, high + 1) for low, high in filter(None, spans))
        return found if len(found) == len(spans) else None


def receptive_fields(graph: Graph, source: str | None = None) -> Mapping[str, Field]:
    """The receptive field of every layer that sees the input `source` (the graph's first if not given).

    Branches that meet are joined to the hull of what they see. What training-time statistics see (batch
    norm), and neighbours in the channel axis, do not count; norms over space see everything.

    Raises:
        GraphError: the graph has no such input.
    """
    source = next(iter(graph.inputs)) if source is None else source
    if source not in graph.inputs:
        raise GraphError("the name of an input", received=source, hint=nearest(source, graph.inputs))
    axes: dict[str, tuple[Axis, ...]] = {source: tuple(map(Axis.start, graph.inputs[source][1:]))}
    for node in graph.nodes:
        found = _through(graph, node, axes)
        if found is not None:
            axes[node.name] = found
    return MappingProxyType(
        {name: Field(source, found, graph.shapes[name][1:]) for name, found in axes.items() if name != source}
    )


def _through(graph: Graph, node: Node, axes: Mapping[str, tuple[Axis, ...]]) -> tuple[Axis, ...] | None:
    """The axes after a layer, joined over all it reads; None if it does not see the input."""
    shapes, positions = graph.input_shapes(node.name), graph.shapes[node.name][1:]
    joined: tuple[Axis, ...] | None = None
    for name, shape, windows in zip(node.inputs, shapes, node.layer.windows(*shapes), strict=True):
        if name not in axes:
            continue
        if len(axes[name]) == len(windows) == len(positions):
            sizes = zip(axes[name], windows, shape[1:], positions, strict=True)
            after = tuple(axis.through(w, n, m) for axis, w, n, m in sizes)
        else:
            after = tuple(axis.fixed() for axis in axes[name])
        joined = after if joined is None else tuple(a.joined(b) for a, b in zip(joined, after, strict=True))
    return joined
