"""What the terminal says of an atlas."""

from pathlib import Path
from typing import Any

from convscope.jobs.pictures import UNMOVED
from convscope.system.counting import counted
from convscope.system.printable import printable

SHOWN = 8
"""Maximum number of regions that are named."""


def table(document: dict[str, Any]) -> str:
    """Return how much the cells hold, and where the page is.

    Args:
        document: the result.

    Returns:
        Three lines or more.
    """
    share = document["placed"] / max(document["vectors"], 1)
    held, vectors = counted(len(document["cells"]), "cell holds", "cells hold"), document["vectors"]
    unmoved, page = document["unmoved"], Path(document["out"]) / "atlas.html"
    said = "".join(f"{line}\n" for line in document["said"])
    still = f"\n{counted(len(unmoved), 'cell')}: {UNMOVED}" if unmoved else ""
    return (
        f"{document['place']}: {held} {share:.0%} of {counted(vectors, 'activation vector')}\n"
        f"Layout: {_layout(document)}{still}\n{_regions(document)}{said}"
        f"The page: {printable(page)}  (open it in a browser)"
    )


def _layout(document: dict[str, Any]) -> str:
    if document["spread"] is None:
        return "UMAP, which keeps neighbours together; distances between groups mean little"
    return f"PCA; its two axes hold {document['spread']:.0%} of the variance"


def _regions(document: dict[str, Any]) -> str:
    """Name the largest regions, labels of the data with their share."""
    regions = document["regions"]
    if not regions:
        return "No cell has a name: no label and no class of the network is clear enough\n"
    names = [
        f"{printable(region['name'])} {region['label']['count'] / region['label']['pictures']:.0%}"
        if region["label"]
        else f"{printable(region['name'].split(',')[0])} (class)"
        for region in regions[:SHOWN]
    ]
    more = f", and {len(regions) - SHOWN} more" if len(regions) > SHOWN else ""
    return f"Regions: {', '.join(names)}{more}\n"
