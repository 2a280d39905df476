"""Boxes in which the rows of a batch differ from one reference tensor: one for each row, all of one size.

A box that is too large is harmless: what is recomputed in it are the reference's values. So boxes at the
border are moved inwards until they have the size of the others, and one call computes a whole batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

Span = tuple[int, int]
"""First position, and the one after the last."""


@dataclass(frozen=True)
class KernelWindow:
    """A layer's window along one axis.

    Output `k` reads the positions `k * stride - before + j * dilation` for `0 <= j < kernel`.
    """

    kernel: int = 1
    stride: int = 1
    before: int = 0
    """Padding at the beginning."""
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Distance from the first to the last position that one output reads."""
        return (self.kernel - 1) * self.dilation

    def reached(self, span: Span, outputs: int) -> Span:
        """Return the outputs that read any position of a span.

        Args:
            span: positions of the input.
            outputs: the output's extent.

        Returns:
            Their hull, within the output; at least one output, even if none reads the span.
        """
        low = -(-(span[0] + self.before - self.reach) // self.stride)
        high = (span[1] - 1 + self.before) // self.stride + 1
        low = min(max(low, 0), outputs - 1)
        return low, max(min(high, outputs), low + 1)

    def reading(self, start: int, size: int) -> Span:
        """Return the positions that some outputs read.

        Args:
            start: the first output.
            size: how many outputs.

        Returns:
            Their span, counted from the first padded position.
        """
        first = start * self.stride
        return first, first + (size - 1) * self.stride + self.reach + 1


@dataclass(frozen=True)
class Boxes:
    """For each row of a batch the box that may differ from the reference, as one span for each axis.

    `extent` is the spatial size of the tensors.
    """

    spans: tuple[tuple[Span, ...], ...]
    extent: tuple[int, ...]

    @cached_property
    def size(self) -> tuple[int, ...]:
        """Common size of the boxes: the longest span along each axis."""
        return tuple(max(high - low for low, high in axis) for axis in zip(*self.spans, strict=True))

    @cached_property
    def starts(self) -> tuple[tuple[int, ...], ...]:
        """First position of each row's box along each axis, moved inwards at the border."""
        ends = [whole - size for whole, size in zip(self.extent, self.size, strict=True)]
        return tuple(
            tuple(min(low, end) for (low, _), end in zip(row, ends, strict=True)) for row in self.spans
        )

    @property
    def share(self) -> float:
        """Share of the whole extent that one box covers, 0 to 1."""
        return prod(self.size) / prod(self.extent)

    def union(self, other: "Boxes") -> "Boxes":
        """Return the hull of both boxes of each row.

        Args:
            other: boxes of as many rows in tensors of the same extent.

        Returns:
            The hulls.
        """
        spans = (
            tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(one, two, strict=True))
            for one, two in zip(self.spans, other.spans, strict=True)
        )
        return Boxes(tuple(spans), self.extent)

    def propagate(self, windows: Sequence[KernelWindow], outputs: Sequence[int]) -> "Boxes":
        """Return the boxes that may differ after a layer.

        Args:
            windows: the layer's window along each axis.
            outputs: the extent of its output.

        Returns:
            Boxes in the output.
        """
        spans = (
            tuple(w.reached(span, count) for w, span, count in zip(windows, row, outputs, strict=True))
            for row in self.spans
        )
        return Boxes(tuple(spans), tuple(outputs))

    def shift(self, by: Sequence[int], extent: Sequence[int]) -> "Boxes":
        """Move all spans, as padding does.

        Args:
            by: positions added at the beginning of each axis.
            extent: the new extent.

        Returns:
            The moved boxes.
        """
        spans = (
            tuple((low + step, high + step) for (low, high), step in zip(row, by, strict=True))
            for row in self.spans
        )
        return Boxes(tuple(spans), tuple(extent))


def extract(
    whole: Float[Tensor, "rows c *extent"], starts: Sequence[Sequence[int]], size: Sequence[int]
) -> Float[Tensor, "b c *size"]:
    """Copy boxes of one size out of a tensor.

    Args:
        whole: one row for all boxes, or one row for each.
        starts: first position of each box along each axis.
        size: of the boxes.

    Returns:
        `[b c *size]`, in the memory format of `whole`.
    """
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
    """Copy boxes out of a channels-last tensor, line by line: each is contiguous in memory."""
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
    """Overwrite boxes with others where they overlap.

    Args:
        values: the boxes that are written.
        starts: their first positions in a common tensor.
        onto: the boxes that are written to, in place.
        origins: their first positions.
    """
    for row, (at, origin) in enumerate(zip(starts, origins, strict=True)):
        there, here = [], []
        for a, o, size, room in zip(at, origin, values.shape[2:], onto.shape[2:], strict=True):
            first, end = max(a, o), min(a + size, o + room)
            there.append(slice(first - o, max(end, first) - o))
            here.append(slice(first - a, max(end, first) - a))
        onto[(row, slice(None), *there)] = values[(row, slice(None), *here)]
