"""RISE: the mean of random masks, weighted by the target's probability under each."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.see.attribution.folding import FoldPlan, plan_folding
from convscope.see.attribution.gradients.input_gradients import batched_scores, check_values, zeros
from convscope.see.attribution.heatmaps import broadcast_mask, interpolate
from convscope.see.attribution.method import Baseline, Method, PartialAttribution
from convscope.see.attribution.target import AttributionTask


class Rise(Method):
    """Random coarse masks, averaged with the target's probability (or value) as weight: no gradients."""

    name: str = "rise"
    title: ClassVar[str] = "RISE"
    source: ClassVar[str] = "Petsiuk et al. 2018, arXiv:1806.07421, §3"
    signed: ClassVar[bool] = False

    samples: int = Field(1000, ge=2, le=1_000_000, description="masks for each input")
    grid_size: int = Field(7, ge=1, le=1000, description="cells of a mask along each axis")
    keep_probability: float = Field(0.5, gt=0, lt=1, description="share of cells that stay visible")
    fill: Baseline = Field("mean", description="what hides the rest: mean, low (black) or blur")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="of the masks, which are the same for every row")

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the weighted mean so far, after each batch of masks.

        The mean score of all masks is subtracted: what is left is how much seeing a position raises the
        score.
        """
        check_values(task)
        during = plan_folding(task)
        baseline, generator = task.baseline(self.fill), torch.Generator().manual_seed(self.seed)
        sums = [s.sum(1) if s.dim() > 2 else s for s in zeros(task)]
        total, done = torch.zeros(len(task), device=sums[0].device, dtype=torch.float64), 0
        while done < self.samples:
            count = min(max(1, task.batch // len(task)), self.samples - done)
            masks = [self._masks(_positions(x), count, generator).to(x.device) for x in task.inputs]
            for row, degree in self._scored(task, baseline, masks, during):
                total[row] += degree.sum()
                for s, mask in zip(sums, masks, strict=True):
                    s[row] += torch.einsum("n,n...->...", degree.to(s), mask.to(s))
            done += count
            parts = zip(task.inputs, sums, strict=True)
            yield PartialAttribution(
                tuple(self._found(x, s, total, done) for x, s in parts), done / self.samples
            )

    def _scored(
        self,
        task: AttributionTask,
        baseline: tuple[Tensor, ...],
        masks: list[Tensor],
        during: FoldPlan,
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield each row's index with its scores `[n]` under the masks."""
        count = len(masks[0])

        def hidden(numbers: Sequence[int]) -> tuple[Tensor, ...]:
            made = []
            for i, (x, o, mask) in enumerate(zip(task.inputs, baseline, masks, strict=True)):
                rows, columns = [n // count for n in numbers], [n % count for n in numbers]
                m = broadcast_mask(mask[columns], x)
                made.append(
                    during.laid_out(o[rows] + m * (x[rows] - o[rows]))
                    if i in task.differentiable_inputs
                    else x[rows]
                )
            return tuple(made)

        jobs = [row for row in range(len(task)) for _ in range(count)]
        found = torch.cat(
            [scores for _, scores in batched_scores(task, jobs, hidden, probabilities=True, during=during)]
        )
        yield from enumerate(found.view(len(task), count))

    def _found(self, x: Tensor, sums: Tensor, total: Tensor, done: int) -> Tensor:
        """Turn sums over masks into attributions.

        Source: the paper's equation 6, less the mean score over all masks.
        """
        mean = (total / done).to(sums).view(-1, *[1] * (sums.dim() - 1))
        return broadcast_mask(sums / (done * self.keep_probability) - mean, x)

    def _masks(self, positions: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
        """Draw masks `[count *positions]`: a binary grid, enlarged linearly and shifted at random."""
        if not positions:
            return torch.ones(count)
        cells = tuple(min(self.grid_size, extent) for extent in positions)
        grid = (
            torch.rand(count, 1, *(c + 1 for c in cells), generator=generator) < self.keep_probability
        ).float()
        sides = tuple(-(-extent // c) for extent, c in zip(positions, cells, strict=True))
        large = interpolate(grid, tuple((c + 1) * side for c, side in zip(cells, sides, strict=True)))
        moves = [torch.randint(0, side, (count,), generator=generator).tolist() for side in sides]
        cut = [
            large[(n, 0, *(slice(m[n], m[n] + e) for m, e in zip(moves, positions, strict=True)))]
            for n in range(count)
        ]
        return torch.stack(cut)

    @override
    def reduced(self) -> "Rise":
        """Return a variant with at most 128 masks."""
        return self.model_copy(update={"samples": min(self.samples, 128)})


def _positions(x: Tensor) -> tuple[int, ...]:
    """Return the size of the axes that are masked; of a vector, its values."""
    return tuple(x.shape[1:] if x.dim() == 2 else x.shape[2:])
