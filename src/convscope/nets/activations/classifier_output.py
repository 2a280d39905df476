"""Read a classifier's output as probabilities, whether it ends in logits or in a softmax."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets.activations.tree import tree_leaves

if TYPE_CHECKING:
    from convscope.nets.network import Net

LOGITS, PROBABILITIES, LOG_PROBABILITIES = "logits", "probabilities", "log_probabilities"
INDEPENDENT = "independent_probabilities"
"""Each class's probability on its own, as of sigmoids or lengths of capsules: they need not sum to 1."""
SCORES = (LOGITS, PROBABILITIES, LOG_PROBABILITIES, INDEPENDENT)
"""Kinds of outputs that are scores of classes."""

_TOLERANCE = 1e-3
"""Largest deviation of a row's sum from 1 that counts as probabilities; wide enough for half precision."""


@dataclass(frozen=True)
class ClassifierOutput:
    """Hold what a classifier returned, and how it is read.

    Attributes:
        values: one number for each class, `[b classes]`, as the network returned them.
        kind: one of `SCORES`.
        temperature: what the scores are divided by before the softmax.
    """

    values: Tensor
    kind: str
    temperature: float = 1.0

    def log_probabilities(self) -> Tensor:
        """Return the log-probabilities `[b classes]` in float32, at most 0 up to the tolerance."""
        values = independent_logits(self.values) if self.kind == INDEPENDENT else self.values.float()
        if self.kind == PROBABILITIES:
            values = values.clamp_min(torch.finfo(values.dtype).tiny).log()
            if self.temperature == 1:
                return values
        return (values if self.temperature == 1 else values / self.temperature).log_softmax(1)


def independent_logits(values: Float[Tensor, "b classes"]) -> Float[Tensor, "b classes"]:
    """Return logits of classes whose probabilities are each on its own.

    If each class is there or not, independently of the others, and exactly one of them is, its probabilities
    are the softmax of these.

    Args:
        values: probabilities `[b classes]`, from 0 to 1.

    Returns:
        `log(p / (1 - p))` in float32, with p at least 1e-6 away from 0 and 1.
    """
    return torch.logit(values.float(), 1e-6)


def select_output(net: "Net", result: Any) -> Tensor | None:
    """Select the tensor of a network's first output from what it returned.

    Args:
        net: the network; `OutputSpec.name` says where the output is found, if it is not the first tensor.
        result: what the network returned: a tensor, or a tuple, list or mapping of them, nested or not.

    Returns:
        The tensor; None where there is none.

    Raises:
        UsageError: there is no tensor of that name.
    """
    leaves, name = dict(tree_leaves(result)), net.output_spec.name
    if not name:
        return next(iter(leaves.values()), None)
    for key, tensor in leaves.items():
        if key == name or key.startswith(f"{name}."):
            return tensor
    raise UsageError(
        f"an output {name} of {net.name}, as its OutputSpec says",
        received=", ".join(leaves) or "no tensor",
        hint="Name one of those in OutputSpec(name=...), or leave the name out for the first tensor.",
    )


def output_kind(net: "Net", values: Float[Tensor, "b classes"]) -> str:
    """Return what the numbers of a classifier's output are.

    Args:
        net: the network; what its `OutputSpec` declares counts.
        values: its output, `[b classes]`; looked at where nothing is declared.

    Returns:
        The declared kind; else `probabilities` if every row is non-negative and sums to 1, and `logits` if
        not.
    """
    return net.output_spec.kind or (PROBABILITIES if are_probabilities(values) else LOGITS)


def read_output(net: "Net", result: Any) -> ClassifierOutput | None:
    """Read what a network returned as scores of classes.

    Args:
        net: the network; what its `OutputSpec` declares counts, and the numbers themselves decide the rest.
        result: what it returned for a batch.

    Returns:
        The scores `[b classes]`; None where the output is no tensor of two axes, or declared to be something
        else than scores.

    Raises:
        UsageError: there is no output of the declared name.
    """
    values = select_output(net, result)
    if values is None or values.dim() != 2:
        return None
    kind = output_kind(net, values)
    return ClassifierOutput(values, kind, net.output_spec.temperature) if kind in SCORES else None


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
    kind = PROBABILITIES if are_probabilities(answers) else LOGITS
    return ClassifierOutput(answers, kind).log_probabilities()
