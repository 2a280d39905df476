"""Layered layout (Sugiyama style) of a directed acyclic graph, independent of the size of what is drawn.

Rows are longest-path layers. Long edges bend at one dummy item in each row they pass, shared by all edges
that carry the same value. Crossings are reduced by barycenter sweeps (Sugiyama, Tagawa, Toda 1981). Vertical
chains of items share one x coordinate, as in Brandes and Koepf (2002). Only the coordinates for given sizes
remain to be computed, by `columns`: the page repeats that step when a module is unfolded.
"""

import itertools
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

SWEEPS = 12
"""Most passes down and up in the search for few crossings."""


@dataclass(frozen=True)
class Line:
    """All edges that carry one value.

    Attributes:
        value: identifier of the value; not used by the layout.
        source: the item that produces it.
        targets: the items that read it.
        bends: dummy items, one for each row that the longest of the edges passes, from top to bottom.
    """

    value: int
    source: int
    targets: tuple[int, ...]
    bends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Layered:
    """A layered arrangement: the row of each item, its order within the row, and its column.

    Attributes:
        rows: from top to bottom, each from left to right; items as given, then dummy items for bends.
        column: number of the column of each item; items of a column share an x coordinate. Where items stand
            side by side in a row, the left one's column has the smaller number.
        lines: as given, with their bends.
    """

    rows: tuple[tuple[int, ...], ...]
    column: tuple[int, ...]
    lines: tuple[Line, ...]

    @cached_property
    def row(self) -> Mapping[int, int]:
        """The row of each item, counted from 0 at the top."""
        return {item: number for number, items in enumerate(self.rows) for item in items}

    def routes(self, line: Line) -> list[tuple[int, ...]]:
        """Return the routes of a line, one for each target.

        Args:
            line: one of `lines`.

        Returns:
            For each target the items from source to target, bends included.
        """
        above = self.row[line.source] + 1
        return [(line.source, *line.bends[: self.row[target] - above], target) for target in line.targets]


def arrange(count: int, lines: Sequence[Line], top: int = 0, bottom: int = 0) -> Layered:
    """Arrange the items of an acyclic graph in rows and columns.

    Args:
        count: number of items; numbered so that each has a larger number than what it reads.
        lines: the edges, grouped by the value they carry.
        top: this many of the first items stand alone in the first row.
        bottom: this many of the last items stand alone in the last row.

    Returns:
        The arrangement; the same for the same arguments.
    """
    rank = _ranks(count, lines, top, bottom)
    routed, ranks = _bent(lines, rank)
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for item, row in enumerate(ranks):
        rows[row].append(item)
    segments = sorted({pair for line in routed for pair in _segments(line, ranks)})
    _reduce_crossings(rows, segments)
    partner = _aligned(rows, segments, _main(count, routed, ranks), top, count)
    return Layered(tuple(map(tuple, rows)), _columns(rows, partner, len(ranks)), tuple(routed))


def columns(
    arranged: Layered, left: Sequence[float], right: Sequence[float], gap: float
) -> tuple[list[float], float]:
    """Compute the x coordinate of each column for given item sizes.

    The result is the mean of the leftmost and the rightmost arrangement without overlaps, so that items with
    free space are centred in it. Columns that hold only bends then move towards the ends of their edges.

    Args:
        arranged: the arrangement.
        left: how far each item extends to the left of its column's coordinate.
        right: how far each item extends to the right of it.
        gap: smallest distance between neighbours in a row.

    Returns:
        The coordinates by number of column, and the total width; in the unit of the sizes.
    """
    number = max(arranged.column, default=-1) + 1
    pairs = [
        (arranged.column[a], arranged.column[b], right[a] + gap + left[b])
        for row in arranged.rows
        for a, b in itertools.pairwise(row)
    ]
    low, high = [0.0] * number, [0.0] * number
    for item, column in enumerate(arranged.column):
        low[column] = max(low[column], left[item])
        high[column] = max(high[column], right[item])
    for a, b, distance in sorted(pairs):
        low[b] = max(low[b], low[a] + distance)
    width = max((x + extent for x, extent in zip(low, high, strict=True)), default=0.0)
    high = [width - extent for extent in high]
    for a, b, distance in sorted(pairs, reverse=True):
        high[a] = min(high[a], high[b] - distance)
    xs = [(x + y) / 2 for x, y in zip(low, high, strict=True)]
    _pull(arranged, sorted(pairs), xs)
    return xs, width


