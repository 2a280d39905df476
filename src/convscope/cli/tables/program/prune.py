"""What the terminal shows of what is, or would be, removed of runs."""

from typing import Any

from convscope.system.counting import counted
from convscope.system.printable import printable


def table(document: dict[str, Any]) -> Any:
    """Return a table of what can be removed, and how.

    Args:
        document: the result.

    Returns:
        A table of rich and sentences.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    items, damaged = document["items"], document["damaged"]
    left = [f"{counted(len(damaged), 'damaged run is', 'damaged runs are')} left alone."] if damaged else []
    if not items:
        return Group("Nothing can be removed.", *left)
    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("run", "what", "MB", ""):
        made.add_column(head, justify="right" if head == "MB" else "left", overflow="fold")
    for item in items:
        words = (item["name"], item["kind"], f"{item['bytes'] / 1e6:.1f}", _said(item))
        made.add_row(*(Text(printable(word)) for word in words))
    done = any(item["removed"] for item in items)
    total = sum(item["bytes"] for item in items if item["removed"] or not done) / 1e6
    kept = any(item["kept"] for item in items)  # --yes was given, and another process has them
    again = "" if done else " Nothing is removed." if kept else " Nothing is removed yet: add --yes."
    return Group(made, f"{total:.1f} MB {'removed' if done else 'can be removed'}.{again}", *left)


def _said(item: dict[str, Any]) -> str:
    """Say what is lost with an item, and what of it is kept."""
    kept = f"kept: {item['kept']}" if item["kept"] and not item["removed"] else item["kept"]
    return "; ".join(filter(None, (item["note"], kept)))
