"""Histograms of many units that need no range beforehand and can be merged without loss.

The bins of each unit divide the range from -2^e to 2^e. When a value falls outside, e grows and neighbouring
bins are added up; edges are multiples of powers of 2, so new edges are a subset of old ones. The result
depends on the values alone, not on their order, on where a run was stopped, or on how the data was divided.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

BINS = 128
"""Number of bins from -2^e to 2^e, each 1/64 of 2^e wide. The largest magnitude is at least half of 2^e,
so at least a quarter of the bins lie between 0 and it.
"""
SMALLEST_EXPONENT = -32
"""The smallest e: values nearer to 0 than 2^-38 share one bin on either side."""
LARGEST_EXPONENT = 128
"""The largest e: every float32 lies within."""
_HALF = BINS // 2
_POWERS = torch.tensor([2.0**k for k in range(-126, 128)])


@dataclass(eq=False)
class Histograms:
    """Histograms of many units.

    Attributes:
        counts: number of values in each bin.
        exponents: exponent e of each unit's range.
    """

    counts: Int[Tensor, "u bins"]
    exponents: Int[Tensor, " u"]

    @classmethod
    def empty(cls, units: int) -> "Histograms":
        """Return histograms without values.

        Args:
            units: number of units.

        Returns:
            Histograms with the smallest range.
        """
        return cls(torch.zeros(units, BINS, dtype=torch.int32), torch.full((units,), SMALLEST_EXPONENT))

    def add(self, values: Float[Tensor, "b u"]) -> None:
        """Count values, in place; those that are not finite are left out.

        Args:
            values: one row for each image, one column for each unit.
        """
        finite = values.isfinite()
        values = torch.where(finite, values, 0.0)
        self._widen(_exponents(values.abs().amax(0)))
        scale = _POWERS[(6 - self.exponents + 126).clamp(0, len(_POWERS) - 1)]
        bins = (values * scale).floor_().add_(_HALF).clamp_(0, BINS - 1).long()
        bins += torch.arange(len(self.counts)) * BINS
        self.counts.view(-1).scatter_add_(0, bins.flatten(), finite.int().flatten())

    def merged(self, other: "Histograms") -> "Histograms":
        """Return the histograms of the values of both; exact.

        Args:
            other: histograms of the same units.

        Returns:
            New histograms.
        """
        first = Histograms(self.counts.clone(), self.exponents.clone())
        second = Histograms(other.counts.clone(), other.exponents.clone())
        first._widen(second.exponents)
        second._widen(first.exponents)
        return Histograms(first.counts + second.counts, first.exponents)

    def edges(self, unit: int) -> Float[Tensor, " edges"]:
        """Return the bin edges of one unit.

        Args:
            unit: its index.

        Returns:
            The lower edge of each bin and the upper edge of the last, in double precision.
        """
        return torch.arange(-_HALF, _HALF + 1).double() * 2.0 ** (int(self.exponents[unit]) - 6)

    def share_below(self, unit: int, value: float) -> float:
        """Return the share of a unit's values below a threshold, interpolated linearly within a bin.

        Args:
            unit: its index.
            value: the threshold.

        Returns:
            A share from 0 to 1; 0 where the unit has no values.
        """
        counts, edges = self.counts[unit].double(), self.edges(unit)
        total = float(counts.sum())
        if total == 0:
            return 0.0
        inside = ((value - edges[:-1]) / (edges[1] - edges[0])).clamp(0, 1)
        return float((counts * inside).sum()) / total

    def _widen(self, exponents: Int[Tensor, " u"]) -> None:
        """Raise exponents to at least these, and merge bins accordingly."""
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
    """Return the smallest e such that a magnitude is below 2^e."""
    exponents = torch.frexp(largest).exponent.long()
    return torch.where(largest == 0, SMALLEST_EXPONENT, exponents).clamp(SMALLEST_EXPONENT, LARGEST_EXPONENT)
