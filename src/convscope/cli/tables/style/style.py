"""The table of `style`."""

from typing import Any

from convscope.jobs.pictures import UNMOVED


def table(document: dict[str, Any]) -> Any:
    """Return how far the image is from the content and the paintings, layer by layer.

    Args:
        document: the result.

    Returns:
        A table of rich.
    """
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("layer", "compares", "missing", "of the photograph"):
        made.add_column(head)
    for layer, missing in document["style"].items():
        made.add_row(layer, "style", f"{missing:.1%}", f"{document['style_of_content'][layer]:.1%}")
    for layer, missing in document["content"].items():
        made.add_row(layer, "content", f"{missing:.1%}", "0.0%")
    if document["unmoved"]:
        made.add_row("", "", UNMOVED, "")
    return made
