"""List the trainings in a folder, or compare some of them.

Without an argument, those below runs/ are listed, the last changed first, and with one folder those below it:
what was trained on what, how far, and the metric of the saved network on the test data. Damaged ones are
named with the reason.

Two or more runs are compared: a table of their metrics, the settings in which they differ, and whether their
accuracies differ by more than chance. --out compare.html is a page with the curves of all of them.

    convscope runs
    convscope runs runs/first runs/second
    convscope runs runs/first runs/second --out compare.html
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.errors import UsageError
from convscope.jobs.job import Steps, finished
from convscope.jobs.output import results
from convscope.jobs.output.workspace import Artifact, Workspace
from convscope.learn import RUNS_FOLDER, RunsRecipe

if TYPE_CHECKING:
    from convscope.learn import RunComparison

schema = RunsRecipe
WORDS = ("compare", "diff", "list", "ls", "show")
"""What other programs call listing and comparing."""
PAGE = ".html"
"""Ending of `--out` for which the page is written; for any other, the JSON document is saved."""


def run(recipe: RunsRecipe, workspace: Workspace) -> Steps:
    """List the trainings below a folder, or compare some of them.

    Nothing is unpickled, and no weights are read. With `--out` ending in `.html` a comparison is written
    there as a page; for any other `--out`, the JSON document is saved there.

    Args:
        recipe: the runs, or the folder.
        workspace: its `out` decides whether a page is written.

    Yields:
        The document. Of a list: JSON fields `folder`, `runs` (`RunSummary.to_json()` of each), `damaged`
        (`name`, `folder`, `reason`) and `complete`. Of a comparison those of `RunComparison.to_json()`, and
        `out` where the page was written.

    Raises:
        UsageError: the file exists already, a page of a list is asked for, or a run is named twice (exit
            code 2).
        DataError: there is no such folder, or a run to compare is damaged (exit code 3).
    """
    from convscope import learn

    _refuse_word(recipe.runs)
    out = workspace.out
    page = out if out is not None and out.suffix.lower() == PAGE else None
    if len(recipe.runs) < 2:
        if page is not None:
            raise UsageError(
                "two or more runs to compare on a page",
                received=f"{len(recipe.runs)} with --out {page}",
                hint=f"Write: convscope runs FIRST SECOND --out {page}",
            )
        yield finished(learn.list_runs(recipe.runs[0] if recipe.runs else RUNS_FOLDER).to_json())
        return
    if page is not None:
        results.free(page)
    compared = learn.compare_runs(*recipe.runs)
    document = compared.to_json()
    if page is not None:
        _write(page, compared, recipe, workspace)
        document["out"] = str(page)
    yield finished(document)


def _refuse_word(runs: Sequence[Path]) -> None:
    """Refuse a word for what this verb does anyway, in the place of a folder."""
    if not runs or str(runs[0]) not in WORDS or runs[0].exists():
        return
    named = "".join(f" {shlex.quote(str(name))}" for name in runs[1:])
    raise UsageError(
        "folders of runs; one is listed, several are compared",
        received=f"{runs[0]}, which is no folder",
        hint=f"Write: convscope runs{named}",
    )


def _write(page: Path, compared: "RunComparison", recipe: RunsRecipe, workspace: Workspace) -> None:
    """Write the page of a comparison."""
    from convscope.show.pages import runs as pages

    results.write_file(page, pages.page(compared, f"{recipe.command()} --out {page}"))
    workspace.artifacts.append(Artifact(page.name, "page", "the comparison of the runs"))
