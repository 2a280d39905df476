"""Gradients of targets with respect to the inputs, and batched scores of many modified inputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.see.attribution.gradients.arrival import differentiated, missing, rows_without_gradient
from convscope.see.attribution.gradients.passes import ordinary
from convscope.see.attribution.methods.opaque_operations import Watched
from convscope.see.attribution.target import AttributionTask


def input_gradients(
    task: AttributionTask,
    inputs: Sequence[Tensor],
    rows: Sequence[int],
    during: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> tuple[Tensor, ...]:
    """Compute the gradient of each row's own target with respect to its own inputs.

    Args:
        task: the task: network, inputs and targets.
        inputs: one tensor `[n ...]` for each input of the network.
        rows: for each of the n, the row of the task whose target is differentiated.
        during: returns a context for the forward pass, such as a function mode that changes gradients.

    Returns:
        One tensor in the shape of each input; zeros for inputs that are indices.

    Raises:
        UsageError: a row's target depends on an input, but no gradient arrives there.
    """
    check_values(task)
    with ordinary(), torch.enable_grad():
        free = [x.detach().requires_grad_(i in task.differentiable_inputs) for i, x in enumerate(inputs)]
        with during() as mode:
            scores = task.scores(free, rows)
            if isinstance(mode, Watched):
                mode.verify(scores)
        sources = [x for x in free if x.requires_grad]
        found = iter(differentiated(scores, sources, task.target_names[rows[0]]))
    made = []
    for x in free:
        gradient = next(found) if x.requires_grad else None
        zero = torch.zeros(x.shape, device=x.device, dtype=_floating(x))
        made.append(zero if gradient is None else gradient)
    for number in task.differentiable_inputs:
        without = {
            rows[at]: at for at in rows_without_gradient(made[number])
        }  # of each row one point will do
        for row, at in without.items():
            check_arrival(task, inputs, number, at, row)
    return tuple(made)


def check_values(task: AttributionTask) -> None:
    """Refuse tasks in which no input has floating point values.

    Args:
        task: the task: network, inputs and targets.

    Raises:
        UsageError: all inputs are integers (indices), which have no gradient and cannot be blended with a
            baseline.
    """
    if not task.differentiable_inputs:
        kinds = ", ".join(sorted({str(x.dtype).removeprefix("torch.") for x in task.inputs}))
        raise UsageError(
            "an input of floating point values, which can be changed a little",
            received=f"indices only ({kinds})",
            hint="Wrap the part of the network after the embedding as a network of its own, and explain the "
            "embedded input; a picture as integers is converted with .float().",
        )


def check_arrival(task: AttributionTask, inputs: Sequence[Tensor], number: int, at: int, row: int) -> None:
    """Refuse a row whose gradient at one input is 0 because none arrives there.

    Args:
        task: the task: network, inputs and targets.
        inputs: the batch in which the row's gradient was 0, one tensor for each input of the network.
        number: index of the input.
        at: the row's index in this batch.
        row: the row's index in the task.

    Raises:
        UsageError: the target depends on the input, but not by operations with gradients.
    """
    ones = [x[at : at + 1].detach() for x in inputs]

    def run(value: Tensor) -> Tensor:
        return task.scores([value if i == number else x for i, x in enumerate(ones)], [row])

    with ordinary():
        reason = missing(run, ones[number], _others(task, number, row, ones[number]))
    if reason:
        several = f" {task.net.input_specs[number].name}" if len(inputs) > 1 else ""
        raise UsageError(
            f"a gradient of {task.target_names[row]} at the input{several}",
            received=f"no gradient arrives at the input{several}: {reason}",
            hint="Use a method that needs no gradients: occlusion or rise.",
        )


def _others(task: AttributionTask, number: int, row: int, value: Tensor) -> list[Tensor]:
    """Return other values of an input to compare with: the mean baseline, and three noise draws."""
    low, high = task.net.input_specs[number].value_range
    generator = torch.Generator().manual_seed(row)
    draws = [torch.rand(value.shape, generator=generator, dtype=torch.float64) for _ in range(3)]
    return [
        task.baseline("mean")[number][row : row + 1],
        *((low + (high - low) * d).to(value) for d in draws),
    ]


def _floating(x: Tensor) -> torch.dtype:
    """Return the dtype of attributions: the input's own, or float32 for indices."""
    return x.dtype if x.is_floating_point() else torch.float32


def batched_input_gradients(
    task: AttributionTask, during: Callable[[], AbstractContextManager[object]] = nullcontext
) -> tuple[Tensor, ...]:
    """Compute the gradient of each row's target at the task's own inputs, in batches.

    Args:
        task: the task: network, inputs and targets.
        during: returns a context for each forward pass.

    Returns:
        One tensor in the shape of each input; zeros for inputs that are indices.

    Raises:
        UsageError: a row's target depends on an input, but no gradient arrives there.
    """
    found = []
    for first in range(0, len(task), task.batch):
        rows = list(range(first, min(first + task.batch, len(task))))
        found.append(input_gradients(task, task.repeated(rows), rows, during))
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def batched_scores(
    task: AttributionTask,
    jobs: Sequence[int],
    change: Callable[[Sequence[int]], tuple[Tensor, ...]],
    *,
    probabilities: bool = False,
    during: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[tuple[list[int], Float[Tensor, " n"]]]:
    """Score many modified inputs without gradients, batch by batch.

    Args:
        task: the task: network, inputs and targets.
        jobs: for each modified input, the row of the task it belongs to.
        change: returns the inputs of some jobs, one tensor `[n ...]` for each input of the network; gets
            indices into `jobs`.
        probabilities: return probabilities rather than values, where the targets are classes.
        during: returns a context for each forward pass.

    Yields:
        Indices into `jobs`, and their scores `[n]`.
    """
    for first in range(0, len(jobs), task.batch):
        numbers = list(range(first, min(first + task.batch, len(jobs))))
        rows = [jobs[number] for number in numbers]
        with torch.no_grad():
            inputs = change(numbers)
            with during():
                found = task.probabilities(inputs, rows) if probabilities else task.scores(inputs, rows)
        yield numbers, found


def zeros(task: AttributionTask) -> list[Tensor]:
    """Allocate accumulators for attributions.

    Args:
        task: the task: network, inputs and targets.

    Returns:
        Zeros in the shape of each input and on its device; float32 for inputs that are indices.
    """
    return [torch.zeros(x.shape, dtype=_floating(x), device=x.device) for x in task.inputs]
