"""fastai's two suggestions of a learning rate, as its loops are: slow and obvious."""

import numpy as np


def valley(rates: list[float], losses: list[float]) -> float:
    """The point half way along the longest falling subsequence, found by all pairs."""
    lengths, start, end = [1] * len(losses), 0, 0
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j] and lengths[i] < lengths[j] + 1:
                lengths[i] = lengths[j] + 1
            if lengths[end] < lengths[i]:
                end = i
                start = end - lengths[end]
    third = (end - start) / 3
    return rates[start + int(third) + int(third / 2)]


def steep(rates: list[float], losses: list[float]) -> float:
    """The lower end of the step with the steepest descent over the logarithm of the rate."""
    slopes = np.diff(losses) / np.diff(np.log(rates))
    return rates[int(slopes.argmin())]
