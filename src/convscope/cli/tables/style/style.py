"""The table of `style`."""

from typing import Any

from convscope.jobs.pictures import UNMOVED

MOST = 10.0
"""Shares above it are not written out."""


def table(document: dict[str, Any]) -> Any:
    """Return how far the image is from the content and the paintings, layer by layer.

    Args:
        document: the result.

    Returns:
        A table of rich, below it remarks.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("layer", "compares", "missing", "of the photograph"):
        made.add_column(head)
    for layer, missing in document["style"].items():
        made.add_row(layer, "style", _share(missing), _share(document["style_of_content"][layer]))
    for layer, missing in document["content"].items():
        made.add_row(layer, "content", f"{missing:.1%}", "0.0%")
    if document["unmoved"]:
        made.add_row("", "", UNMOVED, "")
    return Group(made, *map(Text, document["said"]))


def _share(value: float) -> str:
    """Write a share; a photograph can be any number of times as far from a painting as the means alone."""
    return f"{value:.1%}" if value <= MOST else f"over {MOST:.0%}"
