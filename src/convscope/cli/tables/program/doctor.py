"""The table of `doctor`."""

from typing import Any


def table(document: dict[str, Any]) -> Any:
    """Return one line for each check, and what to do where it is not ok.

    Args:
        document: the result.

    Returns:
        A table of rich.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2))
    for check in document["checks"]:
        mark = Text("ok", "green") if check["ok"] else Text("warn", "bold yellow")
        made.add_row(mark, Text(check["what"]), Text(check["found"]))
        if check["next"]:
            made.add_row("", "", Text(f"-> {check['next']}", "dim"))
    return made
