"""What a training is about: what a batch costs, what is measured, which weights a step moves.

`Trainer` knows how to iterate, pause, store and continue; a task knows what for. Tasks are told apart by what
they can do, not by what they inherit: those of other rooms need nothing from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from convscope.learn.batches.source import Batch, BatchSource
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig


class StepCost(Protocol):
    """What one batch costs."""

    @property
    def loss(self) -> Tensor:
        """The number that the step makes smaller."""
        ...

    @property
    def sums(self) -> Tensor:
        """What is added up over an epoch, `[task.sums]`, detached."""
        ...

    @property
    def weights(self) -> Sequence[nn.Parameter] | None:
        """The only weights that this step moves; None for all that the loss depends on."""
        ...


@dataclass(frozen=True)
class EvalResult:
    """How a network does on pictures that it did not learn from."""

    metrics: Mapping[str, float]
    """By the names of the task; `loss` is among them."""
    worst: str = ""
    """The commonest mistake, in words."""


@dataclass(frozen=True)
class StepOutput:
    """A `Cost` as plain data."""

    loss: Tensor
    sums: Tensor
    weights: Sequence[nn.Parameter] | None = field(default=None)


class Task(Protocol):
    """What a training is about. Everything that it decides follows from net, data, plan and step."""

    metric_sums: int
    """How many numbers are added up over an epoch."""

    def make_batches(self, net: Net, data: Any, plan: Any) -> BatchSource:
        """Check that network and data fit, and say where batches come from.

        Raises:
            UsageError: they do not fit.
            DataError: there is nothing to learn from.
        """
        ...

    def execution(self, net: Net, plan: Any) -> ExecutionConfig:
        """Precision and memory format."""
        ...

    def training_step(self, net: Net, batch: Batch, choice: ExecutionConfig, step: int) -> StepCost:
        """What a batch costs at a step, counted from 0 over the whole training."""
        ...

    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """What was measured on so many pictures, by name; `loss` is among them."""
        ...

    def evaluate(self, net: Net, data: Any, choice: ExecutionConfig) -> Any:
        """Means and worst, as `EvalResult`, on what was held out."""
        ...
