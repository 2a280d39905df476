"""Check this machine: packages, devices, disk, data.

Each line is `ok` or `warn`, and a warning says what to do.

    convscope doctor
"""

from typing import Any, ClassVar

from convscope.cli.core.shell import Shell, VerbResult
from convscope.recipe import Recipe


class DoctorRecipe(Recipe):
    """What to check."""

    verb: ClassVar[str] = "doctor"


schema = DoctorRecipe


def run(recipe: DoctorRecipe, shell: Shell) -> VerbResult:
    """Check the installation and this machine: packages, devices, threads, disk, cache and bundled data.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: the device to look for; `auto` accepts any.
        shell: shows progress.

    Returns:
        JSON fields `checks` (entries with `what`, `ok`, `found` and `next`, the advice if not ok, else empty)
        and `warnings` (number of checks that are not ok). The exit code is 0 even with warnings.
    """
    from convscope.cli.verbs.program.doctor_checks import CHECKS, checked

    checks = []
    with shell.progress("checking", len(CHECKS)) as progress:
        for number, check in enumerate(CHECKS):
            checks.append(checked(check, recipe))
            progress.update(number + 1, checks[-1]["what"])
    warnings = sum(not check["ok"] for check in checks)
    return VerbResult({"checks": checks, "warnings": warnings}, lambda: _lines(checks))


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
