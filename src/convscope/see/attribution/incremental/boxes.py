"""Where the rows of a batch differ from one tensor that is known: one box for each row, all of one size.

A box that is too large does no harm: what is recomputed in it is what was there. So boxes at a border are
moved inwards until they have the size of the others, and one call serves a whole batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

Span = tuple[int, int]
"""The first position and the one after the last."""


@dataclass(frozen=True)
class Window:
    """How one axis is read: output `k` reads `k * stride - before + j * dilation` for j below `kernel`."""

    kernel: int = 1
    stride: int = 1
    before: int = 0
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Positions from the first to the last that one output reads, less one."""
        return (self.kernel - 1) * self.dilation

    def reached(self, span: Span, outputs: int) -> Span:
        """The hull of the outputs that read anything in a span; one of them where none does."""
        low = -(-(span[0] + self.before - self.reach) // self.stride)
        high = (span[1] - 1 + self.before) // self.stride + 1
        low = min(max(low, 0), outputs - 1)
        return low, max(min(high, outputs), low + 1)

    def reading(self, start: int, size: int) -> Span:
        """What `size` outputs from `start` on read, counted from the first padded position."""
        first = start * self.stride
        return first, first + (size - 1) * self.stride + self.reach + 1


@dataclass(frozen=True)
class Boxes:
    """For each row and each axis, the span that may differ, in tensors of this extent."""

    spans: tuple[tuple[Span, ...], ...]
    extent: tuple[int, ...]

    @cached_property
    def size(self) -> tuple[int, ...]:
        """Of the boxes: the largest span along each axis."""
        return tuple(max(high - low for low, high in axis) for axis in zip(*self.spans, strict=True))

    @cached_property
    def starts(self) -> tuple[tuple[int, ...], ...]:
        """Where the box of each row begins."""
        ends = [whole - size for whole, size in zip(self.extent, self.size, strict=True)]
        return tuple(
            tuple(min(low, end) for (low, _), end in zip(row, ends, strict=True)) for row in self.spans
        )

    @property
    def share(self) -> float:
        """Of the whole extent that a box takes."""
        return prod(self.size) / prod(self.extent)

    def union(self, other: "Boxes") -> "Boxes":
        """The hull of both, row by row."""
        spans = (
            tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(one, two, strict=True))
            for one, two in zip(self.spans, other.spans, strict=True)
        )
        return Boxes(tuple(spans), self.extent)

    def propagate(self, windows: Sequence[Window], outputs: Sequence[int]) -> "Boxes":
        """What may differ after a layer that reads by these windows."""
        spans = (
            tuple(w.reached(span, count) for w, span, count in zip(windows, row, outputs, strict=True))
            for row in self.spans
        )
        return Boxes(tuple(spans), tuple(outputs))

    def shift(self, by: Sequence[int], extent: Sequence[int]) -> "Boxes":
        """The same spans in a tensor that begins so much earlier."""
        spans = (
            tuple((low + step, high + step) for (low, high), step in zip(row, by, strict=True))
            for row in self.spans
        )
        return Boxes(tuple(spans), tuple(extent))


def extract(
    whole: Float[Tensor, "rows c *extent"], starts: Sequence[Sequence[int]], size: Sequence[int]
) -> Float[Tensor, "b c *size"]:
    """Boxes of one size out of a tensor with one row for all, or one for each."""
    last = whole.dim() == 4 and whole.is_contiguous(memory_format=torch.channels_last)
    if last:
        return _lines(whole, starts, size)
    made = torch.empty((len(starts), whole.shape[1], *size), dtype=whole.dtype, device=whole.device)
    for row, at in enumerate(starts):
        box = (slice(first, first + extent) for first, extent in zip(at, size, strict=True))
        made[row] = whole[(row if len(whole) > 1 else 0, slice(None), *box)]
    return made


def _lines(
    whole: Float[Tensor, "rows c h w"], starts: Sequence[Sequence[int]], size: Sequence[int]
) -> Float[Tensor, "b c *size"]:
    """Boxes out of a tensor with its channels last: each line of a box is one piece of memory."""
    rows, channels, height, width = whole.shape
    lines = whole.permute(0, 2, 3, 1).reshape(-1).unfold(0, size[1] * channels, channels)
    first = [((k if rows > 1 else 0) * height + y) * width + x for k, (y, x) in enumerate(starts)]
    at = (
        torch.tensor(first, device=whole.device)[:, None] + torch.arange(size[0], device=whole.device) * width
    )
    return lines.index_select(0, at.flatten()).view(len(starts), *size, channels).permute(0, 3, 1, 2)


def paste(
    values: Float[Tensor, "b c *size"],
    starts: Sequence[Sequence[int]],
    onto: Float[Tensor, "b c *other"],
    origins: Sequence[Sequence[int]],
) -> None:
    """Write boxes over others, where they meet; both are given by where they begin."""
    for row, (at, origin) in enumerate(zip(starts, origins, strict=True)):
        there, here = [], []
        for a, o, size, room in zip(at, origin, values.shape[2:], onto.shape[2:], strict=True):
            first, end = max(a, o), min(a + size, o + room)
            there.append(slice(first - o, max(end, first) - o))
            here.append(slice(first - a, max(end, first) - a))
        onto[(row, slice(None), *there)] = values[(row, slice(None), *here)]
