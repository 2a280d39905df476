"""The table of every verb that trains."""

from pathlib import Path
from typing import Any

from convscope.system.printable import printable


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
    page = printable(Path(document["out"]) / document["report"])
    return Group(made, *found["lines"], f"The report: {page}  (open it in a browser)")
