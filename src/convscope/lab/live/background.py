"""Long computations, advanced step by step while no question waits: indexes of units, visualizations."""

from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import torch

from convscope.errors import ConvscopeError
from convscope.jobs.output.failures import explained
from convscope.system.progress import Progress

ABANDONED_AFTER = 30.0
"""Seconds after which a computation that nobody asks about any more is put aside."""
MAX_RUNNING = 4
"""Computations that go on at a time; of more, the one asked about longest ago is given up."""
MAX_KEPT = 64
"""Computations that are remembered, finished or not; the one asked about longest ago goes first."""

Steps = Iterator[Progress[Any]] | Generator[Progress[Any], None, Any]


@dataclass
class Work:
    """A computation.

    Attributes:
        fraction: the share that is done, 0 to 1.
        result: computes the result so far.
        error: why it ended early.
        last_requested: when its result was last requested.
        gradients: whether gradients are recorded where it goes on: it may stop inside `torch.no_grad`.
    """

    steps: Steps | None
    fraction: float = 0.0
    result: Callable[[], Any] = lambda: None
    error: ConvscopeError | None = None
    last_requested: float = field(default_factory=monotonic)
    gradients: bool = True

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.steps is None


class Background:
    """Computations by key, of which one step at a time is made."""

    def __init__(self) -> None:
        self._works: OrderedDict[Hashable, Work] = OrderedDict()

    def get_or_start(self, key: Hashable, start: Callable[[], Steps]) -> Work:
        """Return the computation of a key, started if there is none; it goes on whenever there is time.

        Args:
            key: identifies it, with everything that its result depends on.
            start: begins it; called only if there is none of this key.

        Returns:
            The computation.

        Raises:
            ConvscopeError: it has failed.
        """
        if key not in self._works:
            self._make_room()
            self._works[key] = Work(start())
        work = self._works[key]
        work.last_requested = monotonic()
        self._works.move_to_end(key)
        if work.error is not None:
            del self._works[key]  # so that the next question tries again
            raise work.error
        return work

    def _make_room(self) -> None:
        """Give up the oldest computations, so that one more is not too many."""
        going = [key for key, work in self._works.items() if not work.done]
        many = list(self._works)[: max(0, len(self._works) + 1 - MAX_KEPT)]
        for key in {*going[: max(0, len(going) + 1 - MAX_RUNNING)], *many}:
            _close(self._works.pop(key))

    def step(self) -> bool:
        """Make one step of the computation that was asked about last.

        Returns:
            Whether there was one to make.
        """
        now = monotonic()
        for work in reversed(self._works.values()):
            if work.steps is None or now - work.last_requested > ABANDONED_AFTER:
                continue
            try:
                progress = _next(work)
                work.fraction, work.result = progress.fraction, progress.result
            except StopIteration:
                work.fraction, work.steps = 1.0, None
            except Exception as error:  # full disks, no memory: the worker goes on, and says it when asked
                work.error = error if isinstance(error, ConvscopeError) else explained(error)
                work.steps = None
            return True
        return False

    def close(self) -> None:
        """End all computations."""
        while self._works:
            _close(self._works.popitem()[1])


def _next(work: Work) -> Progress[Any]:
    """Make a step with gradients on or off as they were where it stopped; here they stay as they are."""
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(work.gradients)
    try:
        return next(work.steps or iter(()))
    finally:
        work.gradients = torch.is_grad_enabled()
        torch.set_grad_enabled(before)


def _close(work: Work) -> None:
    if isinstance(work.steps, Generator):
        work.steps.close()
    work.steps = None
