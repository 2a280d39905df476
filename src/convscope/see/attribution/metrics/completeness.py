"""Whether attributions add up to what they explain."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.see.attribution.method import Method
from convscope.see.attribution.target import AttributionTask


@dataclass(frozen=True)
class Completeness:
    """The sum of all attributions, and the target's value less the baseline's."""

    total: float
    difference: float

    @property
    def gap(self) -> float:
        """How far apart they are, as a share of the difference."""
        return abs(self.total - self.difference) / max(abs(self.difference), 1e-12)


def completeness_gap(
    question: AttributionTask, method: Method, attributions: Sequence[Tensor]
) -> tuple[Completeness | None, ...]:
    """One for each row; None for methods that promise nothing of the kind.

    Of relevance the difference is the value itself: biases keep a share where rules give them one.
    """
    if not method.satisfies_completeness:
        return (None,) * len(question)
    total = torch.stack([a.double().flatten(1).sum(1) for a in attributions]).sum(0)
    with torch.no_grad():
        difference = question.input_scores[0].double()
        if method.relative_to_baseline:
            difference = difference - question.batched(method.baseline(question))[0].double()
    return tuple(Completeness(t, d) for t, d in zip(total.tolist(), difference.tolist(), strict=True))
