"""The table of `units`."""

from typing import Any


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
    for head in ("layer", "units", "map", "dead", "saturated", "silent for", "loudest unit"):
        made.add_column(head, justify="left" if head == "layer" else "right")
    for layer in document["layers"]:
        made.add_row(
            layer["place"].replace("[", r"\["),
            f"{layer['units']:,}",
            "×".join(map(str, layer["map"])),
            str(len(layer["dead"]) or ""),
            str(len(layer["saturated"]) or ""),
            f"{layer['silent']:.0%}",
            f"{layer['loudest']} ({layer['peak']:.4g})",
        )
    problems = f"; {len(document['problems'])} files could not be read" if document["problems"] else ""
    words = f"{document['units']:,} units over {document['images']:,} images of {document['data']}{problems}"
    return Group(made, words, f"The index: {document['index']}")
