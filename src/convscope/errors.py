"""The exceptions of this package.

    ConvscopeError            1   something failed
    ├── UsageError            2   the request makes no sense: an unknown place, a bad option
    │   ├── GraphError            a network that cannot exist: shapes that do not fit, a cycle
    │   └── PlaceError            an address that leads nowhere in this network
    ├── DataError             3   the input is bad: corrupt, empty, truncated, too large, not found
    ├── MissingError          4   something is not here: weights, an optional package, a device
    ├── TrainingError         1   training diverged: NaN, Inf
    └── Interrupted         130   stopped by the user, after saving

The number is the exit code of the terminal command. A message states what was expected, what was received,
and the next step.
"""

import difflib
from collections.abc import Iterable


class ConvscopeError(Exception):
    """Base class of every error that this package raises on purpose.

    Args:
        expected: what would have been right, as one sentence.
        received: what came instead; left out of the message when empty.
        hint: the next step the user can take; left out of the message when empty.
    """

    exit_code = 1

    def __init__(self, expected: str, *, received: str = "", hint: str = "") -> None:
        self.expected, self.received, self.hint = expected, received, hint
        parts = [expected.rstrip(".") + "."]
        if received:
            parts.append(f"Received: {received.rstrip('.')}.")
        if hint:
            parts.append(hint)
        super().__init__(" ".join(parts))


class UsageError(ConvscopeError):
    """A request that cannot be carried out as it is: an unknown name, an option that is out of range."""

    exit_code = 2


class GraphError(UsageError):
    """A network that cannot exist: options or shapes that do not fit, a cycle."""


class PlaceError(UsageError):
    """A layer address that does not exist in this network."""


class DataError(ConvscopeError):
    """Unusable input: a file that is missing, corrupt, empty, truncated or too large."""

    exit_code = 3


class MissingError(ConvscopeError):
    """Something that is needed is not installed or present: weights, an optional package, a device."""

    exit_code = 4


class TrainingError(ConvscopeError):
    """Training that diverged: NaN or infinite values."""


class Interrupted(ConvscopeError):
    """Stopped by the user, after saving."""

    exit_code = 130


def nearest(name: str, names: Iterable[str], *, most: int = 3) -> str:
    """Return a hint with the names most similar to a wrong one: `Did you mean conv2?`.

    Args:
        name: the wrong name.
        names: the valid names.
        most: number of similar names to list at most.

    Returns:
        A sentence with similar names; without any, one that lists the first 12 valid names; empty if there
        are none.
    """
    names = list(names)
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return f"There is: {shown}." if names else ""
