"""Classes of different sizes: what is said about them, and weights that count every class alike."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

IMBALANCED = 3.0
"""The largest class is so many times the smallest where it is said, and balanced accuracy is measured."""
LISTED = 8
"""Most classes whose sizes are listed; the largest and the smallest half of them where there are more."""


def class_counts(data: Any, classes: Sequence[str]) -> Tensor | None:
    """Count the samples of each class.

    Args:
        data: a data set with `labels`; anything else has no counts.
        classes: names of the classes.

    Returns:
        Counts `[classes]`; None where the labels are not known without reading the data.
    """
    labels = getattr(data, "labels", None)
    if not isinstance(labels, Tensor):
        return None
    return torch.bincount(labels.cpu(), minlength=len(classes))


def is_imbalanced(counts: Tensor) -> bool:
    """Return whether the largest class has `IMBALANCED` times the samples of the smallest or more.

    Args:
        counts: samples of each class; classes without any do not count.

    Returns:
        True if so.
    """
    present = counts[counts > 0]
    return len(present) > 1 and float(present.max()) >= IMBALANCED * float(present.min())


def imbalance_note(data: Any) -> str:
    """Say how many samples each class has, where they differ much.

    Args:
        data: training data with `labels` and `classes`.

    Returns:
        Sentences; empty where the classes are not imbalanced.
    """
    classes = getattr(data, "classes", ())
    counts = class_counts(data, classes)
    if counts is None or not is_imbalanced(counts):
        return ""
    order = counts.argsort(descending=True, stable=True).tolist()
    texts = [f"{classes[k]} {int(counts[k]):,}" for k in order if counts[k]]
    if len(texts) > LISTED:
        texts = [*texts[: LISTED // 2], "...", *texts[-LISTED // 2 :]]
    times = float(counts.max() / counts[counts > 0].min())
    return (
        f"Samples by class: {', '.join(texts)}. The largest has {times:.3g} times the smallest: look at the "
        "balanced accuracy, and try --class-weights balanced or --sampler balanced."
    )


def balanced_weights(counts: Tensor) -> Tensor:
    """Compute weights of classes in inverse proportion to their number of samples.

    That is `n / (k * count)`, for n samples of k classes: over all samples the mean weight is 1.

    Args:
        counts: samples of each class, `[classes]`.

    Returns:
        Weights `[classes]` in float32; 1 for a class without samples.

    Source: `compute_class_weight("balanced", ...)` of scikit-learn; King, Zeng 2001, Logistic Regression in
    Rare Events Data.
    """
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp_min(1).double())
    return torch.where(present, weights, torch.ones_like(weights)).float()
