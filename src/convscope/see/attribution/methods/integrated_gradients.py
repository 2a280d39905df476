"""Integrated gradients: the gradient's integral along the line from a baseline to the input."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from math import ceil
from time import perf_counter
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.errors import ConvscopeError
from convscope.see.attribution.fast.bn_folding import FoldPlan, plan_folding
from convscope.see.attribution.fast.first_layer_ig import LinearFirstLayer, first_layer_is_linear
from convscope.see.attribution.fast.input_backward import InputOnlyBackward
from convscope.see.attribution.gradients.arrival import silent_rows
from convscope.see.attribution.gradients.input_gradients import (
    check_arrival,
    check_values,
    input_gradients,
    zeros,
)
from convscope.see.attribution.gradients.passes import is_out_of_memory
from convscope.see.attribution.method import Baseline, Method, PartialAttribution
from convscope.see.attribution.target import AttributionTask

MANY = 16
"""Fewest steps at which testing for a linear first layer pays off."""
SOON = 0.5
"""Seconds between two partial results."""

Found = Iterator[tuple[list[Tensor], float]]
"""Weighted sums of gradients so far, and the finished share of the work."""


class IntegratedGradients(Method):
    """Integral of the gradient along the line from a baseline to the input, by Gauss-Legendre; complete."""

    name: str = "integrated"
    title: ClassVar[str] = "Integrated gradients"
    source: ClassVar[str] = "Sundararajan et al. 2017, arXiv:1703.01365, §3"
    satisfies_completeness: ClassVar[bool] = True

    steps: int = Field(50, ge=1, le=10_000, description="points along the line")
    compared_with: Baseline = Field("mean", description="the baseline: mean, low (black) or blur")

    @override
    def attributions(self, question: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the integral so far, after each batch of points or every half second.

        If the fast path fails at any row, everything is computed again by plain passes.
        """
        check_values(question)
        baseline, fold = self.baseline(question), plan_folding(question)
        total, done = zeros(question), 0.0
        try:
            for total, done in self._fast(question, baseline, fold):
                yield _part(question, baseline, total, done)
            self._check(question, total)
        except (RuntimeError, LookupError, ConvscopeError) as error:
            if is_out_of_memory(error):
                raise
        else:
            return
        for total, share in self._from_input(question, baseline, fold, fold):
            if share > done:
                yield _part(question, baseline, total, share)

    def _check(self, question: AttributionTask, total: list[Tensor]) -> None:
        """Refuse rows whose gradients are 0 all along the line because none arrives."""
        for number in question.differentiable_inputs:
            for row in silent_rows(total[number]):
                check_arrival(question, question.inputs, number, row, row)

    def points(self) -> tuple[Tensor, Tensor]:
        """Return Gauss-Legendre nodes on [0, 1] and weights that sum to 1, `[steps]` each in float64."""
        nodes, weights = np.polynomial.legendre.leggauss(self.steps)
        return torch.from_numpy((1 + nodes) / 2), torch.from_numpy(weights / 2)

    def _fast(self, question: AttributionTask, baseline: tuple[Tensor, ...], fold: FoldPlan) -> Found:
        """Accumulate gradients at the first layer if it is linear along the line, else at the inputs."""
        during = InputOnlyBackward(fold)
        if self.steps >= MANY and first_layer_is_linear(question, baseline, during, fold.first):
            return self._from_first_layer(question, baseline, fold, during)
        return self._from_input(question, baseline, fold, lambda: during)

    def _from_first_layer(
        self,
        question: AttributionTask,
        baseline: tuple[Tensor, ...],
        fold: FoldPlan,
        during: InputOnlyBackward,
    ) -> Found:
        """Accumulate gradients at the first layer's output, row by row."""
        total, last_yield = zeros(question), perf_counter()
        shares, weights = self.points()
        size = ceil(self.steps / ceil(self.steps / question.batch))
        for row in range(len(question)):
            line = LinearFirstLayer(question, row, baseline, during, id(fold.first))
            if row and not line.holds():
                raise LookupError("a line that enters as the first row's does")
            for first in range(0, self.steps, size):
                share, weight = shares[first : first + size], weights[first : first + size]
                rows, pairs = [row] * len(share), zip(question.inputs, baseline, strict=True)
                line.add([_between(x, o, rows, share, fold) for x, o in pairs], share, weight)
                if line.silent:
                    raise LookupError("a gradient from every point of the line")
                last = first + size >= self.steps
                if last or perf_counter() - last_yield > SOON:
                    total[line.number][row] = line.gradient()[0]
                    last_yield = perf_counter()
                    yield total, (row + (first + len(share)) / self.steps) / len(question)

    def _from_input(
        self,
        question: AttributionTask,
        baseline: tuple[Tensor, ...],
        fold: FoldPlan,
        during: Callable[[], AbstractContextManager[object]],
    ) -> Found:
        """Accumulate gradients at the inputs, batch by batch."""
        shares, weights = self.points()
        jobs = [(row, k) for row in range(len(question)) for k in range(self.steps)]
        total = zeros(question)
        for first in range(0, len(jobs), question.batch):
            part = jobs[first : first + question.batch]
            rows = [row for row, _ in part]
            share, weight = (values[[k for _, k in part]] for values in (shares, weights))
            between = tuple(
                _between(x, o, rows, share, fold) for x, o in zip(question.inputs, baseline, strict=True)
            )
            found = input_gradients(question, between, rows, during)
            for sums, gradient in zip(total, found, strict=True):
                sums.index_add_(
                    0, torch.tensor(rows, device=sums.device), gradient * _shaped(weight, gradient)
                )
            yield total, (first + len(part)) / len(jobs)

    @override
    def baseline(self, question: AttributionTask) -> tuple[Tensor, ...]:
        """Return the start of the line, by the setting `compared_with`."""
        return question.baseline(self.compared_with)

    @override
    def reduced(self) -> "IntegratedGradients":
        """Return a variant with at most 12 points."""
        return self.model_copy(update={"steps": min(self.steps, 12)})


def _part(
    question: AttributionTask, baseline: tuple[Tensor, ...], total: list[Tensor], share: float
) -> PartialAttribution:
    """Multiply the integral with the difference from the baseline."""
    pairs = zip(question.inputs, baseline, total, strict=True)
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
