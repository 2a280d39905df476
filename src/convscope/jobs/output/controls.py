"""What a running training can be asked for: pause, another learning rate, what is frozen."""

import threading
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, get_args

from convscope.errors import ConvscopeError, UsageError, nearest

if TYPE_CHECKING:
    from convscope.learn import RunEvents

Action = Literal["pause", "resume", "lr", "freeze", "thaw"]
ACTIONS: tuple[str, ...] = get_args(Action)
WAIT = 0.2
"""Seconds between two steps of a training that is paused."""


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        action: what was asked for.
        value: what belonged to it.
        epoch: where it took effect: the epoch, from 1,
        step: and the steps done in it.
        error: why it was refused; None if it was done.
    """

    action: str
    value: Any
    epoch: int
    step: int
    error: ConvscopeError | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON-ready dict."""
        error = self.error
        why = error and {"expected": error.expected, "received": error.received, "hint": error.hint}
        return {
            "action": self.action,
            "value": self.value,
            "epoch": self.epoch,
            "step": self.step,
            "error": why,
        }


class Controls:
    """Requests to a running training: made in any thread, carried out between two of its batches.

    Attributes:
        paused: whether the training stands still.
        outcomes: what became of the requests so far, in their order.
    """

    def __init__(self) -> None:
        self.paused = False
        self.outcomes: list[Outcome] = []
        self._asked: list[tuple[str, Any]] = []
        self._changed = threading.Condition()

    def ask(self, action: str, value: Any = None) -> None:
        """Ask for something. Whether it was done, `outcomes` says.

        Args:
            action: `pause`, `resume`, `lr` (another highest learning rate), `freeze` or `thaw`.
            value: of `lr` a number; of `freeze` and `thaw` one address or several.

        Raises:
            UsageError: there is no such action.
        """
        _check_action(action)
        with self._changed:
            self._asked.append((action, value))
            self._changed.notify_all()

    @staticmethod
    def check(action: str, value: Any) -> None:
        """Check a request as far as that can be done without the training.

        Args:
            action: as for `ask`.
            value: as for `ask`; None for `pause` and `resume`.

        Raises:
            UsageError: there is no such action, or the value is of another kind.
        """
        _check_action(action)
        fits, kind, example = {
            "pause": (value is None, "nothing", "Leave the value out."),
            "resume": (value is None, "nothing", "Leave the value out."),
            "lr": (_is_number(value), "a finite number", "For example: 0.01"),
        }.get(action, (_are_addresses(value), "addresses of parts of the network", "For example: conv2:7"))
        if not fits:
            raise UsageError(f"{kind} as value of {action}", received=str(value)[:80], hint=example)

    def wait(self) -> None:
        """Wait for a request, for `WAIT` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked, WAIT)

    def carry_out(self, events: "RunEvents") -> bool:
        """Carry out what was asked for, between two events of a training; its state is then stored.

        Args:
            events: the training.

        Returns:
            Whether the training is to stand still.
        """
        with self._changed:
            asked, self._asked = self._asked, []
        for action, value in asked:
            trainer = events.trainer
            error = None
            try:
                self._act(action, value, events)
            except ConvscopeError as refused:
                error = refused
            self.outcomes.append(Outcome(action, value, trainer.epoch + 1, trainer.step, error))
        if asked:
            events.store()  # so that a kill loses none of it
        return self.paused

    def _act(self, action: str, value: Any, events: "RunEvents") -> None:
        self.check(action, value)
        trainer = events.trainer
        if action in ("pause", "resume"):
            self.paused = action == "pause"
        elif action == "lr":
            trainer.set_max_lr(value)
        else:
            places = [value] if isinstance(value, str) else value
            (trainer.freeze if action == "freeze" else trainer.thaw)(*places)


def _check_action(action: str) -> None:
    if action not in ACTIONS:
        raise UsageError(
            "something that a training can be asked for", received=action, hint=nearest(action, ACTIONS)
        )


def _is_number(value: Any) -> bool:
    return (isinstance(value, float) and isfinite(value)) or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def _are_addresses(value: Any) -> bool:
    places = [value] if isinstance(value, str) else value
    return isinstance(places, list) and bool(places) and all(isinstance(place, str) for place in places)
