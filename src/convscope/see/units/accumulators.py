"""What is kept of many units while images stream by: extremes, histograms, sums, classes."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.see.units.histograms import Histograms
from convscope.see.units.topk import RunningTopK, TopKCandidates


@dataclass(frozen=True, eq=False)
class BatchSummary:
    """What one batch said, units of all layers side by side; NaN where a layer was not passed."""

    maxima: Float[Tensor, "b u"]
    """Largest value on each map."""
    means: Float[Tensor, "b u"]
    """Mean over each map."""
    squares: Float[Tensor, "b u"]
    """Mean of the squares over each map."""
    top: TopKCandidates
    bottom: TopKCandidates
    """Of the negated values."""
    labels: Int64[Tensor, " b"]


@dataclass(eq=False)
class UnitAccumulator:
    """Everything about every unit over the images so far.

    What a unit says to an image is its peak: the largest value of its map. `bottom` holds negated values.
    """

    top: RunningTopK
    bottom: RunningTopK
    histograms: Histograms
    """Of peaks."""
    images: Int64[Tensor, " u"]
    """How many images had a finite peak."""
    silent: Int64[Tensor, " u"]
    """For how many of them it was not above 0."""
    sums: Float[Tensor, "2 u"]
    """Sums of the maps' means and mean squares."""
    classes: Float[Tensor, "classes u"]
    """Sums of peaks by class."""
    members: Int64[Tensor, "classes u"]
    """Images of each class."""

    @classmethod
    def empty(cls, units: int, k: int, classes: int) -> "UnitAccumulator":
        """Before the first image."""
        return cls(
            RunningTopK.empty(units, k),
            RunningTopK.empty(units, k),
            Histograms.empty(units),
            torch.zeros(units, dtype=torch.int64),
            torch.zeros(units, dtype=torch.int64),
            torch.zeros(2, units, dtype=torch.float64),
            torch.zeros(classes, units, dtype=torch.float64),
            torch.zeros(classes, units, dtype=torch.int64),
        )

    def add(self, batch: BatchSummary) -> None:
        """Take in a batch of images that come after all that were seen."""
        finite = batch.maxima.isfinite()
        peaks = torch.where(finite, batch.maxima, 0.0)
        self.top.add(batch.top)
        self.bottom.add(batch.bottom)
        self.histograms.add(batch.maxima)
        self.images += finite.sum(0)
        self.silent += (finite & (batch.maxima <= 0)).sum(0)
        for total, part in zip(self.sums, (batch.means, batch.squares), strict=True):
            total += torch.where(finite, part, 0.0).double().sum(0)
        if len(self.classes):
            self.classes.index_add_(0, batch.labels, peaks.double())
            self.members.index_add_(0, batch.labels, finite.long())

    def merged(self, other: "UnitAccumulator") -> "UnitAccumulator":
        """Both together; each must have seen other images."""
        return UnitAccumulator(
            self.top.merged(other.top),
            self.bottom.merged(other.bottom),
            self.histograms.merged(other.histograms),
            self.images + other.images,
            self.silent + other.silent,
            self.sums + other.sums,
            self.classes + other.classes,
            self.members + other.members,
        )

    @property
    def mean(self) -> Float[Tensor, " u"]:
        """Over all values of all maps, where every map has the same number of them."""
        return self.sums[0] / self.images

    @property
    def std(self) -> Float[Tensor, " u"]:
        """Over all values of all maps."""
        return (self.sums[1] / self.images - self.mean.square()).clamp_min(0).sqrt()

    @property
    def low(self) -> Float[Tensor, " u"]:
        """The smallest value of all."""
        return -self.bottom.values[:, 0]

    @property
    def high(self) -> Float[Tensor, " u"]:
        """The largest value of all."""
        return self.top.values[:, 0]

    def tensors(self) -> dict[str, Tensor]:
        """Everything by name, for files and for other processes."""
        return {
            **{f"top.{name}": tensor for name, tensor in vars(self.top).items()},
            **{f"bottom.{name}": tensor for name, tensor in vars(self.bottom).items()},
            **{f"histograms.{name}": tensor for name, tensor in vars(self.histograms).items()},
            **{name: getattr(self, name) for name in _PLAIN},
        }

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "UnitAccumulator":
        """From what `tensors` gave.

        Raises:
            KeyError: something is missing.
        """

        def part(kind: str, names: tuple[str, ...]) -> list[Tensor]:
            return [tensors[f"{kind}.{name}"] for name in names]

        ends = ("values", "images", "flat_positions")
        return cls(
            RunningTopK(*part("top", ends)),
            RunningTopK(*part("bottom", ends)),
            Histograms(*part("histograms", ("counts", "exponents"))),
            *(tensors[name] for name in _PLAIN),
        )


_PLAIN = ("images", "silent", "sums", "classes", "members")
