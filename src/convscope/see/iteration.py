"""Exhaust a generator that yields partial results."""

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from convscope.errors import UsageError

Item = TypeVar("Item")


def last_result(items: Iterable[Item], what: str) -> Item:
    """Exhaust an iterable of partial results and return the last.

    Args:
        items: a generator, each result of which replaces the one before.
        what: name of what makes the results, for the error.

    Returns:
        The last item.

    Raises:
        UsageError: there is no item.
    """
    found: deque[Item] = deque(items, maxlen=1)
    if not found:
        raise UsageError(
            f"inputs of which {what} finds something",
            received="inputs of which it finds nothing",
            hint="Give at least one input with at least one value that can be changed.",
        )
    return found[0]
