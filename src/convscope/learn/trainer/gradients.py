"""Gradients of the losses of a batch, summed over its parts and over the processes of a training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim

from convscope.errors import UsageError
from convscope.learn.tasks.task import StepOutput
from convscope.learn.trainer.distributed import Processes
from convscope.learn.trainer.freezing.freezer import Freezer
from convscope.worlds import Batch


@dataclass(frozen=True)
class BatchLoss:
    """Hold one loss of a whole batch, whose gradients are computed.

    Attributes:
        optimizer: name of the optimizer that takes the step.
        loss: mean over the samples of all processes, detached.
        sums: what is summed over an epoch, `[task.metric_sums]`.
        weights: the only parameters that the step updates; None for all that the optimizer has, and none
            where all of them are frozen.
        finite_here: whether the loss of this process' share is known to be finite, where there are others.
    """

    optimizer: str
    loss: Tensor
    sums: Tensor
    weights: list[Tensor] | None
    finite_here: bool = False


class BatchGradients:
    """Compute the gradients of the losses of batches.

    A part of a batch counts by its share of the samples, or of their weights where the loss is a weighted
    mean (`StepOutput.total_weight`): what is summed are the gradients of the mean over the whole batch.

    Args:
        optimizers: of the training, by name.
        parameters: of each optimizer.
        scalers: loss scalers for fp16, by optimizer.
        freezer: what is frozen.
        processes: those that train together, each with its share of the batch.
    """

    def __init__(
        self,
        optimizers: Mapping[str, optim.Optimizer],
        parameters: Mapping[str, Sequence[nn.Parameter]],
        scalers: Mapping[str, torch.amp.GradScaler],
        freezer: Freezer,
        processes: Processes,
    ) -> None:
        self.optimizers, self.parameters, self.scalers = optimizers, parameters, scalers
        self.freezer, self.processes = freezer, processes

    def losses(
        self, parts: Sequence[Batch], size: int, outputs: Callable[[Batch], Iterator[StepOutput]]
    ) -> Iterator[BatchLoss]:
        """Yield the losses of a batch; when one is yielded, the parameters have its gradients.

        Each is computed after the optimizer of the one before has taken its step.

        Args:
            parts: parts of this process' share, computed one after the other to take less memory.
            size: samples of the batch in all processes.
            outputs: computes the losses of a part.

        Yields:
            The losses, one for each optimizer that takes a step.

        Raises:
            UsageError: the task names an optimizer that it does not have, or one of them twice.
            LostProcessError: another process does not answer.
        """
        done: set[str] = set()
        running = [(outputs(part), part.size / size) for part in parts]
        alone = len(parts) == 1 and self.processes.count == 1
        while True:
            rows, output, weights = [], None, None
            for found, share in running:
                output = next(found, None)
                if output is None:
                    return
                if not rows:
                    self._begin(output.optimizer, done)
                if output.total_weight is not None and not alone:
                    share = output.total_weight.detach() / size
                weights = self._backward(output, 1.0 if alone else share)
                rows.append((output.loss.detach(), output.sums, share))
            if output is None:
                return
            if alone:
                yield BatchLoss(output.optimizer, rows[0][0], rows[0][1], weights)
            else:
                yield self._summed(output, rows, weights)

    def _begin(self, name: str, done: set[str]) -> None:
        """Clear the gradients of an optimizer, once in a batch."""
        if name not in self.optimizers or name in done:
            raise UsageError(
                f"one step for each optimizer of the task: {', '.join(self.optimizers)}",
                received=f"{name}, twice" if name in done else name,
                hint="Let the task yield one StepOutput for each optimizer, named by it.",
            )
        done.add(name)
        self.optimizers[name].zero_grad(set_to_none=True)

    def _backward(self, output: StepOutput, share: float | Tensor) -> list[Tensor] | None:
        """Add the gradients of a part, and return the parameters that the step updates."""
        weights = output.weights
        if weights is None and len(self.optimizers) > 1:
            weights = self.parameters[output.optimizer]
        weights = self.freezer.moving(output.loss, weights)
        if weights is None or weights or not self.freezer.frozen:  # else all that it would update is frozen
            loss = output.loss if isinstance(share, float) and share == 1 else output.loss * share
            self.scalers[output.optimizer].scale(loss).backward(inputs=weights)
        return weights

    def _summed(
        self,
        output: StepOutput,
        rows: Sequence[tuple[Tensor, Tensor, float | Tensor]],
        weights: list[Tensor] | None,
    ) -> BatchLoss:
        """Sum losses, metrics and gradients over the parts and the processes."""
        exact = torch.float32 if output.loss.device.type == "mps" else torch.float64
        own = torch.zeros(2 + len(output.sums), dtype=exact, device=output.loss.device)
        for loss, sums, share in rows:
            weight = share if isinstance(share, Tensor) else loss.new_tensor(share)
            own += torch.cat([torch.stack([weight.to(own), (loss * weight).to(own)]), sums.to(own)])
        here = own.device.type == "cpu" and self.processes.count > 1 and bool(torch.isfinite(own[1]))
        summed = self.processes.sum(own)
        moving = self.parameters[output.optimizer] if weights is None else weights
        self.processes.sum_gradients(moving)
        if output.total_weight is not None:
            for parameter in moving:
                if parameter.grad is not None:
                    parameter.grad.div_(summed[0])
        return BatchLoss(output.optimizer, summed[1] / summed[0], summed[2:], weights, here)
