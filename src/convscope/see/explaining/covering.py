"""Scores of inputs of which one box is covered, in batches and without gradients."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from convscope.see.explaining.folding import folding, laid_out
from convscope.see.explaining.gradients import scored
from convscope.see.explaining.question import Question

Box = tuple[slice, ...]
Job = tuple[int, int, Box]
"""Row, input, and which of its positions are covered."""


def covered_scores(
    question: Question, jobs: Sequence[Job], cover: tuple[Tensor, ...]
) -> Iterator[tuple[Sequence[Job], Tensor]]:
    """The targets' values when one box of one input shows the cover instead, batch by batch.

    Args:
        question: what is asked.
        jobs: what to cover, one box at a time.
        cover: for each input, what shows in its place.
    """

    def covered(numbers: Sequence[int]) -> tuple[Tensor, ...]:
        part = [jobs[number] for number in numbers]
        made = [x[[row for row, _, _ in part]] for x in question.inputs]
        for place, (row, i, box) in enumerate(part):
            at = box if made[i].dim() == 2 else (slice(None), *box)
            made[i][(place, *at)] = cover[i][(row, *at)]
        return tuple(laid_out(x) for x in made)

    rows = [row for row, _, _ in jobs]
    for numbers, scores in scored(question, rows, covered, during=folding(question)):
        yield [jobs[number] for number in numbers], scores.cpu()
