"""Gradients all along the way from nothing to the input, added up."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.see.explaining.folding import Folding, folding
from convscope.see.explaining.gradients import gradients, zeros
from convscope.see.explaining.method import Baseline, Method, Part
from convscope.see.explaining.question import Question


class IntegratedGradients(Method):
    """The gradient's integral along the line from a baseline, by Gauss and Legendre; it adds up."""

    name: str = "integrated"
    title: ClassVar[str] = "Integrated gradients"
    source: ClassVar[str] = "Sundararajan et al. 2017, arXiv:1703.01365, §3"
    complete: ClassVar[bool] = True

    steps: int = Field(50, ge=1, le=10_000, description="points along the line")
    compared_with: Baseline = Field("mean", description="the baseline: mean, low (black) or blur")

    @override
    def attributions(self, question: Question) -> Iterator[Part]:
        """The integral so far, after each batch of points."""
        nodes, weights = np.polynomial.legendre.leggauss(self.steps)
        jobs = [(row, k) for row in range(len(question)) for k in range(self.steps)]
        nothing, total, during = self.baseline(question), zeros(question), folding(question)
        for first in range(0, len(jobs), question.batch):
            part = jobs[first : first + question.batch]
            rows = [row for row, _ in part]
            share = torch.tensor([(1 + nodes[k]) / 2 for _, k in part], dtype=torch.float64)
            weight = torch.tensor([weights[k] / 2 for _, k in part], dtype=torch.float64)
            between = tuple(
                _between(x, o, rows, share, during) for x, o in zip(question.inputs, nothing, strict=True)
            )
            found = gradients(question, between, rows, during)
            for sums, gradient in zip(total, found, strict=True):
                sums.index_add_(
                    0, torch.tensor(rows, device=sums.device), gradient * _shaped(weight, gradient)
                )
            pairs = zip(question.inputs, nothing, total, strict=True)
            yield Part(tuple((x - o) * sums for x, o, sums in pairs), (first + len(part)) / len(jobs))

    @override
    def baseline(self, question: Question) -> tuple[Tensor, ...]:
        """Where the line begins."""
        return question.baseline(self.compared_with)

    @override
    def lighter(self) -> "IntegratedGradients":
        """With 12 points at most."""
        return self.model_copy(update={"steps": min(self.steps, 12)})


def _between(x: Tensor, nothing: Tensor, rows: list[int], share: Tensor, fold: Folding) -> Tensor:
    at = torch.tensor(rows, device=x.device)
    if not x.is_floating_point():
        return x[at]
    return fold.laid_out(nothing[at] + _shaped(share, x) * (x[at] - nothing[at]))


def _shaped(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like).view(-1, *[1] * (like.dim() - 1))
