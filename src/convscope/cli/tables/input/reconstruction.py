"""The table of `caricature` and `invert`."""

from typing import Any

from convscope.jobs.pictures import UNMOVED


def table(document: dict[str, Any]) -> Any:
    """Return how close each layer's reconstruction comes to the image.

    Args:
        document: the result.

    Returns:
        What the document says, and a table of rich.
    """
    from rich.console import Group
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("layer", "verdict", "the picture", "file"):
        made.add_column(head)
    for entry in document["layers"]:
        reason = UNMOVED if entry["unmoved"] else entry["reason"]
        made.add_row(entry["layer"], entry["verdict"], reason, entry["picture"])
    return Group(*document["said"], made)


def exit_code(document: dict[str, Any]) -> int:
    """Return 1 if the optimisation of a layer failed, else 0.

    Args:
        document: the result.

    Returns:
        The exit code.
    """
    return int(any(entry["verdict"] == "failed" for entry in document["layers"]))
