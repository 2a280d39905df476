"""Every error a user can meet, as one small tree.

    ConvscopeError            1   something failed
    ├── UsageError            2   the request makes no sense: an unknown place, a bad option
    │   ├── GraphError            a network that cannot exist: shapes that do not fit, a cycle
    │   └── PlaceError            an address that leads nowhere in this network
    ├── DataError             3   the input is bad: corrupt, empty, truncated, too large, not found
    ├── MissingError          4   something is not here: weights, an optional package, a device
    ├── TrainingError         1   the numbers went wrong: NaN, Inf
    └── Interrupted         130   stopped by the user, after saving

The number is the exit code of the terminal command. A message says what was expected, what was received, and
the next step.
"""

import difflib
from collections.abc import Iterable


class ConvscopeError(Exception):
    """Base of everything raised on purpose.

    Args:
        expected: what would have been right, as one sentence.
        received: what came instead; left out of the message when empty.
        hint: the next step the user can take.
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
    """The request makes no sense."""

    exit_code = 2


class GraphError(UsageError):
    """A network that cannot exist."""


class PlaceError(UsageError):
    """An address that leads nowhere in this network."""


class DataError(ConvscopeError):
    """The input is bad."""

    exit_code = 3


class MissingError(ConvscopeError):
    """Something that is needed is not here."""

    exit_code = 4


class TrainingError(ConvscopeError):
    """The numbers went wrong while learning."""


class Interrupted(ConvscopeError):
    """Stopped by the user, after saving."""

    exit_code = 130


def nearest(name: str, names: Iterable[str], *, most: int = 3) -> str:
    """A hint that names what is closest to `name`, or what exists: `Did you mean conv2?`."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return f"There is: {shown}." if names else ""
