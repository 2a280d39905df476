"""Check this machine: packages, devices, disk, data.

Each line is `ok` or `warn`, and a warning says what to do.

    convscope doctor
"""

from typing import Any, ClassVar

from convscope.cli.shell import Answer, Shell
from convscope.recipe import Recipe


class Doctor(Recipe):
    """What to check."""

    verb: ClassVar[str] = "doctor"


schema = Doctor


def run(recipe: Doctor, shell: Shell) -> Answer:
    """Run every check; a warning is an answer, not an error."""
    from convscope.cli.machine import CHECKS, checked

    checks = []
    with shell.progress("checking", len(CHECKS)) as progress:
        for number, check in enumerate(CHECKS):
            checks.append(checked(check, recipe))
            progress.update(number + 1, checks[-1]["what"])
    warnings = sum(not check["ok"] for check in checks)
    return Answer({"checks": checks, "warnings": warnings}, lambda: _lines(checks))


def _lines(checks: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for check in checks:
        mark = Text("ok", "green") if check["ok"] else Text("warn", "bold yellow")
        table.add_row(mark, Text(check["what"]), Text(check["found"]))
        if check["next"]:
            table.add_row("", "", Text(f"-> {check['next']}", "dim"))
    return table
