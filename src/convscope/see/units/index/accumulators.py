"""Accumulators for many units over a stream of images: extremes, histograms, moments and sums per class."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.see.units.index.histograms import Histograms
from convscope.see.units.index.topk import RunningTopK, TopKCandidates


@dataclass(frozen=True, eq=False)
class BatchSummary:
    """Reduced activations of one batch; the units of all layers are concatenated along `u`.

    Values are NaN where a layer did not run.

    Attributes:
        maxima: largest value of each feature map.
        means: mean over each feature map.
        squares: mean of the squares over each feature map.
        top: candidates for the largest values.
        bottom: candidates for the smallest values, negated.
        labels: class of each image.
    """

    maxima: Float[Tensor, "b u"]
    means: Float[Tensor, "b u"]
    squares: Float[Tensor, "b u"]
    top: TopKCandidates
    bottom: TopKCandidates
    labels: Int64[Tensor, " b"]


@dataclass(eq=False)
class UnitAccumulator:
    """Statistics of every unit over the images so far.

    The peak of a unit on an image is the largest value of its feature map.

    Attributes:
        top: the largest peaks of each unit.
        bottom: the smallest values of each unit's feature maps, negated.
        histograms: histograms of the peaks.
        images: number of images with a finite peak.
        inactive: number of those whose peak is not above 0.
        sums: sums over images of the feature maps' means (row 0) and mean squares (row 1).
        classes: sums of peaks by class.
        members: number of images with a finite peak by class.
    """

    top: RunningTopK
    bottom: RunningTopK
    histograms: Histograms
    images: Int64[Tensor, " u"]
    inactive: Int64[Tensor, " u"]
    sums: Float[Tensor, "2 u"]
    classes: Float[Tensor, "classes u"]
    members: Int64[Tensor, "classes u"]

    @classmethod
    def empty(cls, units: int, k: int, classes: int) -> "UnitAccumulator":
        """Return an accumulator without images.

        Args:
            units: number of units of all layers together.
            k: number of images to keep at either end of each unit's range.
            classes: number of classes; 0 if there are none.

        Returns:
            The accumulator, in CPU memory unless another default device is set.
        """
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
        """Add a batch, in place. Its images must come after all that were added before.

        Args:
            batch: the reduced activations; values that are not finite are not counted.
        """
        finite = batch.maxima.isfinite()
        peaks = torch.where(finite, batch.maxima, 0.0)
        self.top.add(batch.top)
        self.bottom.add(batch.bottom)
        self.histograms.add(batch.maxima)
        self.images += finite.sum(0)
        self.inactive += (finite & (batch.maxima <= 0)).sum(0)
        for total, part in zip(self.sums, (batch.means, batch.squares), strict=True):
            total += torch.where(finite, part, 0.0).double().sum(0)
        if len(self.classes):
            self.classes.index_add_(0, batch.labels, peaks.double())
            self.members.index_add_(0, batch.labels, finite.long())

    def merged(self, other: "UnitAccumulator") -> "UnitAccumulator":
        """Return the accumulator of the images of both.

        Args:
            other: an accumulator of the same units over other images.

        Returns:
            A new accumulator.
        """
        return UnitAccumulator(
            self.top.merged(other.top),
            self.bottom.merged(other.bottom),
            self.histograms.merged(other.histograms),
            self.images + other.images,
            self.inactive + other.inactive,
            self.sums + other.sums,
            self.classes + other.classes,
            self.members + other.members,
        )

    @property
    def mean(self) -> Float[Tensor, " u"]:
        """Mean over all values of a unit's feature maps; all maps of a unit are assumed to be of one size."""
        return self.sums[0] / self.images

    @property
    def std(self) -> Float[Tensor, " u"]:
        """Standard deviation (biased) over all values of a unit's feature maps."""
        return (self.sums[1] / self.images - self.mean.square()).clamp_min(0).sqrt()

    @property
    def low(self) -> Float[Tensor, " u"]:
        """Smallest value of all of a unit's feature maps."""
        return -self.bottom.values[:, 0]

    @property
    def high(self) -> Float[Tensor, " u"]:
        """Largest value of all of a unit's feature maps."""
        return self.top.values[:, 0]

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, for files and for other processes."""
        return {
            **{f"top.{name}": tensor for name, tensor in vars(self.top).items()},
            **{f"bottom.{name}": tensor for name, tensor in vars(self.bottom).items()},
            **{f"histograms.{name}": tensor for name, tensor in vars(self.histograms).items()},
            **{name: getattr(self, name) for name in _PLAIN},
        }

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "UnitAccumulator":
        """Restore an accumulator from the tensors that `tensors` returned.

        Args:
            tensors: tensors by name; others are ignored.

        Returns:
            An accumulator that holds these tensors, without copies.

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


_PLAIN = ("images", "inactive", "sums", "classes", "members")
