"""The learning rate of every step, whose schedule may be scaled while a training runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch.optim import Optimizer

from convscope.errors import UsageError
from convscope.learn.trainer import values as check

MOST = 1000.0
"""The learning rate is below it, as in a recipe."""
EARLIER_NAMES = {"before": "previous", "lr": "max_lr"}
"""Fields of a stored change in earlier versions -> their names now."""
Moment = tuple[int, int]
"""Epoch, counted from 1, and steps done in it."""


@dataclass(frozen=True)
class LRChange:
    """A change of the highest learning rate while a training ran.

    Attributes:
        epoch: when: the epoch, from 1,
        step: and the steps done in it,
        steps: of all that an epoch has.
        previous: the highest learning rate of the schedule until then.
        max_lr: the highest learning rate from then on; the schedule keeps its shape.
    """

    epoch: int
    step: int
    steps: int
    previous: float
    max_lr: float

    @property
    def epochs_done(self) -> float:
        """Epochs done when it was made."""
        return self.epoch - 1 + self.step / self.steps

    def text(self) -> str:
        """Return the change as one sentence, for people."""
        return (
            f"Highest learning rate {self.max_lr:.3g} in place of {self.previous:.3g}, "
            f"from epoch {self.epoch}, step {self.step} on."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the change as a JSON-ready dict."""
        return asdict(self)


def read_changes(values: Any, now: Moment, steps: int) -> tuple[LRChange, ...]:
    """Read changes from what `LRChange.to_json` returned, checking every value.

    Args:
        values: the list, parsed.
        now: position of the training: epoch, counted from 1, and steps done in it.
        steps: of an epoch.

    Returns:
        The changes in their order.

    Raises:
        ValueError: a value is missing, unknown, or of another type or range.
    """
    found: list[LRChange] = []
    for entry in check.items("lr_changes", values):
        entry = _with_present_names(entry)
        change = LRChange(**check.fields("lr_changes", entry, (field.name for field in fields(LRChange))))
        check.integer("lr_changes.epoch", change.epoch, 1)
        check.integer("lr_changes.step", change.step, 0, steps)
        check.integer("lr_changes.steps", change.steps, steps, steps)
        for name, value in (("previous", change.previous), ("max_lr", change.max_lr)):
            check.number(f"lr_changes.{name}", value, math.ulp(0.0), MOST)
        last = (found[-1].epoch, found[-1].step) if found else (1, 0)
        if not last <= (change.epoch, change.step) <= now:
            raise ValueError(f"lr_changes.epoch: {change.epoch}, step {change.step}, which is out of order")
        if found and change.previous != found[-1].max_lr:
            raise ValueError(
                f"lr_changes.previous: {found[-1].max_lr:g} was expected, not {change.previous:g}"
            )
        found.append(change)
    return tuple(found)


def _with_present_names(entry: Any) -> Any:
    """Rename the fields of a change in a state that an earlier version of this package wrote."""
    if not isinstance(entry, dict) or "max_lr" in entry:
        return entry
    return {EARLIER_NAMES.get(name, name): value for name, value in entry.items()}


def max_lr_at(first: float, changes: Sequence[LRChange], epochs: float) -> float:
    """Return the highest learning rate of the schedule that holds at some moment.

    Args:
        first: the one that the training began with.
        changes: what was changed while it ran.
        epochs: epochs done at that moment.

    Returns:
        The highest learning rate.
    """
    past = [change.max_lr for change in changes if change.epochs_done <= epochs]
    return past[-1] if past else first


class LearningRates:
    """Set the learning rate of each step in all optimizers of a training.

    Args:
        optimizers: by name; their groups have a factor `lr_scale`.
        schedule: the rate of a step, given the highest rate and the step, counted from 0 over the training.
        max_lr: the highest rate.

    Attributes:
        schedule: learning rate of each step, counted from 0 over the whole training.
        max_lr: the highest rate of the schedule.
        current: the rate that was set last.
        changes: what was changed while the training ran.
    """

    def __init__(
        self, optimizers: Mapping[str, Optimizer], schedule: Callable[[float, int], float], max_lr: float
    ) -> None:
        self.schedule: Callable[[int], float] = lambda step: schedule(self.max_lr, step)
        self.max_lr, self.current = max_lr, 0.0
        self.changes: tuple[LRChange, ...] = ()
        self._optimizers = optimizers

    def set(self, step: int) -> float:
        """Set the learning rate of a step in all optimizers.

        Args:
            step: counted from 0 over the whole training.

        Returns:
            The rate.
        """
        self.current = self.schedule(step)
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.current * group["lr_scale"]
        return self.current

    def change(self, max_lr: float, now: Moment, steps: int) -> None:
        """Change the highest rate of the steps to come.

        Args:
            max_lr: the new one.
            now: epoch, from 1, and steps done in it.
            steps: of an epoch.

        Raises:
            UsageError: it is no learning rate.
        """
        if isinstance(max_lr, bool) or not isinstance(max_lr, int | float) or not 0 < max_lr < MOST:
            hint = f"It is {self.max_lr:.3g} now."
            raise UsageError(f"a learning rate above 0, below {MOST:g}", received=str(max_lr)[:80], hint=hint)
        self.changes = (*self.changes, LRChange(*now, steps, previous=self.max_lr, max_lr=float(max_lr)))
        self.max_lr = float(max_lr)

    def restore(self, changes: tuple[LRChange, ...]) -> None:
        """Go on with the changes of a stored training.

        Args:
            changes: in their order.
        """
        self.changes = changes
        self.max_lr = changes[-1].max_lr if changes else self.max_lr
