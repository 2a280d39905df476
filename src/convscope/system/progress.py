"""The progress of anything that takes a while: how far it is, in words too, and its result so far."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from convscope.errors import UsageError

T_co = TypeVar("T_co", covariant=True)
Item = TypeVar("Item")
LEAST_SECONDS = 1.0
"""Time since the first step below which nothing is estimated."""
AGREEING, LATEST = 0.1, 15.0
"""Share of the remaining time by which estimates that agree differ at most, and seconds after which one is
taken that does not."""


@dataclass(frozen=True, eq=False)
class Progress(Generic[T_co]):
    """The state of a running computation, as every `iter_...` yields it; the last one is complete.

    Attributes:
        fraction: share of the work that is done, 0 to 1; 1 for the last.
        message: what is being done, in a few words.
        result: computes the result so far; None where there is nothing to show yet. Call it before the next
            step, which may change what it reads.
        left: estimate of the remaining seconds on this machine, as a job gives it (`TimeLeft`); None where it
            is unknown.
        milestone: whether the result so far is worth showing now: the next step takes long.
        steady: whether the work that is left goes as fast as this; where it does not, as in a linear probe
            before fine-tuning, the remaining time is unknown.
    """

    fraction: float
    message: str
    result: Callable[[], T_co]
    left: float | None = None
    milestone: bool = False
    steady: bool = True


class TimeLeft:
    """Estimate the remaining time of a computation from how far it is, at its average speed so far.

    The first fraction counts as done before: an index that goes on, a training that is resumed. The first
    step takes longer (kernels are chosen, memory is taken); it does not count once others have run.
    """

    def __init__(self) -> None:
        self.began: tuple[float, float] | None = None
        self.warm: tuple[float, float] | None = None

    def __call__(self, fraction: float) -> float | None:
        """Note how far the computation is.

        Args:
            fraction: share of the work that is done, 0 to 1.

        Returns:
            The remaining seconds; None until `LEAST_SECONDS` have passed and something was done.
        """
        now = time.monotonic()
        self.began = self.began or (now, fraction)
        if self.warm is None and fraction > self.began[1]:
            self.warm = now, fraction
        since = self.began
        if self.warm and now - self.warm[0] >= LEAST_SECONDS and fraction > self.warm[1]:
            since = self.warm
        seconds, done = now - since[0], fraction - since[1]
        return seconds * (1 - fraction) / done if seconds >= LEAST_SECONDS and done > 0 else None


class Settled:
    """Tell when estimates of a remaining time agree, so that one can be announced."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.before: tuple[float, float] | None = None

    def __call__(self, left: float) -> bool:
        """Note an estimate.

        Args:
            left: the remaining seconds.

        Returns:
            True if the end that it predicts is that of `LEAST_SECONDS` ago or more, within `AGREEING` of what
            is left, or if `LATEST` seconds have passed since the first.
        """
        now = time.monotonic()
        self.began = now if self.began is None else self.began
        agrees = False
        if self.before is None or now - self.before[0] >= LEAST_SECONDS:
            agrees = self.before is not None and abs(now + left - self.before[1]) <= AGREEING * left
            self.before = now, now + left
        return agrees or now - self.began >= LATEST


def duration(seconds: float) -> str:
    """Return a duration in words, as exact as an estimate is.

    Args:
        seconds: the duration.

    Returns:
        Text such as `40 s`, `2 min 10 s` or `1 h 5 min`.
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes, rest = divmod(round(seconds / 5) * 5, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def last_result(steps: Iterable[Progress[Item | None]], what: str) -> Item:
    """Run a computation to its end, and return its result.

    Args:
        steps: the progress of the computation.
        what: name of what is computed, for the error.

    Returns:
        The result of the last step.

    Raises:
        UsageError: there is no step, or the last one has no result.
    """
    found = last_item(steps, what).result()
    if found is None:
        raise _nothing(what)
    return found


def last_item(items: Iterable[Item], what: str) -> Item:
    """Exhaust an iterable, each item of which replaces the one before, and return the last.

    Args:
        items: any iterable.
        what: name of what makes the items, for the error.

    Returns:
        The last item.

    Raises:
        UsageError: there is no item.
    """
    found: deque[Item] = deque(items, maxlen=1)
    if not found:
        raise _nothing(what)
    return found[0]


def _nothing(what: str) -> UsageError:
    return UsageError(
        f"inputs of which {what} finds something",
        received="inputs of which it finds nothing",
        hint="Give at least one input with at least one value that can be changed.",
    )