def _pull(arranged: Layered, pairs: Sequence[tuple[int, int, float]], xs: list[float]) -> None:
    """Move columns that hold only bends as near to the ends of their edges as their neighbours allow."""
    item_of = {bend for line in arranged.lines for bend in line.bends}
    solid = {column for item, column in enumerate(arranged.column) if item not in item_of}
    ends: dict[int, list[int]] = defaultdict(list)
    for line in arranged.lines:
        for bend in line.bends:
            if arranged.column[bend] not in solid:
                ends[arranged.column[bend]] += [arranged.column[end] for end in (line.source, *line.targets)]
    for column in sorted(ends, reverse=True):
        wanted = sum(xs[end] for end in ends[column]) / len(ends[column])
        limit = min([xs[b] - distance for a, b, distance in pairs if a == column], default=wanted)
        xs[column] = max(xs[column], min(wanted, limit))
    for column in sorted(ends):
        wanted = sum(xs[end] for end in ends[column]) / len(ends[column])
        limit = max([xs[a] + distance for a, b, distance in pairs if b == column], default=wanted)
        xs[column] = min(xs[column], max(wanted, limit))


def _ranks(count: int, lines: Sequence[Line], top: int, bottom: int) -> list[int]:
    """Assign rows by the longest path; an item that reads nothing stands just above its first reader."""
    rank = [0] * top + [int(top > 0)] * (count - top)
    readers: dict[int, list[int]] = defaultdict(list)
    for line in lines:
        readers[line.source] += line.targets
    for item in range(count):
        for target in readers[item]:
            rank[target] = max(rank[target], rank[item] + 1)
    if bottom:
        last = max([int(top > 0), *(row + 1 for row in rank[: count - bottom])])
        rank[count - bottom :] = [last] * bottom
    read = {target for line in lines for target in line.targets}
    for item in range(count - bottom - 1, top - 1, -1):
        if item not in read and readers[item]:
            rank[item] = min(rank[target] for target in readers[item]) - 1
    return rank


def _bent(lines: Sequence[Line], rank: list[int]) -> tuple[list[Line], list[int]]:
    """Add dummy items where lines pass rows; return the lines with bends and the row of each item."""
    ranks, routed = list(rank), []
    for line in lines:
        last = max((rank[target] for target in line.targets), default=rank[line.source])
        passed = range(rank[line.source] + 1, last)
        bends = tuple(range(len(ranks), len(ranks) + len(passed)))
        ranks += passed
        routed.append(Line(line.value, line.source, line.targets, bends))
    return routed, ranks


def _segments(line: Line, ranks: Sequence[int]) -> list[tuple[int, int]]:
    """Return every pair of items in adjacent rows that the line connects."""
    chain = (line.source, *line.bends)
    pairs = list(itertools.pairwise(chain))
    return pairs + [(chain[ranks[t] - ranks[line.source] - 1], t) for t in line.targets]


def _reduce_crossings(rows: list[list[int]], segments: Sequence[tuple[int, int]]) -> None:
    """Order each row by the mean position of its neighbours above, then below, as long as that helps."""
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for a, b in segments:
        below[a].append(b)
        above[b].append(a)
    best, fewest, idle = [list(row) for row in rows], _crossings(rows, below), 0
    for sweep in range(SWEEPS):
        if not fewest or idle > 3:
            break
        upward = sweep % 2 == 1
        order = range(len(rows) - 2, -1, -1) if upward else range(1, len(rows))
        for r in order:
            place = {item: x for x, item in enumerate(rows[r + 1 if upward else r - 1])}
            _sort(rows[r], place, below if upward else above)
        found = _crossings(rows, below)
        idle = 0 if found < fewest else idle + 1
        if found < fewest:
            best, fewest = [list(row) for row in rows], found
    rows[:] = best


def _sort(row: list[int], place: Mapping[int, int], neighbours: Mapping[int, list[int]]) -> None:
    """Sort a row by barycenter; an item without neighbours takes the key of the item before it."""
    keys, last = {}, -1.0
    for item in row:
        near = [place[n] for n in neighbours.get(item, ())]
        last = keys[item] = sum(near) / len(near) if near else last
    row.sort(key=keys.__getitem__)


