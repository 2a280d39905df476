"""The images that excite many units most, kept while images stream by."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TopKCandidates:
    """Values that might be among the largest, in the order of their images: unit, value, image, spot."""

    units: Int64[Tensor, " m"]
    values: Float[Tensor, " m"]
    images: Int64[Tensor, " m"]
    flat_positions: Int64[Tensor, " m"]
    """Where on the map, counted row by row."""

    @classmethod
    def together(cls, parts: "list[TopKCandidates]") -> "TopKCandidates":
        """Those of several layers, whose units are different."""
        if not parts:
            nothing = torch.empty(0, dtype=torch.int64)
            return cls(nothing, torch.empty(0), nothing, nothing)
        names = ("units", "values", "images", "flat_positions")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@dataclass(eq=False)
class RunningTopK:
    """For each unit the `k` largest values so far, with their images and spots, the largest first.

    Among equals the earlier image comes first. Places that are still free hold -inf and image -1.
    """

    values: Float[Tensor, "u k"]
    images: Int64[Tensor, "u k"]
    flat_positions: Int64[Tensor, "u k"]

    @classmethod
    def empty(cls, units: int, k: int) -> "RunningTopK":
        """Nothing yet."""
        free = torch.full((units, k), -1)
        return cls(torch.full((units, k), -torch.inf), free, free.clone())

    @property
    def threshold(self) -> Float[Tensor, " u"]:
        """What a value of a later image must exceed to enter."""
        return self.values[:, -1]

    def add(self, new: TopKCandidates) -> None:
        """Take in candidates of images that come after all that were seen; only units they belong to move."""
        if not len(new.units):
            return
        units, row = torch.unique(new.units, return_inverse=True)
        order = row.argsort(stable=True)
        row = row[order]
        counts = torch.bincount(row)
        k, slot = self.values.shape[1], torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
        wide = (len(units), k + int(counts.max()))
        values, numbers = torch.full(wide, -torch.inf), torch.full((2, *wide), -1)
        values[:, :k], numbers[0, :, :k], numbers[1, :, :k] = (
            self.values[units],
            self.images[units],
            self.flat_positions[units],
        )
        values[row, k + slot] = new.values[order]
        numbers[0, row, k + slot], numbers[1, row, k + slot] = new.images[order], new.flat_positions[order]
        best = values.sort(dim=1, descending=True, stable=True)
        chosen = best.indices[:, :k]
        self.values[units] = best.values[:, :k]
        self.images[units], self.flat_positions[units] = (
            numbers[0].gather(1, chosen),
            numbers[1].gather(1, chosen),
        )

    def merged(self, other: "RunningTopK") -> "RunningTopK":
        """The best of both, whichever images each has seen."""
        values, images, spots = (
            torch.cat(pair, 1)
            for pair in (
                (self.values, other.values),
                (self.images, other.images),
                (self.flat_positions, other.flat_positions),
            )
        )
        order = images.argsort(dim=1, stable=True)
        order = order.gather(1, values.gather(1, order).argsort(dim=1, descending=True, stable=True))
        order = order[:, : self.values.shape[1]]
        return RunningTopK(values.gather(1, order), images.gather(1, order), spots.gather(1, order))
