"""The table of `describe`."""

from typing import Any


def table(document: dict[str, Any]) -> Any:
    """Return one row for each layer that does more than move values.

    Args:
        document: the result.

    Returns:
        A table of rich.
    """
    from convscope.nets import description_table

    return description_table(document)
