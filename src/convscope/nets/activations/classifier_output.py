"""Reading a classifier's result as probabilities, whether it ends in logits or in a softmax of its own."""

import torch
from jaxtyping import Float
from torch import Tensor

_TOLERANCE = 1e-3
"""How far from 1 a row of probabilities may sum, in half precision."""


def are_probabilities(answers: Float[Tensor, "b classes"]) -> bool:
    """Whether every row is a distribution already: nowhere negative, and with a sum of 1."""
    rows = answers.detach().float()
    return bool((rows >= 0).all() & ((rows.sum(1) - 1).abs() < _TOLERANCE).all())


def log_probabilities(answers: Float[Tensor, "b classes"]) -> Float[Tensor, "b classes"]:
    """The logarithms of a classifier's probabilities; a network's own softmax is not applied twice."""
    answers = answers.float()
    if are_probabilities(answers):
        return answers.clamp_min(torch.finfo(answers.dtype).tiny).log()
    return answers.log_softmax(1)
