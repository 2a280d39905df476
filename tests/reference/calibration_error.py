"""Expected calibration errors as loops over bins."""

import numpy as np


def equal_width(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """As the code of Guo et al. 2017: a bin is above its lower and up to its upper end."""
    confidences, answers = probabilities.max(1), probabilities.argmax(1)
    total = 0.0
    for k in range(bins):
        inside = (confidences > k / bins) & (confidences <= (k + 1) / bins)
        if inside.any():
            gap = abs(confidences[inside].mean() - (answers == labels)[inside].mean())
            total += gap * inside.mean()
    return total


def equal_mass(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Bins of equally many predictions."""
    confidences, right = probabilities.max(1), probabilities.argmax(1) == labels
    parts = np.array_split(np.argsort(confidences, kind="stable"), bins)
    gaps = [abs(confidences[part].mean() - right[part].mean()) * len(part) for part in parts if len(part)]
    return sum(gaps) / len(labels)
