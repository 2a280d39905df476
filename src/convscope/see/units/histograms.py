"""Histograms of many units at once that need no range beforehand and lose nothing when they are merged.

Every unit's bins lie between -2^e and 2^e. When a value falls outside, e grows and neighbouring bins are
added up: edges are multiples of powers of 2, so old edges remain edges. The result depends on the values
alone, not on their order, on where a run was stopped, or on how the data was divided.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

BINS = 128
"""Bins from -2^e to 2^e; at least a quarter of them lie on the used side of 0, each 1/64 of 2^e wide."""
LEAST = -32
"""The smallest e: values nearer to 0 than 2^-38 share one bin on either side."""
MOST = 128
"""The largest e: every float32 lies within."""
_HALF = BINS // 2
_POWERS = torch.tensor([2.0**k for k in range(-126, 128)])


@dataclass(eq=False)
class Histograms:
    """Counts `[u bins]`, and for each unit the exponent e of its range."""

    counts: Int[Tensor, "u bins"]
    exponents: Int[Tensor, " u"]

    @classmethod
    def empty(cls, units: int) -> "Histograms":
        """No values yet."""
        return cls(torch.zeros(units, BINS, dtype=torch.int32), torch.full((units,), LEAST))

    def add(self, values: Float[Tensor, "b u"]) -> None:
        """Count one value of each row for each unit; what is not finite is left out."""
        finite = values.isfinite()
        values = torch.where(finite, values, 0.0)
        self._widen(_exponents(values.abs().amax(0)))
        scale = _POWERS[(6 - self.exponents + 126).clamp(0, len(_POWERS) - 1)]
        bins = (values * scale).floor_().add_(_HALF).clamp_(0, BINS - 1).long()
        bins += torch.arange(len(self.counts)) * BINS
        self.counts.view(-1).scatter_add_(0, bins.flatten(), finite.int().flatten())

    def merged(self, other: "Histograms") -> "Histograms":
        """Both together, exactly."""
        first = Histograms(self.counts.clone(), self.exponents.clone())
        second = Histograms(other.counts.clone(), other.exponents.clone())
        first._widen(second.exponents)
        second._widen(first.exponents)
        return Histograms(first.counts + second.counts, first.exponents)

    def edges(self, unit: int) -> Float[Tensor, " edges"]:
        """Where the bins of one unit begin, and where the last ends."""
        return torch.arange(-_HALF, _HALF + 1).double() * 2.0 ** (int(self.exponents[unit]) - 6)

    def share_below(self, unit: int, value: float) -> float:
        """Share of a unit's values that lie below; inside a bin they are taken to lie evenly."""
        counts, edges = self.counts[unit].double(), self.edges(unit)
        total = float(counts.sum())
        if total == 0:
            return 0.0
        inside = ((value - edges[:-1]) / (edges[1] - edges[0])).clamp(0, 1)
        return float((counts * inside).sum()) / total

    def _widen(self, exponents: Int[Tensor, " u"]) -> None:
        """Give units at least these exponents."""
        narrow = (exponents > self.exponents).nonzero().flatten()
        if not len(narrow):
            return
        steps = exponents[narrow] - self.exponents[narrow]
        numbers = torch.arange(-_HALF, _HALF)
        moved = (numbers >> steps[:, None].clamp_max(31)) + _HALF
        wider = torch.zeros(len(narrow), BINS, dtype=torch.int32).scatter_add_(1, moved, self.counts[narrow])
        self.counts[narrow] = wider
        self.exponents[narrow] = exponents[narrow]


def _exponents(largest: Float[Tensor, " u"]) -> Int[Tensor, " u"]:
    """The smallest e with values below 2^e."""
    exponents = torch.frexp(largest).exponent.long()
    return torch.where(largest == 0, LEAST, exponents).clamp(LEAST, MOST)
