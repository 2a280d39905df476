"""The progress of anything that takes a while: how far it is, in words too, and its result so far."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from convscope.errors import UsageError

T_co = TypeVar("T_co", covariant=True)
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Progress(Generic[T_co]):
    """The state of a running computation, as every `iter_...` yields it; the last one is complete.

    Attributes:
        fraction: share of the work that is done, 0 to 1; 1 for the last.
        message: what is being done, in a few words.
        result: computes the result so far; None where there is nothing to show yet. Call it before the next
            step, which may change what it reads.
    """

    fraction: float
    message: str
    result: Callable[[], T_co]


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
