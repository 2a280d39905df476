"""Which class a unit prefers, if its numbers can tell."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.see.units.index.unit_index import UnitStatistics
from convscope.worlds.datasets.proportions import binomial_tail

LEVEL = 0.05
"""Probability of naming a class that chance alone has put in front."""
ERRORS = 2.0
"""Standard errors by which the means of two classes must differ."""


def overrepresented_class(entry: UnitStatistics) -> int | None:
    """Find the class that has more of a unit's top images than chance would give it.

    A one-sided binomial test against the share of the class among all images, at 5% over all classes
    of the data together (Bonferroni); not corrected for the number of units that are looked at.

    Args:
        entry: the unit's statistics and top images.

    Returns:
        The class with the most top images; None if several share the largest number, even if each exceeds
        chance, or if chance explains it. Other classes than the most frequent are not tested.
    """
    labels = torch.tensor([example.label for example in entry.top], dtype=torch.int64)
    return overrepresented(labels, entry.class_sizes)


def overrepresented(labels: Int64[Tensor, " n"], sizes: Int64[Tensor, " classes"]) -> int | None:
    """Find the class that has more of some images than chance would give it, as `overrepresented_class` does.

    Args:
        labels: class of each of the images.
        sizes: number of images of each class in the data.

    Returns:
        The class, or None.
    """
    counts = torch.bincount(labels, minlength=len(sizes))
    most = int(counts.max()) if len(counts) else 0
    leading = (counts == most).nonzero().flatten().tolist()
    if most == 0 or len(leading) != 1:
        return None
    share = float(sizes[leading[0]] / sizes.sum())
    chance = binomial_tail(most, len(labels), share) * int((sizes > 0).sum())
    return leading[0] if chance < LEVEL else None


def class_of_largest_mean(entry: UnitStatistics) -> int | None:
    """Find the class whose mean peak exceeds that of every other class by more than two standard errors.

    An approximation: the standard deviation within each class is taken to be that of the peaks of all
    images, from the unit's histogram. It is the same for all classes; a class whose peaks spread more than
    those of all images together has a larger error than is assumed, one whose peaks spread less a smaller.

    Args:
        entry: the unit's statistics.

    Returns:
        The class; None if two or more are that close, or there is only one.
    """
    known = (entry.class_sizes > 0).nonzero().flatten()
    if len(known) < 2:
        return None
    order = known[entry.by_class[known].argsort(descending=True)].tolist()
    spread = peak_std(entry)
    best, size = float(entry.by_class[order[0]]), float(entry.class_sizes[order[0]])
    for other in order[1:]:
        error = spread * (1 / size + 1 / float(entry.class_sizes[other])) ** 0.5
        if best - float(entry.by_class[other]) <= ERRORS * error:
            return None
    return int(order[0])


def peak_std(entry: UnitStatistics) -> float:
    """Return the standard deviation of a unit's peaks over all images, from its histogram.

    Args:
        entry: the unit's statistics.

    Returns:
        The standard deviation, to the precision of a bin.
    """
    middles: Float[Tensor, " bins"] = ((entry.edges[:-1] + entry.edges[1:]) / 2).double()
    weights = entry.counts.double() / entry.counts.sum().clamp_min(1)
    mean = (weights * middles).sum()
    return float(torch.sqrt((weights * (middles - mean).square()).sum()))
