"""Check this machine: packages, devices, disk, data.

Each line is `ok` or `warn`, and a warning says what to do.

    convscope doctor
"""

from typing import Any, ClassVar

from convscope.cli.shell import Shell
from convscope.recipe import Recipe


class Doctor(Recipe):
    """What to check."""

    verb: ClassVar[str] = "doctor"


schema = Doctor


def run(recipe: Doctor, shell: Shell) -> dict[str, Any]:
    """Run every check; a warning is an answer, not an error."""
    from convscope.cli.machine import CHECKS, checked

    checks = []
    with shell.progress("checking", len(CHECKS)) as progress:
        for number, check in enumerate(CHECKS):
            checks.append(checked(check, recipe))
            progress.update(number + 1, checks[-1]["what"])
    return {"checks": checks, "warnings": sum(not check["ok"] for check in checks)}


def view(answer: dict[str, Any]) -> Any:
    """One line per check, with the next step below a warning."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for check in answer["checks"]:
        mark = Text("ok", "green") if check["ok"] else Text("warn", "bold yellow")
        table.add_row(mark, Text(check["what"]), Text(check["found"]))
        if check["next"]:
            table.add_row("", "", Text(f"-> {check['next']}", "dim"))
    return table
