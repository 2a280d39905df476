"""The table of `gtp`: there is none, for stdout holds the protocol alone."""

from typing import Any


def table(document: dict[str, Any]) -> None:
    """Return nothing.

    Args:
        document: the result.
    """
