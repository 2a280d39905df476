"""The table of `visualize`."""

from typing import Any

from convscope.jobs.pictures import UNMOVED
from convscope.system.printable import printable


def table(document: dict[str, Any]) -> Any:
    """Return the activation that each image reaches.

    Args:
        document: the result.

    Returns:
        A table of rich.
    """
    from rich.markup import escape
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("place", "activation", "picture", ""):
        made.add_column(head)
    for entry in document["pictures"]:
        note = "silent: nothing that was tried makes it fire" if entry["place"] in document["silent"] else ""
        if entry["place"] in document["unmoved"]:
            note = UNMOVED
        names = [escape(printable(entry[name])) for name in ("place", "picture")]
        made.add_row(names[0], f"{entry['score']:.5g}", names[1], note)
    return made
