"""Integrated gradients: the gradient's integral along the line from a baseline to the input."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.see.attribution.folding import FoldPlan, plan_folding
from convscope.see.attribution.gradients.input_gradients import check_values, input_gradients, zeros
from convscope.see.attribution.method import Baseline, Method, PartialAttribution
from convscope.see.attribution.target import AttributionTask


class IntegratedGradients(Method):
    """Integral of the gradient along the line from a baseline to the input, by Gauss-Legendre; complete."""

    name: str = "integrated"
    title: ClassVar[str] = "Integrated gradients"
    source: ClassVar[str] = "Sundararajan et al. 2017, arXiv:1703.01365, §3"
    satisfies_completeness: ClassVar[bool] = True

    steps: int = Field(50, ge=1, le=10_000, description="points along the line")
    compared_with: Baseline = Field("mean", description="the baseline: mean, low (black) or blur")

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the integral so far, after each batch of points."""
        check_values(task)
        baseline, fold = self.baseline(task), plan_folding(task)
        shares, weights = self.points()
        jobs = [(row, k) for row in range(len(task)) for k in range(self.steps)]
        total = zeros(task)
        for first in range(0, len(jobs), task.batch):
            part = jobs[first : first + task.batch]
            rows = [row for row, _ in part]
            share, weight = (values[[k for _, k in part]] for values in (shares, weights))
            between = tuple(
                _between(x, o, rows, share, fold) for x, o in zip(task.inputs, baseline, strict=True)
            )
            found = input_gradients(task, between, rows, fold)
            for sums, gradient in zip(total, found, strict=True):
                sums.index_add_(
                    0, torch.tensor(rows, device=sums.device), gradient * _shaped(weight, gradient)
                )
            yield _part(task, baseline, total, (first + len(part)) / len(jobs))

    def points(self) -> tuple[Tensor, Tensor]:
        """Return Gauss-Legendre nodes on [0, 1] and weights that sum to 1, `[steps]` each in float64."""
        nodes, weights = np.polynomial.legendre.leggauss(self.steps)
        return torch.from_numpy((1 + nodes) / 2), torch.from_numpy(weights / 2)

    @override
    def baseline(self, task: AttributionTask) -> tuple[Tensor, ...]:
        """Return the start of the line, by the setting `compared_with`."""
        return task.baseline(self.compared_with)

    @override
    def reduced(self) -> "IntegratedGradients":
        """Return a variant with at most 12 points."""
        return self.model_copy(update={"steps": min(self.steps, 12)})


def _part(
    task: AttributionTask, baseline: tuple[Tensor, ...], total: list[Tensor], share: float
) -> PartialAttribution:
    """Multiply the integral with the difference from the baseline."""
    pairs = zip(task.inputs, baseline, total, strict=True)
    return PartialAttribution(tuple((x - o) * sums for x, o, sums in pairs), share)


def _between(x: Tensor, baseline: Tensor, rows: list[int], share: Tensor, fold: FoldPlan) -> Tensor:
    """Return the points of the line at some shares, for some rows; indices stay as they are."""
    at = torch.tensor(rows, device=x.device)
    if not x.is_floating_point():
        return x[at]
    return fold.laid_out(baseline[at] + _shaped(share, x) * (x[at] - baseline[at]))


def _shaped(values: Tensor, like: Tensor) -> Tensor:
    """Reshape one value for each row so that it broadcasts over a tensor."""
    return values.to(like).view(-1, *[1] * (like.dim() - 1))
