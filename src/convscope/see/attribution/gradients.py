"""Gradients of targets with respect to inputs, and passes over many changed inputs in batches."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.see.attribution.gradient_arrival import differentiated, missing, silent_rows
from convscope.see.attribution.methods.opaque_operations import Watched
from convscope.see.attribution.passes import ordinary
from convscope.see.attribution.target import AttributionTask


def input_gradients(
    question: AttributionTask,
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
        UsageError: a row's target depends on an input, but no gradient arrives there.
    """
    check_values(question)
    with ordinary(), torch.enable_grad():
        free = [x.detach().requires_grad_(i in question.differentiable_inputs) for i, x in enumerate(inputs)]
        with during() as mode:
            scores = question.scores(free, rows)
            if isinstance(mode, Watched):
                mode.verify(scores)
        sources = [x for x in free if x.requires_grad]
        found = iter(differentiated(scores, sources, question.target_names[rows[0]]))
    made = []
    for x in free:
        gradient = next(found) if x.requires_grad else None
        nothing = torch.zeros(x.shape, device=x.device, dtype=_floating(x))
        made.append(nothing if gradient is None else gradient)
    for number in question.differentiable_inputs:
        silent = {rows[at]: at for at in silent_rows(made[number])}  # of each row one point will do
        for row, at in silent.items():
            check_arrival(question, inputs, number, at, row)
    return tuple(made)


def check_values(question: AttributionTask) -> None:
    """Refuse inputs of which no values can be changed a little.

    Raises:
        UsageError: all inputs are integers: indices, of which there is no gradient and no mixture.
    """
    if not question.differentiable_inputs:
        kinds = ", ".join(sorted({str(x.dtype).removeprefix("torch.") for x in question.inputs}))
        raise UsageError(
            "an input of floating point values, which can be changed a little",
            received=f"indices only ({kinds})",
            hint="Wrap the part of the network after the embedding as a network of its own, and explain the "
            "embedded input; a picture as integers is converted with .float().",
        )


def check_arrival(
    question: AttributionTask, inputs: Sequence[Tensor], number: int, at: int, row: int
) -> None:
    """Refuse a row whose gradient at one input is 0 because none arrives.

    Args:
        question: what is asked.
        inputs: the batch in which the row's gradient was 0.
        number: of the input.
        at: the row's place in the batch.
        row: which row of the question it is.

    Raises:
        UsageError: the target depends on the input, but not by operations with gradients.
    """
    ones = [x[at : at + 1].detach() for x in inputs]

    def run(value: Tensor) -> Tensor:
        return question.scores([value if i == number else x for i, x in enumerate(ones)], [row])

    with ordinary():
        reason = missing(run, ones[number], _others(question, number, row, ones[number]))
    if reason:
        several = f" {question.net.contracts[number].name}" if len(inputs) > 1 else ""
        raise UsageError(
            f"a gradient of {question.target_names[row]} at the input{several}",
            received=f"no gradient arrives at the input{several}: {reason}",
            hint="Use a method that needs no gradients: occlusion or rise.",
        )


def _others(question: AttributionTask, number: int, row: int, value: Tensor) -> list[Tensor]:
    """Other values of an input's range: its mean, and noise."""
    low, high = question.net.contracts[number].value_range
    chance = torch.Generator().manual_seed(row)
    draws = [torch.rand(value.shape, generator=chance, dtype=torch.float64) for _ in range(3)]
    return [
        question.baseline("mean")[number][row : row + 1],
        *((low + (high - low) * d).to(value) for d in draws),
    ]


def _floating(x: Tensor) -> torch.dtype:
    return x.dtype if x.is_floating_point() else torch.float32


def batched_input_gradients(
    question: AttributionTask, during: Callable[[], AbstractContextManager[object]] = nullcontext
) -> tuple[Tensor, ...]:
    """The gradient at the inputs themselves, in batches."""
    found = []
    for first in range(0, len(question), question.batch):
        rows = list(range(first, min(first + question.batch, len(question))))
        found.append(input_gradients(question, question.repeated(rows), rows, during))
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def batched_scores(
    question: AttributionTask,
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
                found = question.probabilities(inputs, rows) if degrees else question.scores(inputs, rows)
        yield numbers, found


def zeros(question: AttributionTask) -> list[Tensor]:
    """A place to add up attributions: one tensor for each input."""
    return [torch.zeros(x.shape, dtype=_floating(x), device=x.device) for x in question.inputs]
