"""Look for what is wrong in a folder of pictures.

FOLDER holds one folder for each class, with or without train, val and test above. Corrupt, empty, truncated
and enormous files, files that are no pictures, empty classes and pictures that are there twice are listed; so
are a single class, folders below the classes, classes written alike, and parts with different classes. The
exit code is 0 when all is well, and 3 when something is not; remarks alone do not change it.

    convscope data check photographs
"""

import os

from convscope.errors import UsageError
from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.worlds import DataCheckRecipe

schema = DataCheckRecipe


def run(recipe: DataCheckRecipe, workspace: Workspace) -> Steps:
    """Check a folder of images for unreadable files, empty classes, duplicates and an odd folder structure.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: folder, whether to look for duplicates, and the largest number of pixels of an image.
        workspace: what is logged.

    Returns:
        JSON field `report`: all fields of the check, `ok`, `total` (images) and `kinds` (number of problems
        of each kind).

    Raises:
        DataError: the folder is missing, or is not a folder (exit code 3).
        UsageError: it holds sounds (exit code 2).
    """
    from convscope import worlds

    workspace.log(f"Looking at every file below {recipe.folder}")
    if os.path.isdir(recipe.folder) and worlds.folder_spec(recipe.folder) is not None:  # noqa: PTH112
        raise UsageError(
            "a folder of pictures",
            received=f"{recipe.folder}, which holds sounds",
            hint="convscope train counts and names the sounds that cannot be read.",
        )
    report = worlds.check(recipe.folder, duplicates=recipe.duplicates, most_pixels=recipe.most_pixels)
    yield finished({"report": report.to_json()})
