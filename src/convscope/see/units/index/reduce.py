"""Reduce an activation to a few numbers for each feature map, while it is in the processor's caches."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convscope.see.units.index.topk import TopKCandidates

PART = 448
"""Preferred length of the parts in which maps are searched: long enough for vector instructions, and short
enough that little is read again to find where an extreme value is.
"""
LONGEST = 1024
"""Maps of at most this many values are not divided."""


CACHED = 2**18
"""Number of values that get all reductions before the next are read: 1 MiB stays in a core's cache."""
VECTOR = 64
"""Number of contiguous values that torch's maxima process at full speed."""


@dataclass(frozen=True, eq=False)
class ActivationSummary:
    """Feature maps of one layer for a batch, divided into parts, with their extremes and sums.

    Attributes:
        parts: all values, each map divided into parts of equal length.
        highs: largest value of each part.
        lows: smallest value of each part.
        maxima: largest value of each map.
        minima: smallest value of each map.
        sums: sum of each map's values (row 0) and of their squares (row 1).
    """

    parts: Float[Tensor, "b u parts length"]
    highs: Float[Tensor, "b u parts"]
    lows: Float[Tensor, "b u parts"]
    maxima: Float[Tensor, "b u"]
    minima: Float[Tensor, "b u"]
    sums: Float[Tensor, "2 b u"]

    @classmethod
    def of(cls, act: Float[Tensor, "b u *size"]) -> "ActivationSummary":
        """Reduce an activation, reading it once in the order in which it lies in memory.

        Args:
            act: activations of a batch, contiguous or channels last.

        Returns:
            The summary, on the activation's device.
        """
        flat = act.flatten(2) if act.dim() > 2 else act[:, :, None]
        length = _length(flat.shape[2])
        aside = act.dim() > 2 and not act.is_contiguous() and flat.mT.is_contiguous()
        if aside:
            found = _side_by_side(flat.mT, length)
        else:
            flat = flat.contiguous()
            rows = _reduced(flat.reshape(-1, length))
            found = tuple(each.view(*flat.shape[:2], -1) for each in rows)
        highs, lows, sums, squares = found
        return cls(
            flat.unflatten(2, (-1, length)),
            highs,
            lows,
            highs.amax(2).float(),
            lows.amin(2).float(),
            torch.stack((sums.sum(2), squares.sum(2))),
        )

    def moments(self) -> tuple[Float[Tensor, "b u"], Float[Tensor, "b u"]]:
        """Return mean and mean square of each map."""
        means, squares = self.sums / (self.parts.shape[2] * self.parts.shape[3])
        return means, squares

    def candidates(
        self, threshold: Float[Tensor, " u"], images: Int64[Tensor, " b"], first: int, k: int, *, lowest: bool
    ) -> TopKCandidates:
        """Return the values that may be among the `k` largest of their unit, with their positions.

        Args:
            threshold: for each unit, what a value must exceed.
            images: index of each image in the data.
            first: index of the layer's first unit.
            k: number of values that are kept for each unit.
            lowest: return candidates for the smallest values, negated, instead of the largest.

        Returns:
            The candidates on the CPU, in the order of the images.
        """
        values = -self.minima if lowest else self.maxima
        row, unit = _promising(values, threshold.to(values.device), k).nonzero(as_tuple=True)
        ends, find = (self.lows, torch.argmin) if lowest else (self.highs, torch.argmax)
        if len(row):
            part = find(ends[row, unit], 1)
            spots = part * self.parts.shape[3] + find(self.parts[row, unit, part], 1)
        else:
            spots = row
        return TopKCandidates(first + unit.cpu(), values[row, unit].cpu(), images[row.cpu()], spots.cpu())


def _reduced(rows: Float[Tensor, "n length *side"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return maximum, minimum, sum and sum of squares of each row, in portions that fit the cache."""
    few = rows.split(max(1, CACHED // rows[0].numel())) if len(rows) else (rows,)
    found = [
        (near.amax(1), near.amin(1), near.sum(1, dtype=torch.float32), near.float().square().sum(1))
        for near in few
    ]
    return tuple(torch.cat(each) for each in zip(*found, strict=True))  # type: ignore[return-value]


def _side_by_side(maps: Float[Tensor, "b n u"], length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Reduce each part of maps whose values at one position are contiguous (channels last)."""
    count, _, units = maps.shape
    group = 1
    while group * units % VECTOR and length % (2 * group) == 0:
        group *= 2
    rows = maps.reshape(-1, length // group, group * units)
    highs, lows, sums, squares = (each.view(count, -1, group, units) for each in _reduced(rows))
    each = (highs.amax(2), lows.amin(2), sums.sum(2), squares.sum(2))
    return tuple(values.mT for values in each)  # type: ignore[return-value]


def _promising(values: Float[Tensor, "b u"], threshold: Float[Tensor, " u"], k: int) -> Bool[Tensor, "b u"]:
    """Return which values exceed the threshold and are among the `k` largest of the batch."""
    beats = (values > threshold) & values.isfinite()
    if len(values) > k and int(beats.sum()) > k * values.shape[1] // 2:
        least = torch.where(beats, values, -torch.inf).topk(k, 0).values[-1]
        beats &= values >= least
    return beats


@lru_cache(maxsize=256)
def _length(values: int) -> int:
    """Return the divisor of a map's size that is nearest to `PART`; small maps are not divided."""
    if values <= LONGEST:
        return values
    fitting = [n for n in range(PART // 4, LONGEST + 1) if values % n == 0]
    return min(fitting, key=lambda n: abs(n - PART)) if fitting else values
