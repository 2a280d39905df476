"""One activation reduced to a few numbers for each map, while it is still in the processor's caches."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convscope.see.extremes import Candidates

PART = 448
"""Maps are searched in parts of about so many values: long enough for vector instructions, and short enough
that little is looked at again to find where a peak is."""
LONGEST = 1024


@dataclass(frozen=True, eq=False)
class Reduced:
    """The maps of one layer for a batch: in parts, with the extreme values of each part and of each map."""

    parts: Float[Tensor, "b u parts length"]
    highs: Float[Tensor, "b u parts"]
    lows: Float[Tensor, "b u parts"]
    peaks: Float[Tensor, "b u"]
    troughs: Float[Tensor, "b u"]

    @classmethod
    def of(cls, act: Float[Tensor, "b u *size"]) -> "Reduced":
        """Two passes over the activation, one for each end."""
        flat = act.contiguous().flatten(2) if act.dim() > 2 else act[:, :, None]
        parts = flat.unflatten(2, (-1, _length(flat.shape[2])))
        highs, lows = parts.amax(3), parts.amin(3)
        return cls(parts, highs, lows, highs.amax(2).float(), lows.amin(2).float())

    def moments(self) -> tuple[Float[Tensor, "b u"], Float[Tensor, "b u"]]:
        """Mean and mean square of each map."""
        flat = self.parts.flatten(2)
        squares = torch.linalg.vector_norm(flat, 2, 2, dtype=torch.float32).square() / flat.shape[2]
        return flat.mean(2, dtype=torch.float32), squares

    def candidates(
        self, threshold: Float[Tensor, " u"], images: Int64[Tensor, " b"], first: int, k: int, *, lowest: bool
    ) -> Candidates:
        """What of this batch may be among the `k` largest values of its unit, and where on the map it is.

        Args:
            threshold: what a unit's value must exceed.
            images: number of each image.
            first: number of the layer's first unit.
            k: how many are kept.
            lowest: the smallest values, negated, rather than the largest.
        """
        values = -self.troughs if lowest else self.peaks
        row, unit = _promising(values, threshold.to(values.device), k).nonzero(as_tuple=True)
        ends, find = (self.lows, torch.argmin) if lowest else (self.highs, torch.argmax)
        if len(row):
            part = find(ends[row, unit], 1)
            spots = part * self.parts.shape[3] + find(self.parts[row, unit, part], 1)
        else:
            spots = row
        return Candidates(first + unit.cpu(), values[row, unit].cpu(), images[row.cpu()], spots.cpu())


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
