"""One activation reduced to a few numbers for each map, while it is still in the processor's caches."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convscope.see.units.topk import TopKCandidates

PART = 448
"""Maps are searched in parts of about so many values: long enough for vector instructions, and short enough
that little is looked at again to find where a peak is."""
LONGEST = 1024


CACHED = 2**18
"""Values that are reduced in every way before the next are fetched: 1 MiB stays in a core's cache."""
VECTOR = 64
"""Values side by side that torch's maxima go through at full speed."""


@dataclass(frozen=True, eq=False)
class ActivationSummary:
    """The maps of one layer for a batch: in parts, with the extreme values of each part and of each map."""

    parts: Float[Tensor, "b u parts length"]
    highs: Float[Tensor, "b u parts"]
    lows: Float[Tensor, "b u parts"]
    maxima: Float[Tensor, "b u"]
    minima: Float[Tensor, "b u"]
    sums: Float[Tensor, "2 b u"]
    """Of the values, and of their squares."""

    @classmethod
    def of(cls, act: Float[Tensor, "b u *size"]) -> "ActivationSummary":
        """The activation is fetched once, in the order in which it lies in memory."""
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
        """Mean and mean square of each map."""
        means, squares = self.sums / (self.parts.shape[2] * self.parts.shape[3])
        return means, squares

    def candidates(
        self, threshold: Float[Tensor, " u"], images: Int64[Tensor, " b"], first: int, k: int, *, lowest: bool
    ) -> TopKCandidates:
        """What of this batch may be among the `k` largest values of its unit, and where on the map it is.

        Args:
            threshold: what a unit's value must exceed.
            images: number of each image.
            first: number of the layer's first unit.
            k: how many are kept.
            lowest: the smallest values, negated, rather than the largest.
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
    """Largest, smallest, sum and sum of squares of each row, as long as it is in the cache."""
    few = rows.split(max(1, CACHED // rows[0].numel())) if len(rows) else (rows,)
    found = [
        (near.amax(1), near.amin(1), near.sum(1, dtype=torch.float32), near.float().square().sum(1))
        for near in few
    ]
    return tuple(torch.cat(each) for each in zip(*found, strict=True))  # type: ignore[return-value]


def _side_by_side(maps: Float[Tensor, "b n u"], length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same for each part of each map, where the values of all maps at one position lie side by side."""
    count, _, units = maps.shape
    group = 1
    while group * units % VECTOR and length % (2 * group) == 0:
        group *= 2
    rows = maps.reshape(-1, length // group, group * units)
    highs, lows, sums, squares = (each.view(count, -1, group, units) for each in _reduced(rows))
    each = (highs.amax(2), lows.amin(2), sums.sum(2), squares.sum(2))
    return tuple(values.mT for values in each)  # type: ignore[return-value]


def _promising(values: Float[Tensor, "b u"], threshold: Float[Tensor, " u"], k: int) -> Bool[Tensor, "b u"]:
    """Which values beat the threshold and are among the `k` largest of the batch."""
    beats = (values > threshold) & values.isfinite()
    if len(values) > k and int(beats.sum()) > k * values.shape[1] // 2:
        least = torch.where(beats, values, -torch.inf).topk(k, 0).values[-1]
        beats &= values >= least
    return beats


@lru_cache(maxsize=256)
def _length(values: int) -> int:
    """The divisor of a map's size that is nearest to a good length; small maps stay whole."""
    if values <= LONGEST:
        return values
    fitting = [n for n in range(PART // 4, LONGEST + 1) if values % n == 0]
    return min(fitting, key=lambda n: abs(n - PART)) if fitting else values
