"""The table of `factors`."""

from typing import Any

from convscope.jobs.pictures import NOT_RAISED, UNMOVED
from convscope.system.counting import counted


def table(document: dict[str, Any]) -> Any:
    """Return the share and the strongest units of each group.

    Args:
        document: the result.

    Returns:
        Sentences, and a table of rich.
    """
    from rich.console import Group
    from rich.table import Table

    made, groups = Table(box=None, header_style="bold", pad_edge=False), document["groups"]
    for head in ("group", "share", "strongest units", "where", ""):
        made.add_column(head)
    for k, group in enumerate(groups):
        note = UNMOVED if group["unmoved"] else NOT_RAISED if group["not_raised"] else ""
        made.add_row(
            str(k), f"{group['share']:.0%}", ", ".join(map(str, group["units"])), _where(group["where"]), note
        )
    explained, place = document["explained"], document["place"]
    verb = "explains" if len(groups) == 1 else "explain"
    said = f"{counted(len(groups), 'group')} {verb} {explained:.0%} of the positive activations of {place}"
    clipped = document["clipped"]
    if clipped > 0.005:
        said += f"; {clipped:.0%} of its energy is below 0 and left out (layers after a ReLU have none)"
    return Group(*document["said"], said, made)


def _where(places: list[str]) -> str:
    """Say where a group is most active: of one picture, or of each that shows it, by number."""
    if len(places) == 1:
        return places[0]
    return "; ".join(f"picture {k + 1}, {place}" for k, place in enumerate(places) if place)
