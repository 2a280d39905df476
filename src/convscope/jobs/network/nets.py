"""List the networks there are, and the lecture's table counted here.

Without a word: our own networks, and the table of ready-made ones that the lecture prints, beside what is
counted in the modules of this installation. With a word: every name that contains it.

    convscope nets
    convscope nets resnet
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from convscope.errors import UsageError, nearest
from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import Recipe
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.nets import ParameterCounts


class NetsRecipe(Recipe):
    """Which networks to list."""

    verb: ClassVar[str] = "nets"
    positional: ClassVar[tuple[str, ...]] = ("word",)

    word: str | None = Field(None, min_length=1, description="list the names that contain this")


schema = NetsRecipe


def run(recipe: NetsRecipe, workspace: Workspace) -> Steps:
    """List network names that contain a word, or the own networks and a table of well-known ones.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: the word; if left out, everything is listed.
        workspace: not used; all jobs have the same signature.

    Yields:
        The progress with the document so far: with a word, the JSON field `names`. Without, `own` (entries
        with `name`, `summary`, `paper`, `note`) and `keras` (entries with `name`, `reference`, `printed`, the
        numbers of the Keras table, `counted`, those of the modules here, and `relation`, how the two relate).

    Raises:
        UsageError: no name contains the word (exit code 2).
    """
    yield from [_search(recipe.word)] if recipe.word else _overview()


def _search(word: str) -> Progress[Document]:
    from convscope.nets import list_networks

    names = [name for name in list_networks() if word.lower() in name.lower()]
    if not names:
        raise UsageError(
            "a word that occurs in the name of a network", received=word, hint=nearest(word, list_networks())
        )
    return finished({"names": names})


def _overview() -> Steps:
    from convscope.nets import KERAS_MODELS, ZOO, keras_table

    own = [{"name": e.name, "summary": e.summary, "paper": e.paper, "note": e.note} for e in ZOO.values()]
    document: Document = {"own": own, "keras": []}
    for line in keras_table():
        document["keras"].append(_row(line))
        share = len(document["keras"]) / len(KERAS_MODELS)
        yield Progress(share, f"counting {line.row.name}", lambda: document)
    yield finished(document)


def _row(line: "ParameterCounts") -> dict[str, Any]:
    counts = {k: v for k, v in asdict(line).items() if k != "row"}
    derived = {"keras_total": line.keras_total, "size_mb": line.size_mb, "agrees": line.agrees}
    printed = {k: v for k, v in asdict(line.row).items() if k not in ("name", "reference", "difference")}
    names = {"name": line.row.name, "reference": line.row.reference}
    return {**names, "printed": printed, "counted": {**counts, **derived}, "relation": line.relation}
