"""Names for the cells of an activation atlas: labels of the data, and classes of the network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convscope.worlds.datasets.proportions import wilson_interval

LISTED = 3
"""Maximum number of labels, and of classes, that are listed for each cell."""
HIGHEST = 40
"""A class is named if in both halves of a cell's images it is in the highest fortieth of all classes."""
LIKELIEST = 5
"""The network supports a class that is among its so many likeliest; the first alone where there are fewer
than 100 classes.
"""
SUPPORT = 0.5
"""Share of a cell's attributed images, two at the least, that the network must give the class for."""
SIGMAS = 3.0
"""Least distance of a cell's mean contribution from the mean of all images, in standard errors of as many."""
MAJORITY = 0.5
"""A label names a cell from this share of its images on, if the lower bound of the share's 95% interval,
which shall hold for all cells together, is above the label's share of all images.
"""


@dataclass(frozen=True)
class LabelShare:
    """How many images of a cell or region have one label of the data.

    Attributes:
        name: the label.
        count: images with it here.
        pictures: images here.
        usual: its share of all images of the atlas.
        together: number of cells that are tested; the bounds of all of them hold with 95%.
    """

    name: str
    count: int
    pictures: int
    usual: float
    together: int = 1

    @property
    def share(self) -> float:
        """Share of the images here that have the label, from 0 to 1."""
        return self.count / self.pictures

    @property
    def lower_bound(self) -> float:
        """Lower bound of the share's 95% interval (Wilson 1927), by Bonferroni's correction for all cells."""
        return wilson_interval(self.count, self.pictures, together=self.together)[0]

    @property
    def typical(self) -> bool:
        """Whether half of the images or more have the label, and its lower bound is above the usual share."""
        return self.share >= MAJORITY and self.lower_bound > self.usual


@dataclass(frozen=True)
class ClassAttribution:
    """A class of the network whose logit the activation vectors of a cell raise more than those of others.

    Attributes:
        unit: of the network's output.
        name: of the class.
        contribution: mean contribution to its logit, less the mean over the attributed images of all cells.
        support: attributed images for which the network has the class among its likeliest.
        pictures: attributed images of the cell.
        likeliest: how many classes count as the likeliest.
    """

    unit: int
    name: str
    contribution: float
    support: int
    pictures: int
    likeliest: int


@dataclass(frozen=True)
class Region:
    """Neighbouring cells that have the same name.

    Attributes:
        name: of a label of the data, or of a class of the network.
        kind: which of the two.
        cells: indices of the cells.
        count: number of activation vectors.
        row: of the cell nearest to the centre.
        column: of the cell nearest to the centre.
        label: how many images of the region have the label; None for a class.
    """

    name: str
    kind: Literal["label", "class"]
    cells: tuple[int, ...]
    count: int
    row: int
    column: int
    label: LabelShare | None = None


def label_shares(
    labels: Int64[Tensor, " n"],
    images: Int64[Tensor, " m"],
    everywhere: Int64[Tensor, " k"],
    names: Sequence[str],
    together: int = 1,
) -> tuple[LabelShare, ...]:
    """Count the labels of images; each image counts once, whatever its number of positions.

    Args:
        labels: of all images of the data.
        images: indices of the images to count.
        everywhere: indices of all images of the atlas.
        names: of the labels.
        together: number of cells that are tested.

    Returns:
        The most common label first, without labels of no image; empty where the data has fewer than two.
    """
    if len(names) < 2:
        return ()
    here, usual = (
        torch.bincount(labels[which.unique()], minlength=len(names)) for which in (images, everywhere)
    )
    order = here.argsort(descending=True, stable=True).tolist()
    total, all_images = int(here.sum()), int(usual.sum())
    return tuple(
        LabelShare(names[int(k)], int(here[k]), total, int(usual[k]) / all_images, together)
        for k in order
        if here[k]
    )


def supported_classes(
    contributions: Float[Tensor, "n k"],
    likeliest: Bool[Tensor, "n k"],
    owners: Int64[Tensor, " n"],
    names: Sequence[str],
) -> list[tuple[ClassAttribution, ...]]:
    """Choose the classes that name each cell, if any.

    Contributions to the logits of different classes have different means and spreads over the data; so each
    class is standardised over all images before classes are compared. A class is chosen if it is among the
    highest in both halves of a cell's images, raises the logit by `SIGMAS` standard errors more than in the
    mean, and is among the network's own likeliest classes for `SUPPORT` of these images.

    Args:
        contributions: of one activation vector of each image to each class's logit.
        likeliest: which classes the network has among its likeliest for each image.
        owners: index of the cell of each image; images of a cell are in sequence.
        names: of the classes.

    Returns:
        For each cell at most `LISTED` classes, the highest standardised contribution first.
    """
    centred = contributions - contributions.mean(0)
    scores = centred / centred.square().mean(0).sqrt().clamp_min(1e-12)
    count = max(1, len(names) // HIGHEST)
    chosen: list[tuple[ClassAttribution, ...]] = []
    for cell in range(int(owners.max()) + 1):
        members = (owners == cell).nonzero().flatten()
        halves = [scores[part].mean(0) for part in (members[::2], members[1::2]) if len(part)]
        tops = [set(half.topk(count).indices.tolist()) for half in halves]
        agreed = set.intersection(*tops) if len(tops) == 2 else set[int]()
        support = likeliest[members].sum(0)
        rise, score = centred[members].mean(0), scores[members].mean(0)
        enough = max(2, ceil(SUPPORT * len(members)))
        units = [
            unit for unit in agreed if support[unit] >= enough and score[unit] >= SIGMAS / sqrt(len(members))
        ]
        units.sort(key=lambda unit, score=score: float(score[unit]), reverse=True)
        chosen.append(
            tuple(
                ClassAttribution(
                    unit, names[unit], float(rise[unit]), int(support[unit]), len(members), ranked(len(names))
                )
                for unit in units[:LISTED]
            )
        )
    return chosen


def ranked(classes: int) -> int:
    """Return how many classes count as the network's likeliest.

    Args:
        classes: number of classes of the network.

    Returns:
        `LIKELIEST`; 1 for fewer than 100 classes.
    """
    return LIKELIEST if classes >= 100 else 1


def components(cells: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Group cells that touch each other, at a side or a corner.

    Args:
        cells: row and column of each.

    Returns:
        Indices of the cells of each group, in the order of their first cells.
    """
    where = {place: index for index, place in enumerate(cells)}
    groups: list[list[int]] = []
    while where:
        open_, group = [next(iter(where))], []
        group.append(where.pop(open_[0]))
        while open_:
            row, column = open_.pop()
            for near in ((row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                if near in where:
                    group.append(where.pop(near))
                    open_.append(near)
        groups.append(sorted(group))
    return groups


def largest_first(regions: Iterable[Region]) -> tuple[Region, ...]:
    """Sort regions by their number of vectors; of equal ones, labels of the data come first.

    Args:
        regions: in any order.

    Returns:
        The largest first. A class of the network is left out where a label of the data with the same name
        has some of its cells.
    """
    found = list(regions)
    labelled = {(region.name, n) for region in found if region.kind == "label" for n in region.cells}
    kept = [r for r in found if r.kind == "label" or not any((r.name, n) in labelled for n in r.cells)]
    return tuple(sorted(kept, key=lambda region: (-region.count, region.kind != "label", region.name)))
