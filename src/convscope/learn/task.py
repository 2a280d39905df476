"""What a training is about: what a batch costs, what is measured, which weights a step moves.

`Fitting` knows how to iterate, pause, store and continue; a task knows what for. Tasks are told apart by what
they can do, not by what they inherit: those of other rooms need nothing from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from convscope.learn.feeding import Batch, Feed
from convscope.nets import Net
from convscope.nets.speed import Choice


class Cost(Protocol):
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
class Outcome:
    """How a network does on pictures that it did not learn from."""

    means: Mapping[str, float]
    """By the names of the task; `loss` is among them."""
    worst: str = ""
    """The commonest mistake, in words."""


@dataclass(frozen=True)
class Priced:
    """A `Cost` as plain data."""

    loss: Tensor
    sums: Tensor
    weights: Sequence[nn.Parameter] | None = field(default=None)


class Task(Protocol):
    """What a training is about. Everything that it decides follows from net, data, plan and step."""

    sums: int
    """How many numbers are added up over an epoch."""

    def prepare(self, net: Net, data: Any, plan: Any) -> Feed:
        """Check that network and data fit, and say where batches come from.

        Raises:
            UsageError: they do not fit.
            DataError: there is nothing to learn from.
        """
        ...

    def choose(self, net: Net, plan: Any) -> Choice:
        """Precision and memory format."""
        ...

    def cost(self, net: Net, batch: Batch, choice: Choice, step: int) -> Cost:
        """What a batch costs at a step, counted from 0 over the whole training."""
        ...

    def means(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """What was measured on so many pictures, by name; `loss` is among them."""
        ...

    def test(self, net: Net, data: Any, choice: Choice) -> Any:
        """Means and worst, as `Outcome`, on what was held out."""
        ...
