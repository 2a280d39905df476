"""Scores of inputs of which one box is covered, in batches and without gradients."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from math import prod

import torch
from torch import Tensor

from convscope.see.attribution.fast.bn_folding import plan_folding
from convscope.see.attribution.incremental.boxes import Boxes, extract
from convscope.see.attribution.incremental.rules import PATCH_RULES
from convscope.see.attribution.incremental.tensor import PatchedTensor, ReferenceCache
from convscope.see.attribution.target import AttributionTask

Box = tuple[slice, ...]
Job = tuple[int, int, Box]
"""Row, input, and which of its positions are covered."""
During = Callable[[], AbstractContextManager[object]]

POSITIONS = 64 * 64
"""Inputs with fewer positions are computed in full: there is little to save."""
FEW = 16
"""With fewer boxes everything is computed in full: trying three of them both ways costs what is saved. On
two cores 9 windows of 32 took 6 % (EfficientNet-lite0) and 24 % (GoogLeNet) longer in parts, 16 took 22 % and
11 % less."""
MORE = 2
"""Times as many boxes are computed together as pictures in full: the first layers see little of each."""
AGREE = 1e-4
"""How far scores found locally may be from scores in full, as a share of the largest."""


def occlusion_scores(
    question: AttributionTask,
    jobs: Sequence[Job],
    cover: tuple[Tensor, ...],
    *,
    positions: int = POSITIONS,
    few: int = FEW,
) -> Iterator[tuple[Sequence[Job], Tensor]]:
    """The targets' values when one box of one input shows the cover instead, batch by batch.

    Layers compute only what a box can change, where that is less; it is tried on the first and the middle
    box of each input, and left if a score differs from the one computed in full.

    Args:
        question: what is asked.
        jobs: what to cover, one box at a time; boxes of one row and one input stand together.
        cover: for each input, what shows in its place.
        positions: how many an input must have for anything to be computed locally.
        few: how many boxes it must have for that.
    """
    during = plan_folding(question)
    for (row, i), group in groupby(jobs, key=lambda job: job[:2]):
        boxes = [box for _, _, box in group]
        change = OccludedInput(question, row, i, cover[i][row : row + 1], during.laid_out)
        large = question.inputs[i].dim() > 2 and prod(question.inputs[i].shape[2:]) >= positions
        checked = (boxes[0], boxes[len(boxes) // 2], boxes[-1])
        local = large and len(boxes) >= few and change.agrees(checked, during)
        size = MORE * question.batch if local and not question.alone else question.batch
        for first in range(0, len(boxes), size):
            part = boxes[first : first + size]
            scores = change.scores(part, during, local=local and len(part) > 1)
            yield [(row, i, box) for box in part], scores.cpu()


class OccludedInput:
    """One input of one row, parts of which are covered."""

    def __init__(
        self,
        question: AttributionTask,
        row: int,
        number: int,
        cover: Tensor,
        lay: Callable[[Tensor], Tensor] = torch.Tensor.contiguous,
    ) -> None:
        self.question, self.row, self.number, self.cover = question, row, number, cover
        self.lay = lay
        self.inputs = tuple(x[row : row + 1] for x in question.inputs)
        self.known = lay(self.inputs[number])
        self.memory = ReferenceCache(PATCH_RULES)

    def agrees(self, boxes: Sequence[Box], during: During) -> bool:
        """Whether the local way gives the same; what it stumbles over, the other way may not."""
        try:
            found = self.scores(boxes, during, local=True)
        except Exception:  # whatever a network throws at a tensor that is not quite one
            return False
        wanted = self.scores(boxes, during, local=False)
        return float((found - wanted).abs().max()) <= AGREE * float(wanted.abs().max())  # not for NaN

    def scores(self, boxes: Sequence[Box], during: During, *, local: bool) -> Tensor:
        """The target's value with each box covered."""
        made = [x.expand(len(boxes), *x.shape[1:]) for x in self.inputs]
        made[self.number] = self._changed(boxes) if local else self._covered(boxes)
        with torch.no_grad(), during():
            return self.question.scores(made, [self.row] * len(boxes))

    def _covered(self, boxes: Sequence[Box]) -> Tensor:
        made = self.lay(self.known.repeat(len(boxes), *[1] * (self.known.dim() - 1)))
        for place, box in enumerate(boxes):
            at = box if made.dim() == 2 else (slice(None), *box)
            made[(place, *at)] = self.cover[(0, *at)]
        return made

    def _changed(self, boxes: Sequence[Box]) -> PatchedTensor:
        spans = tuple(tuple((side.start, side.stop) for side in box) for box in boxes)
        region = Boxes(spans, tuple(self.known.shape[2:]))
        inside = extract(self.known, region.starts, region.size)
        for place, (box, start) in enumerate(zip(boxes, region.starts, strict=True)):
            there = (slice(s.start - at, s.stop - at) for s, at in zip(box, start, strict=True))
            inside[(place, slice(None), *there)] = self.cover[(0, slice(None), *box)]
        return PatchedTensor(self.known, inside, region, self.memory)
