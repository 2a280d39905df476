"""Remove what is not needed any more of the trainings in a folder.

That is every run without a finished epoch, and of the finished ones state/, with which they could be resumed:
their networks, metrics and reports stay. Without --yes nothing is removed, and what would be is listed. Only
files that are recognised as this program's are removed, links are never followed, and damaged runs, and
those that are being trained, are left alone.

    convscope runs prune
    convscope runs prune runs --yes
"""

from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.learn import PruneRecipe

schema = PruneRecipe


def run(recipe: PruneRecipe, workspace: Workspace) -> Steps:
    """List what can be removed of the runs below a folder, and with `--yes` remove it.

    Args:
        recipe: the folder, and whether to remove.
        workspace: not used; all jobs have the same signature.

    Yields:
        The document: JSON fields `folder`, `runs` (number of runs that can be read), `items` (each with
        `name`, `kind`, `files`, `bytes`, `note`, `removed` and `kept`), `bytes` (of all), and `damaged`.

    Raises:
        DataError: there is no such folder (exit code 3).
    """
    from convscope import learn

    yield finished(learn.prune_runs(recipe.folder, yes=recipe.yes).to_json())
