"""Calibration of a classifier: how far probabilities are from accuracy, and the temperature that mends it.

Source: Guo, Pleiss, Sun, Weinberger 2017, On Calibration of Modern Neural Networks, arXiv:1706.04599.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

BINS = 15
"""Bins of the expected calibration error, as in the paper."""
DRAWS = 200
"""Simulated tests of a calibrated network."""
STEPS = 100
"""Halvings of the interval in which the temperature is searched: more than its floating point digits."""
TEMPERATURES = (0.05, 20.0)
"""Range of fitted temperatures."""


@dataclass(frozen=True)
class ReliabilityBins:
    """Hold a reliability diagram: predictions grouped by their confidence, which is the largest probability.

    Attributes:
        counts: predictions in each bin, `[bins]`; a bin may be empty.
        confidence: their mean confidence, `[bins]`; 0 in an empty bin.
        accuracy: share of them that is right, `[bins]`; 0 in an empty bin.
    """

    counts: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """Expected calibration error, 0 to 1: the mean distance of confidence and accuracy."""
        gaps = (self.confidence - self.accuracy).abs() * self.counts
        return float(gaps.sum() / self.counts.sum())


def reliability(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> ReliabilityBins:
    """Group predictions into bins of equal width of the confidence.

    A bin reaches from above its lower end to its upper end.

    Args:
        probabilities: predicted distributions `[n classes]`.
        labels: true class indices `[n]`.
        bins: number of bins.

    Returns:
        The bins, from the lowest confidence on.
    """
    confidence, right = _answers(probabilities, labels)
    return _grouped(confidence, right, ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1), bins)


def adaptive_reliability(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> ReliabilityBins:
    """Group predictions into bins of equally many, by their confidence.

    Args:
        probabilities: predicted distributions `[n classes]`.
        labels: true class indices `[n]`.
        bins: number of bins; where they do not divide the number of predictions, the first have one more.

    Returns:
        The bins, from the lowest confidence on.

    Source: Nguyen, O'Connor 2015, Posterior calibration and exploratory analysis for natural language
    processing models, arXiv:1508.05154.
    """
    confidence, right = _answers(probabilities, labels)
    order, (each, more) = confidence.argsort(stable=True), divmod(len(labels), bins)
    sizes = torch.tensor([each + (k < more) for k in range(bins)])
    index = torch.arange(bins).repeat_interleave(sizes)
    return _grouped(confidence[order], right[order], index, bins)


def chance_error(probabilities: Tensor, bins: int = BINS) -> float:
    """Return the expected calibration error that a perfectly calibrated network would show by chance.

    The error is a mean of distances, and never negative: with few predictions it is large even where every
    probability is right. Simulated: each prediction is right with the probability that is its confidence.

    Args:
        probabilities: predicted distributions `[n classes]`.
        bins: bins of equal width.

    Returns:
        The mean over `DRAWS` simulated tests, 0 to 1.
    """
    confidence = probabilities.double().max(1).values.cpu()
    index = ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)
    generator = Generator().manual_seed(0)
    drawn = torch.rand(DRAWS, len(confidence), generator=generator, dtype=torch.float64)
    errors = [_grouped(confidence, (row < confidence).double(), index, bins) for row in drawn]
    return sum(found.error for found in errors) / DRAWS


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Fit the temperature that logits are divided by, so that the cross-entropy on held-out data is least.

    The likelihood is concave in the inverse of the temperature: its slope is bisected, in float64. The most
    probable class stays the same.

    Args:
        logits: scores `[n classes]` of samples that were not learned from.
        labels: true class indices `[n]`.

    Returns:
        The temperature, within `TEMPERATURES`; above 1 where the network is too sure. 1 where every answer is
        right: the likelihood then grows without end towards 0, and says nothing.

    Source: Guo et al. 2017, section 4.2.
    """
    scores = logits.detach().double().cpu()
    labels = labels.cpu()
    if bool((scores.argmax(1) == labels).all()):
        return 1.0
    own = scores.gather(1, labels[:, None]).squeeze(1)
    low, high = (1 / bound for bound in reversed(TEMPERATURES))
    for _ in range(STEPS):
        middle = (low + high) / 2  # of 1 / T, in which the likelihood is concave: its slope has one root
        slope = (((scores * middle).softmax(1) * scores).sum(1) - own).mean()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return 2 / (low + high)


def _answers(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return confidence of each prediction, and whether it is right, in float64."""
    confidence, answers = probabilities.double().max(1)
    return confidence, (answers == labels).double()


def _grouped(confidence: Tensor, right: Tensor, index: Tensor, bins: int) -> ReliabilityBins:
    """Return counts and means of predictions by the number of their bin."""
    counts = torch.bincount(index, minlength=bins).double()
    sums = [torch.bincount(index, weights=values, minlength=bins) for values in (confidence, right)]
    means = [total / counts.clamp_min(1) for total in sums]
    return ReliabilityBins(counts.long(), *means)
