"""The table of the verbs that train: `train`, `style train`, `style add`."""

from typing import Any


def table(document: dict[str, Any]) -> Any:
    """Return the metrics of each epoch as the task lays them out, and what the test says.

    Args:
        document: the result.

    Returns:
        A table of rich, and sentences.
    """
    from rich.console import Group
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in document["table"]["heads"]:
        made.add_column(head, justify="right" if head else "left")
    for row in document["table"]["rows"]:
        made.add_row(*row)
    return Group(made, *document.get("summary", ()))
