"""Look for what is wrong in a folder of pictures.

FOLDER holds one folder for each class, with or without train, val and test above. Corrupt, empty, truncated
and enormous files, files that are no pictures, empty classes and pictures that are there twice are listed.
The exit code is 0 when all is well, and 3 when something is not.

    convscope data check photographs
"""

from convscope.cli.shell import Answer, Shell
from convscope.errors import DataError
from convscope.worlds.recipe import DataCheck

schema = DataCheck


def run(recipe: DataCheck, shell: Shell) -> Answer:
    """Decode every file once, compare the pictures, and count."""
    from convscope import worlds

    shell.say(f"Looking at every file below {recipe.folder}")
    report = worlds.check(recipe.folder, duplicates=recipe.duplicates, most_pixels=recipe.most_pixels)
    verdict = (
        "All is well."
        if report.ok
        else "Something is not well; training skips the files that cannot be read."
    )
    code = 0 if report.ok else DataError.exit_code
    return Answer({"report": report.to_json()}, lambda: f"{report}\n{verdict}", code)
