"""The table of `style`."""

from typing import Any

from convscope.jobs.pictures import UNMOVED
from convscope.system.counting import capped_share


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
        made.add_row(layer, "style", capped_share(missing), capped_share(document["style_of_content"][layer]))
    for layer, missing in document["content"].items():
        made.add_row(layer, "content", capped_share(missing), capped_share(0.0))
    if document["unmoved"]:
        made.add_row("", "", UNMOVED, "")
    return Group(made, *map(Text, document["said"]))