def _crossings(rows: Sequence[Sequence[int]], below: Mapping[int, list[int]]) -> int:
    """Count the crossings of segments as inversions, with a Fenwick tree (Barth et al. 2004)."""
    count = 0
    for row, lower in itertools.pairwise(rows):
        place = {item: x for x, item in enumerate(lower)}
        tree, seen = [0] * (len(lower) + 1), 0
        for item in row:
            ends = sorted(place[b] for b in below.get(item, ()))
            for end in ends:
                at, upto = end + 1, 0
                while at:
                    upto += tree[at]
                    at &= at - 1
                count += seen - upto
            for end in ends:
                at = end + 1
                while at <= len(lower):
                    tree[at] += 1
                    at += at & -at
            seen += len(ends)
    return count


def _main(count: int, lines: Sequence[Line], ranks: Sequence[int]) -> set[tuple[int, int]]:
    """Return the segments of edges that no longer path bypasses, that is, of all but skip connections."""
    sources: dict[int, set[int]] = defaultdict(set)
    for line in lines:
        for target in line.targets:
            sources[target].add(line.source)
    before = [0] * count  # ancestors of each item, as bits
    around = [0] * count
    for item in range(count):
        for source in sources[item]:
            around[item] |= before[source]
        before[item] = around[item] | sum(1 << source for source in sources[item])
    found: set[tuple[int, int]] = set()
    for line in lines:
        direct = tuple(t for t in line.targets if not around[t] >> line.source & 1)
        if direct:
            last = max(ranks[t] for t in direct)
            bends = line.bends[: last - ranks[line.source] - 1]
            found.update(_segments(Line(line.value, line.source, direct, bends), ranks))
    return found


def _aligned(
    rows: Sequence[Sequence[int]],
    segments: Sequence[tuple[int, int]],
    main: set[tuple[int, int]],
    top: int,
    count: int,
) -> dict[int, int]:
    """Choose for each item the one below it in the same column, so that such pairs do not cross.

    An item that reads several items of the top row only is aligned with the last of them.
    """
    place = {item: x for row in rows for x, item in enumerate(row)}
    row_of = {item: r for r, row in enumerate(rows) for item in row}
    down: dict[int, list[int]] = defaultdict(list)
    up: dict[int, list[int]] = defaultdict(list)
    for a, b in segments:
        if (a, b) in main:
            down[a].append(b)
            up[b].append(a)
    middle_down = {a: _middle(ends, place) for a, ends in down.items()}
    middle_up = {b: max(ends) if max(ends) < top else _middle(ends, place) for b, ends in up.items()}
    straight = [(a, b) for a, b in segments if middle_down.get(a) == b and middle_up.get(b) == a]
    bends = [(a, b) for a, b in segments if a >= count and b >= count]
    partner: dict[int, int] = {}
    taken: set[int] = set()
    accepted: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for a, b in straight + bends:
        pair, kept = (place[a], place[b]), accepted[row_of[a]]
        at = bisect_left(kept, pair)
        free = (at == 0 or kept[at - 1][1] < pair[1]) and (at == len(kept) or kept[at][1] > pair[1])
        if free and a not in partner and b not in taken:
            partner[a] = b
            taken.add(b)
            insort(kept, pair)
    return partner


def _middle(ends: Sequence[int], place: Mapping[int, int]) -> int | None:
    """Return the median of an odd number of items by position; None for an even number."""
    return sorted(ends, key=place.__getitem__)[len(ends) // 2] if len(ends) % 2 else None


def _columns(rows: Sequence[Sequence[int]], partner: Mapping[int, int], total: int) -> tuple[int, ...]:
    """Number the columns so that each has a larger number than those to its left."""
    head = list(range(total))
    for row in rows:
        for item in row:
            if item in partner:
                head[partner[item]] = head[item]
    right: dict[int, set[int]] = defaultdict(set)
    waiting = dict.fromkeys(head, 0)
    for row in rows:
        for a, b in itertools.pairwise(row):
            if head[b] not in right[head[a]]:
                right[head[a]].add(head[b])
                waiting[head[b]] += 1
    ready = sorted(h for h, count in waiting.items() if not count)
    numbers: dict[int, int] = {}
    for h in ready:  # grows while it is read
        numbers[h] = len(numbers)
        for other in sorted(right[h]):
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    return tuple(numbers[h] for h in head)
