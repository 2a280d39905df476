"""The gradient, averaged over noisy copies of the input: grain averages out."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.see.explaining.gradients import gradients, zeros
from convscope.see.explaining.method import Method, Part
from convscope.see.explaining.question import Question


class SmoothGrad(Method):
    """The mean gradient over noisy copies of the input; of a pixel's channels the largest counts."""

    name: str = "smoothgrad"
    title: ClassVar[str] = "SmoothGrad"
    source: ClassVar[str] = "Smilkov et al. 2017, arXiv:1706.03825, §3"
    signed: ClassVar[bool] = False
    strongest: ClassVar[bool] = True

    samples: int = Field(32, ge=1, le=100_000, description="noisy copies of each input")
    noise: float = Field(
        0.15, ge=0, le=10, description="standard deviation, as a share of the input's own span"
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="of the noise; row i draws from its own")

    @override
    def attributions(self, question: Question) -> Iterator[Part]:
        """The mean so far, after each batch."""
        chances = [torch.Generator().manual_seed(self.seed) for _ in range(len(question))]
        jobs = [row for row in range(len(question)) for _ in range(self.samples)]
        total = zeros(question)
        for first in range(0, len(jobs), question.batch):
            rows = jobs[first : first + question.batch]
            noisy = tuple(self._noisy(x, rows, chances) for x in question.repeated(rows))
            at = torch.tensor(rows, device=total[0].device)
            for sums, found in zip(total, gradients(question, noisy, rows), strict=True):
                sums.index_add_(0, at, found)
            done = first + len(rows)
            yield Part(tuple(sums / self.samples for sums in total), done / len(jobs))

    def _noisy(self, x: Tensor, rows: list[int], chances: list[torch.Generator]) -> Tensor:
        if not x.is_floating_point():
            return x
        span = x.flatten(1).amax(1) - x.flatten(1).amin(1)
        draws = torch.stack([torch.randn(x.shape[1:], generator=chances[row]) for row in rows])
        return x + self.noise * span.view(-1, *[1] * (x.dim() - 1)) * draws.to(x)

    @override
    def lighter(self) -> "SmoothGrad":
        """With 8 copies at most."""
        return self.model_copy(update={"samples": min(self.samples, 8)})
