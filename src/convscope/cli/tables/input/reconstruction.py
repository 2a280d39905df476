"""The table of `caricature` and `invert`."""

from typing import Any

from convscope.jobs.pictures import UNMOVED


def table(document: dict[str, Any]) -> Any:
    """Return how close each layer's reconstruction comes to the image.

    Args:
        document: the result.

    Returns:
        A table of rich.
    """
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("layer", "cosine", "missed", "picture", ""):
        made.add_column(head)
    for entry in document["layers"]:
        note = UNMOVED if entry["unmoved"] else ""
        numbers = (f"{entry['cosine']:.3f}", f"{entry['missed']:.1%}")
        made.add_row(entry["layer"], *numbers, entry["picture"], note)
    return made
