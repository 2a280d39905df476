"""Completeness: whether attributions sum to the output that they explain."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.see.attribution.method import Method
from convscope.see.attribution.target import AttributionTask


@dataclass(frozen=True)
class Completeness:
    """The sum of all attributions of one row, and the output difference that it should equal."""

    total: float
    difference: float

    @property
    def gap(self) -> float:
        """Distance of the two, relative to the difference; 0 is complete."""
        return abs(self.total - self.difference) / max(abs(self.difference), 1e-12)


def completeness_gap(
    task: AttributionTask, method: Method, attributions: Sequence[Tensor]
) -> tuple[Completeness | None, ...]:
    """Compare the sum of attributions with the output, for methods that satisfy completeness.

    The sum should be the target's value less its value at the method's baseline; of methods that are not
    relative to a baseline (relevance propagation) the value itself, less what their rules leave to biases.

    Source: Sundararajan et al. 2017, arXiv:1703.01365, §3.

    Args:
        task: the task: network, inputs and targets.
        method: the method that made the attributions.
        attributions: one tensor `[b c *size]` for each input of the network.

    Returns:
        Both numbers for each row; None for methods that do not promise completeness.
    """
    if not method.satisfies_completeness:
        return (None,) * len(task)
    total = torch.stack([a.double().flatten(1).sum(1) for a in attributions]).sum(0)
    with torch.no_grad():
        difference = task.input_scores[0].double()
        if method.relative_to_baseline:
            difference = difference - task.batched(method.baseline(task))[0].double()
    return tuple(Completeness(t, d) for t, d in zip(total.tolist(), difference.tolist(), strict=True))
