"""Keep the k largest activations of many units, with their images and positions, over a stream of images."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TopKCandidates:
    """Values that may enter the k largest of their units, in the order of their images.

    Attributes:
        units: index of each value's unit.
        values: the values.
        images: index of each value's image.
        flat_positions: where on the feature map each value is, as an index into the flattened map
            (row-major).
    """

    units: Int64[Tensor, " m"]
    values: Float[Tensor, " m"]
    images: Int64[Tensor, " m"]
    flat_positions: Int64[Tensor, " m"]

    @classmethod
    def together(cls, parts: "list[TopKCandidates]") -> "TopKCandidates":
        """Concatenate the candidates of several layers, whose units are distinct.

        Args:
            parts: candidates of each layer; may be empty.

        Returns:
            The candidates of all layers.
        """
        if not parts:
            nothing = torch.empty(0, dtype=torch.int64)
            return cls(nothing, torch.empty(0), nothing, nothing)
        names = ("units", "values", "images", "flat_positions")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@dataclass(eq=False)
class RunningTopK:
    """The k largest values of each unit so far in descending order, with their images and positions.

    Of equal values that of the earlier image comes first. Unused entries hold the value -inf and image -1.

    Attributes:
        values: the values.
        images: index of each value's image.
        flat_positions: where on the feature map each value is, as an index into the flattened map
            (row-major).
    """

    values: Float[Tensor, "u k"]
    images: Int64[Tensor, "u k"]
    flat_positions: Int64[Tensor, "u k"]

    @classmethod
    def empty(cls, units: int, k: int) -> "RunningTopK":
        """Return a table without entries.

        Args:
            units: number of units.
            k: number of values to keep for each unit.

        Returns:
            The table, with all entries unused.
        """
        free = torch.full((units, k), -1)
        return cls(torch.full((units, k), -torch.inf), free, free.clone())

    @property
    def threshold(self) -> Float[Tensor, " u"]:
        """For each unit, what the value of a later image must exceed to enter."""
        return self.values[:, -1]

    def add(self, new: TopKCandidates) -> None:
        """Insert candidates, in place. Their images must come after all that were added before.

        Args:
            new: the candidates; only rows of their units change.
        """
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
        """Return the k largest values of both.

        Args:
            other: a table of the same units and k over other images, earlier or later.

        Returns:
            A new table.
        """
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
