"""List the networks there are, and the lecture's table counted here.

Without a word: our own networks, and the table of ready-made ones that the lecture prints, beside what is
counted in the modules of this installation. With a word: every name that contains it.

    convscope nets
    convscope nets resnet
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import UsageError, nearest
from convscope.recipe import Recipe

if TYPE_CHECKING:
    from convscope.nets.zoo.keras_reference import Counted


class NetsRecipe(Recipe):
    """Which networks to list."""

    verb: ClassVar[str] = "nets"
    positional: ClassVar[tuple[str, ...]] = ("word",)

    word: str | None = Field(None, min_length=1, description="list the names that contain this")


schema = NetsRecipe


def run(recipe: NetsRecipe, shell: Shell) -> VerbResult:
    """List network names that contain a word, or the own networks and a table of well-known ones.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: the word; if left out, everything is listed.
        shell: shows progress while the table's networks are counted.

    Returns:
        With a word, the JSON field `names`. Without, `own` (entries with `name`, `summary`, `paper`, `note`)
        and `keras` (entries with `name`, `reference`, `printed`, the numbers of the Keras table, `counted`,
        those of the modules here, and `relation`, how the two relate). Exit code 0.

    Raises:
        UsageError: no name contains the word (exit code 2).
    """
    return _search(recipe.word) if recipe.word else _overview(shell)


def _search(word: str) -> VerbResult:
    from convscope.nets.io.loading import known

    names = [name for name in known() if word.lower() in name.lower()]
    if not names:
        raise UsageError(
            "a word that occurs in the name of a network", received=word, hint=nearest(word, known())
        )
    return VerbResult({"names": names}, lambda: "\n".join(names))


def _overview(shell: Shell) -> VerbResult:
    from convscope.nets.zoo import ZOO, keras_reference

    own = [{"name": e.name, "summary": e.summary, "paper": e.paper, "note": e.note} for e in ZOO.values()]
    counted = []
    with shell.progress("counting", len(keras_reference.ROWS)) as progress:
        for line in keras_reference.table():
            counted.append(line)
            progress.update(len(counted), line.row.name)
    return VerbResult({"own": own, "keras": [_row(line) for line in counted]}, lambda: _shown(own, counted))


def _row(line: "Counted") -> dict[str, Any]:
    counts = {k: v for k, v in asdict(line).items() if k != "row"}
    derived = {"keras_total": line.keras_total, "size_mb": line.size_mb, "agrees": line.agrees}
    printed = {k: v for k, v in asdict(line.row).items() if k not in ("name", "reference", "difference")}
    names = {"name": line.row.name, "reference": line.row.reference}
    return {**names, "printed": printed, "counted": {**counts, **derived}, "relation": line.relation}


def _shown(own: list[dict[str, Any]], counted: "list[Counted]") -> Any:
    from rich.console import Group
    from rich.table import Table

    first = Table("name", "what it is", title="Our own", title_justify="left")
    for entry in own:
        first.add_row(entry["name"], entry["summary"])
    second = Table(title="Ready-made, as the lecture prints them | as counted here", title_justify="left")
    for head in ("name", "load as"):
        second.add_column(head)
    for head in (
        "MB",
        "top-1",
        "top-5",
        "parameters",
        "depth",
        "| MB",
        "parameters",
        "as Keras counts",
        "depth",
    ):
        second.add_column(head, justify="right")
    for line in counted:
        printed = line.row
        told = (printed.size_mb, printed.top1, printed.top5, _number(printed.parameters), printed.depth)
        here = (f"{line.size_mb:.0f}", _number(line.parameters), _number(line.keras_total), line.depth)
        second.add_row(
            printed.name, printed.reference, *("" if v is None else str(v) for v in (*told, *here))
        )
    words = "Also: efficientnet_lite0 (weights ship), torchvision/NAME, timm/NAME. Find: convscope nets WORD"
    return Group(first, words, "", second)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
