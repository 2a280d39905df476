"""The table of `look`."""

from math import floor, log10
from pathlib import Path
from typing import Any

from convscope.system.counting import counted
from convscope.system.printable import printable

STRONGEST = "strongest units (standard deviation inside the map, or value)"
HEADS = ("layer", "shape", "all 0", "alike", STRONGEST)


def table(document: dict[str, Any]) -> Any:
    """Return the strongest units of each layer, and with data how many are dead, saturated or redundant.

    Args:
        document: the result.

    Returns:
        One table of rich, or two.
    """
    from rich.console import Group
    from rich.table import Table

    layers, health = [_layers(document["layers"])], document["health"]
    listed = sum(layer["listed"] for layer in document["layers"])
    if listed < len(document["layers"]):
        layers.append(
            f"{listed} of {len(document['layers'])} layers: of each group its last activation. All are in "
            f"{document['page']}, and with --json here."
        )
    page = printable(Path(document["out"]) / document["page"])
    said = [*document["said"], f"The page: {page}  (open it in a browser)"]
    if not health:
        return Group(*layers, *said)
    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("layer", "units", "dead", "saturated", "redundant", "inactive"):
        made.add_column(head, justify="left" if head == "layer" else "right")
    for entry in health:
        counts = (entry["units"], len(entry["dead"]), len(entry["saturated"]), len(entry["redundant"]))
        place = entry["place"].replace("[", r"\[")
        made.add_row(place, *(f"{count:,}" for count in counts), f"{entry['inactive_share']:.0%}")
    return Group(*layers, "", f"Over {counted(health[0]['images'], 'input')}:", made, *said)


def _layers(layers: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in (
        "layer",
        "shape",
        "all 0",
        "alike",
        "strongest units (standard deviation inside the map, or value)",
    ):
        table.add_column(head)
    for layer in (layer for layer in layers if layer["listed"]):
        units = ", ".join(f"{u.get('label', u['unit'])} ({_strength(u)})" for u in layer["strongest"][:5])
        counts = str(layer["zero_maps"]), str(layer["alike"])
        table.add_row(layer["place"], "×".join(map(str, layer["shape"])), *counts, units)
    return table


def _strength(entry: dict[str, Any]) -> str:
    """Write the number by which a unit is ranked, with three significant digits and without an exponent."""
    value = entry["degree"] if entry["inside"] is None else entry["inside"]
    decimals = 2 - floor(log10(abs(value))) if value else 0
    return f"{round(value, decimals):,.{min(max(decimals, 0), 4)}f}"
