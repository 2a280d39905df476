"""Scores of inputs with one occluded box each, in batches and without gradients."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from math import prod

import torch
from torch import Tensor

from convscope.see.attribution.folding import plan_folding
from convscope.see.attribution.incremental.boxes import Boxes, extract
from convscope.see.attribution.incremental.rules import PATCH_RULES
from convscope.see.attribution.incremental.tensor import PatchedTensor, ReferenceCache
from convscope.see.attribution.target import AttributionTask

Box = tuple[slice, ...]
Job = tuple[int, int, Box]
"""Row index, input index, and the occluded box as slices of spatial axes."""
During = Callable[[], AbstractContextManager[object]]

POSITIONS = 64 * 64
"""Inputs with fewer positions are computed in full: there is little to save."""
FEW = 16
"""With fewer boxes everything is computed in full: the test of three boxes costs what is saved.

On two cores 9 windows of 32 pixels took 6% (EfficientNet-lite0) and 24% (GoogLeNet) longer incrementally,
16 windows 22% and 11% less.
"""
MORE = 2
"""Factor of the batch size of incremental passes: the first layers compute little of each image."""
AGREE = 1e-4
"""Largest difference of incremental scores from full ones, relative to the largest score."""


def occlusion_scores(
    task: AttributionTask,
    jobs: Sequence[Job],
    baseline: tuple[Tensor, ...],
    *,
    positions: int = POSITIONS,
    few: int = FEW,
) -> Iterator[tuple[Sequence[Job], Tensor]]:
    """Compute the targets' values while one box of one input shows the baseline, batch by batch.

    Layers recompute only what a box can change, where that is less. Three boxes of each input are first
    computed both ways; if a score differs, that input is computed in full.

    Args:
        task: the task: network, inputs and targets.
        jobs: what to occlude, one box at a time; boxes of one row and one input stand together.
        baseline: for each input of the network, a tensor `[b ...]` with the values that occluded positions
            show.
        positions: spatial positions that an input needs for incremental computation.
        few: number of boxes that it needs for that.

    Yields:
        Some of the jobs in their order, and their scores `[n]` on the CPU.
    """
    during = plan_folding(task)
    for (row, i), group in groupby(jobs, key=lambda job: job[:2]):
        boxes = [box for _, _, box in group]
        change = OccludedInput(task, row, i, baseline[i][row : row + 1], during.laid_out)
        large = task.inputs[i].dim() > 2 and prod(task.inputs[i].shape[2:]) >= positions
        checked = (boxes[0], boxes[len(boxes) // 2], boxes[-1])
        local = large and len(boxes) >= few and change.agrees(checked, during)
        size = MORE * task.batch if local and not task.alone else task.batch
        for first in range(0, len(boxes), size):
            part = boxes[first : first + size]
            scores = change.scores(part, during, local=local and len(part) > 1)
            yield [(row, i, box) for box in part], scores.cpu()


class OccludedInput:
    """One input of one row, of which boxes are occluded.

    Args:
        task: the task: network, inputs and targets.
        row: the row's index.
        number: index of the input.
        baseline: what occluded positions show, `[1 ...]`.
        lay: converts the input to the memory format of the passes.
    """

    def __init__(
        self,
        task: AttributionTask,
        row: int,
        number: int,
        baseline: Tensor,
        lay: Callable[[Tensor], Tensor] = torch.Tensor.contiguous,
    ) -> None:
        self.task, self.row, self.number, self.baseline = task, row, number, baseline
        self.lay = lay
        self.inputs = tuple(x[row : row + 1] for x in task.inputs)
        self.known = lay(self.inputs[number])
        self.memory = ReferenceCache(PATCH_RULES)

    def agrees(self, boxes: Sequence[Box], during: During) -> bool:
        """Test whether incremental scores equal full ones.

        Args:
            boxes: to occlude, one at a time.
            during: returns a context for each pass.

        Returns:
            False also if the incremental pass fails.
        """
        try:
            found = self.scores(boxes, during, local=True)
        except Exception:  # whatever a network throws at a tensor that is not quite one
            return False
        wanted = self.scores(boxes, during, local=False)
        return float((found - wanted).abs().max()) <= AGREE * float(wanted.abs().max())  # not for NaN

    def scores(self, boxes: Sequence[Box], during: During, *, local: bool) -> Tensor:
        """Compute the target's value with each box occluded.

        Args:
            boxes: to occlude, one at a time.
            during: returns a context for the pass.
            local: compute incrementally rather than in full.

        Returns:
            `[n]`, one score for each box.
        """
        made = [x.expand(len(boxes), *x.shape[1:]) for x in self.inputs]
        made[self.number] = self._changed(boxes) if local else self._covered(boxes)
        with torch.no_grad(), during():
            return self.task.scores(made, [self.row] * len(boxes))

    def _covered(self, boxes: Sequence[Box]) -> Tensor:
        """Return copies of the input with one box occluded in each."""
        made = self.lay(self.known.repeat(len(boxes), *[1] * (self.known.dim() - 1)))
        for place, box in enumerate(boxes):
            at = box if made.dim() == 2 else (slice(None), *box)
            made[(place, *at)] = self.baseline[(0, *at)]
        return made

    def _changed(self, boxes: Sequence[Box]) -> PatchedTensor:
        """Return the same as a patched tensor, whose reference is the input."""
        spans = tuple(tuple((side.start, side.stop) for side in box) for box in boxes)
        region = Boxes(spans, tuple(self.known.shape[2:]))
        inside = extract(self.known, region.starts, region.size)
        for place, (box, start) in enumerate(zip(boxes, region.starts, strict=True)):
            there = (slice(s.start - at, s.stop - at) for s, at in zip(box, start, strict=True))
            inside[(place, slice(None), *there)] = self.baseline[(0, slice(None), *box)]
        return PatchedTensor(self.known, inside, region, self.memory)
