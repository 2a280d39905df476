"""Look for what is wrong in data, before anything is learned from it.

FOLDER holds one folder of pictures or of sounds for each class, with or without train, val and test above; or
it holds texts with classes, or game records (SGF), as convscope train takes them; these may be one file, too.
Corrupt, empty, truncated and enormous files, files that are no pictures, empty classes and what is there
twice are listed; so are a single class, folders below the classes, classes written alike, and parts with
different classes. The exit code is 0 when all is well, and 3 when something is not; remarks alone do not
change it.

    convscope data check photographs
    convscope data check reviews.csv
    convscope data check games --kind go
"""

from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.worlds import DataCheckRecipe

schema = DataCheckRecipe


def run(recipe: DataCheckRecipe, workspace: Workspace) -> Steps:
    """Check files for unreadable ones, empty classes, duplicates and an odd folder structure.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: folder, what its files are, whether to look for duplicates, and the largest number of pixels
            of an image.
        workspace: what is logged.

    Returns:
        JSON field `report`: all fields of the check, `ok`, `total` (images, sounds, texts or games) and
        `kinds` (number of problems of each kind).

    Raises:
        DataError: the folder is missing, or holds nothing of that kind (exit code 3).
    """
    from convscope import worlds

    workspace.log(f"Looking at every file below {recipe.folder}")
    report = worlds.check_data(
        recipe.folder, recipe.kind, duplicates=recipe.duplicates, most_pixels=recipe.most_pixels
    )
    yield finished({"report": report.to_json()})
