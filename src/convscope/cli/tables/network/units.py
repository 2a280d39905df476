"""The table of `units`."""

from pathlib import Path
from typing import Any

from convscope.system.counting import counted
from convscope.system.printable import printable


def table(document: dict[str, Any]) -> Any:
    """Return how many units of each layer are dead or saturated, and where the index is.

    Args:
        document: the result.

    Returns:
        A table of rich, and two lines.
    """
    from rich.console import Group
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in (
        "layer",
        "units",
        "map",
        "dead",
        "saturated",
        "redundant",
        "inactive",
        "unit with the highest peak",
    ):
        made.add_column(head, justify="left" if head == "layer" else "right")
    for layer in document["layers"]:
        made.add_row(
            layer["place"].replace("[", r"\["),
            f"{layer['units']:,}",
            "×".join(map(str, layer["map"])),
            str(len(layer["dead"]) or ""),
            str(len(layer["saturated"]) or ""),
            str(len(layer["redundant"]) or ""),
            f"{layer['inactive_share']:.0%}",
            f"{layer['highest_peak_unit']} ({layer['peak']:.4g})",
        )
    problems = (
        f"; {counted(len(document['problems']), 'file')} could not be read" if document["problems"] else ""
    )
    counts = counted(document["units"], "unit"), counted(document["images"], "input")
    words = f"{' over '.join(counts)} of {document['data']}{problems}"
    page = printable(Path(document["out"]) / document["page"])
    places = f"The index: {document['index']}", f"The page: {page}  (open it in a browser)"
    return Group(made, words, *document["said"], *places)
