"""Read a classifier's output as probabilities, whether it ends in logits or in a softmax."""

import torch
from jaxtyping import Float
from torch import Tensor

_TOLERANCE = 1e-3
"""Largest deviation of a row's sum from 1 that counts as probabilities; wide enough for half precision."""


def are_probabilities(answers: Float[Tensor, "b classes"]) -> bool:
    """Check whether a classifier's outputs are probabilities already, not logits.

    Args:
        answers: outputs of a classifier, `[b classes]`.

    Returns:
        True if every row is non-negative and sums to 1 within 1e-3.
    """
    rows = answers.detach().float()
    return bool((rows >= 0).all() & ((rows.sum(1) - 1).abs() < _TOLERANCE).all())


def log_probabilities(answers: Float[Tensor, "b classes"]) -> Float[Tensor, "b classes"]:
    """Return the log-probabilities of a classifier's outputs.

    Outputs that are probabilities already (see `are_probabilities`) are clamped to the smallest normal
    number and get their logarithm; others are taken as logits and get a log-softmax.

    Args:
        answers: outputs of a classifier, `[b classes]`: logits or probabilities.

    Returns:
        Log-probabilities `[b classes]` in float32, at most 0 up to the tolerance.
    """
    answers = answers.float()
    if are_probabilities(answers):
        return answers.clamp_min(torch.finfo(answers.dtype).tiny).log()
    return answers.log_softmax(1)
