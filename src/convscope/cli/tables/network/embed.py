"""What the terminal says of an embedding of inputs."""

from pathlib import Path
from typing import Any

from convscope.system.counting import counted
from convscope.system.printable import printable


def table(document: dict[str, Any]) -> str:
    """Return how many inputs were laid out, how many were predicted correctly, and where the map is.

    Args:
        document: the result.

    Returns:
        Three lines.
    """
    known = [entry for entry in document["classes"] if entry["right"] is not None]
    right, count = (sum(entry[key] for entry in known) for key in ("right", "count"))
    answered = f"; {right / count:.1%} predicted correctly" if count else ""
    said = "".join(f"{line}\n" for line in document["said"])
    layout = (
        "UMAP, which keeps neighbours together; distances between groups mean little"
        if document["layouts"][-1] == "umap"
        else f"PCA; its two axes hold {document['spread']:.0%} of the variance"
    )
    return (
        f"{document['place']}: {counted(document['inputs'], 'input')} of {printable(document['data'])} "
        f"by {counted(document['units'], 'unit')}{answered}\n"
        f"Layout: {layout}\n{said}"
        f"The map: {printable(Path(document['out']) / 'embedding.png')}"
    )
