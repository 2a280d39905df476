"""The table of every verb that trains."""

from typing import Any


def table(document: dict[str, Any]) -> Any:
    """Return the metrics of each epoch, as the task lays them out, and what the test says.

    Args:
        document: the result.

    Returns:
        A table of rich, and sentences.
    """
    from rich.console import Group
    from rich.table import Table

    found = document["table"]
    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in found["heads"]:
        made.add_column(head, justify="right" if head else "left")
    for row in found["rows"]:
        made.add_row(*row)
    return Group(made, *found["lines"])
