"""What the terminal says of an atlas."""

from pathlib import Path
from typing import Any

from convscope.jobs.pictures import UNMOVED
from convscope.system.printable import printable


def table(document: dict[str, Any]) -> str:
    """Return how much the cells hold, and where the page is.

    Args:
        document: the result.

    Returns:
        Three lines or more.
    """
    share = document["placed"] / max(document["vectors"], 1)
    cells, vectors = len(document["cells"]), document["vectors"]
    unmoved, page = document["unmoved"], Path(document["out"]) / "atlas.html"
    still = f"\n{len(unmoved)} cells: {UNMOVED}" if unmoved else ""
    return (
        f"{document['place']}: {cells} cells hold {share:.0%} of {vectors:,} answers\n"
        f"Layout: {document['layout']}{still}\nThe page: {printable(page)}  (open it in a browser)"
    )
