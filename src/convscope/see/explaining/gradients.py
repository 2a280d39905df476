"""Gradients of targets with respect to inputs, and passes over many changed inputs in batches."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.see.explaining.question import Question


def gradients(
    question: Question,
    inputs: Sequence[Tensor],
    rows: Sequence[int],
    during: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> tuple[Tensor, ...]:
    """The gradient of each row's own target at its own inputs; zeros for inputs that are indices.

    Args:
        question: what is asked.
        inputs: `[n ...]` each.
        rows: which row of the question each of them belongs to.
        during: a context for the forward pass.

    Raises:
        UsageError: the target does not depend on the inputs by anything that has a gradient.
    """
    free = [x.detach().requires_grad_(i in question.explained) for i, x in enumerate(inputs)]
    with torch.enable_grad():
        with during():
            scores = question.scores(free, rows)
        if not scores.requires_grad:
            raise UsageError(
                "a target that depends on the inputs by operations with gradients",
                received=f"{question.names[rows[0]]}, which has none",
                hint="Use a method that needs no gradients: occlusion or rise.",
            )
        leaves = [x for x in free if x.requires_grad]
        found = iter(torch.autograd.grad(scores.sum(), leaves, allow_unused=True, materialize_grads=True))
    return tuple(next(found) if x.requires_grad else torch.zeros(x.shape, device=x.device) for x in free)


def each_gradient(
    question: Question, during: Callable[[], AbstractContextManager[object]] = nullcontext
) -> tuple[Tensor, ...]:
    """The gradient at the inputs themselves, in batches."""
    found = []
    for first in range(0, len(question), question.batch):
        rows = list(range(first, min(first + question.batch, len(question))))
        found.append(gradients(question, question.repeated(rows), rows, during))
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def scored(
    question: Question,
    jobs: Sequence[int],
    change: Callable[[Sequence[int]], tuple[Tensor, ...]],
    *,
    degrees: bool = False,
    during: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[tuple[list[int], Float[Tensor, " n"]]]:
    """Scores of many changed inputs without gradients, batch by batch.

    Args:
        question: what is asked.
        jobs: for each changed input, the row it belongs to.
        change: makes the inputs of these jobs, given by their numbers.
        degrees: probabilities rather than values, where the targets are classes.
        during: a context for each batch's pass.

    Yields:
        Numbers of jobs, and their scores.
    """
    for first in range(0, len(jobs), question.batch):
        numbers = list(range(first, min(first + question.batch, len(jobs))))
        rows = [jobs[number] for number in numbers]
        with torch.no_grad():
            inputs = change(numbers)
            with during():
                found = question.degrees(inputs, rows) if degrees else question.scores(inputs, rows)
        yield numbers, found


def zeros(question: Question) -> list[Tensor]:
    """A place to add up attributions: one tensor for each input."""
    return [
        torch.zeros(x.shape, dtype=x.dtype if x.is_floating_point() else torch.float32, device=x.device)
        for x in question.inputs
    ]
