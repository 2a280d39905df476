"""The protocol of a training task: the loss of a batch, the metrics, the weights that a step updates.

`Trainer` iterates, pauses, stores and resumes; a task defines what is optimised. Tasks conform by
structure, without inheriting from anything here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from convscope.learn.batches.source import Batch, BatchSource
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig


class StepCost(Protocol):
    """Hold the loss of one batch, and the sums from which metrics are computed."""

    @property
    def loss(self) -> Tensor:
        """The scalar that the step minimises."""
        ...

    @property
    def sums(self) -> Tensor:
        """What is summed over an epoch, `[task.metric_sums]`, detached."""
        ...

    @property
    def weights(self) -> Sequence[nn.Parameter] | None:
        """The only parameters that this step updates; None for all that the loss depends on."""
        ...


@dataclass(frozen=True)
class EvalResult:
    """Hold the metrics of a network on held-out data."""

    metrics: Mapping[str, float]
    """By name, as the task defines them; `loss` is among them."""
    worst: str = ""
    """The most frequent mistake, in words."""


@dataclass(frozen=True)
class StepOutput:
    """Hold the loss of one batch as plain data; an implementation of `StepCost`.

    Attributes:
        loss: the scalar that the step minimises.
        sums: what is summed over an epoch, `[task.metric_sums]`, detached.
        weights: the only parameters that the step updates; None for all that the loss depends on.
    """

    loss: Tensor
    sums: Tensor
    weights: Sequence[nn.Parameter] | None = field(default=None)


class Task(Protocol):
    """Define what a training optimises and measures.

    All that a task decides must follow from network, data, recipe and step, so that a run can be resumed
    exactly.
    """

    metric_sums: int
    """Number of values that are summed over an epoch."""

    def make_batches(self, net: Net, data: Any, plan: Any) -> BatchSource:
        """Check that network and data fit, and build the batch source.

        Args:
            net: network to train.
            data: what the task learns from.
            plan: recipe of the training.

        Returns:
            The batch source.

        Raises:
            UsageError: network and data do not fit.
            DataError: there is no data.
        """
        ...

    def execution(self, net: Net, plan: Any) -> ExecutionConfig:
        """Choose precision and memory format of the training.

        Args:
            net: network to train.
            plan: recipe of the training.

        Returns:
            The precision and memory format.
        """
        ...

    def training_step(self, net: Net, batch: Batch, choice: ExecutionConfig, step: int) -> StepCost:
        """Compute the loss of a batch.

        Args:
            net: network to train.
            batch: as the task's batch source yields them; two tensors of `b` rows.
            choice: precision and memory format of the forward pass.
            step: step of the training, from 0, counted over all epochs.

        Returns:
            The loss, what is summed over the epoch, and the parameters to update.
        """
        ...

    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """Compute metrics from the sums of an epoch.

        Args:
            sums: sums so far, as many as `metric_sums`.
            seen: number of rows of the batches that were summed.

        Returns:
            Metrics by name; `loss` is among them.
        """
        ...

    def evaluate(self, net: Net, data: Any, choice: ExecutionConfig) -> Any:
        """Evaluate the network on held-out data.

        Args:
            net: network to evaluate; left unchanged.
            data: what the caller gave to test on.
            choice: precision and memory format.

        Returns:
            Metrics and worst mistake, with the attributes of `EvalResult`.
        """
        ...
