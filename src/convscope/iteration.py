"""The end of a generator that yields results as they grow."""

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from convscope.errors import UsageError

Item = TypeVar("Item")


def last_result(items: Iterable[Item], what: str) -> Item:
    """Exhaust a generator and return the last of what it yields.

    Args:
        items: a generator, each result of which replaces the one before.
        what: what makes the results, for the error.

    Raises:
        UsageError: it yields nothing.
    """
    found: deque[Item] = deque(items, maxlen=1)
    if not found:
        raise UsageError(
            f"inputs of which {what} finds something",
            received="inputs of which it finds nothing",
            hint="Give at least one input with at least one value that can be changed.",
        )
    return found[0]
