"""What `style train` and `style add` share: run a training, show progress, and save a sheet of results."""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.errors import DataError
from convscope.jobs import training
from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Artifact, Workspace
from convscope.learn.style import StyleAddRecipe, StyleTrainingRecipe, StyleTrainRecipe

if TYPE_CHECKING:
    from convscope.learn import TrainingSetup

SHOWN, SIDE = 4, 256
"""Photographs in the sheet that a training ends with, and their size."""
STYLES = (StyleTrainRecipe.verb, StyleAddRecipe.verb)


def run(recipe: StyleTrainingRecipe, workspace: Workspace) -> Steps:
    """Train a style network, then stylise some held-out photographs for a contact sheet.

    The run's folder holds `recipe.toml`, `state/` (to resume from), `env.json`, `model.json`,
    `model.safetensors`, `metrics.jsonl` (one line per epoch), `report.html` and `sheet.png` (photographs in
    each style). It is `--out`, the run of `--resume`, or a new one under `runs/`.

    Args:
        recipe: settings; with `resume`, the run's own recipe is followed.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress, and at the end the document; JSON fields `recipe` (the settings that were followed),
        `network`, `styles` (names), `sheet` (file name), `photographs` and `held_out` (numbers of training
        and test photographs), `epochs` (`Epoch.to_json()` of each one run now), `frozen`
        (`FreezeRecord.to_json()` of each part that was frozen), `lr_changes` (`LRChange.to_json()` of each),
        `table` (see `jobs.training.table`), `said` and `said_zh` (what needs attention, in sentences: that
        the training diverged), `report` (file name of the page) and `out` (the folder).

    Raises:
        TrainingError: a loss or weight is NaN or infinite; the last good state is kept (exit code 1).
        UsageError: no photographs are given, settings contradict each other or the run to resume, or `--out`
            is taken (exit code 2).
        DataError: photographs, paintings or the run to resume cannot be read (exit code 3).
        Interrupted: stopped with Ctrl-C; the run is saved, and the hint has the command that resumes (exit
            code 130).
    """
    done = yield from training.run(recipe, workspace)
    if done is None:
        return
    setup, sheet = done.setup, _sheet(done.setup, done.recipe, done.folder)
    workspace.artifacts.append(Artifact(sheet, "image", "held-out photographs in each style"))
    document = {
        "recipe": done.recipe.model_copy(update={"resume": recipe.resume}).model_dump(mode="json"),
        "network": setup.net.name,
        "styles": list(setup.task.styles(setup.net)),
        "sheet": sheet,
        "photographs": len(setup.train),
        "held_out": len(setup.test),
        "epochs": [epoch.to_json() for epoch in done.epochs],
        "frozen": [record.to_json() for record in done.frozen],
        "lr_changes": [change.to_json() for change in done.lr_changes],
        "table": training.table(done, done.lines),
        "said": done.said(),
        "said_zh": done.said("zh"),
        "report": training.REPORT,
        "out": str(done.folder),
    }
    yield finished(document)


def _sheet(setup: "TrainingSetup", recipe: StyleTrainingRecipe, folder: Path) -> str:
    """Save a sheet of held-out photographs beside their stylised versions; return its file name."""
    from convscope.recipe import stamp
    from convscope.show.images import contact_sheet, png
    from convscope.show.images.contact_sheet import SheetRow, SheetTile
    from convscope.use import stylize
    from convscope.worlds.images import photos

    names, rows = setup.task.styles(setup.net), []
    count = min(SHOWN, len(setup.test))
    for square in setup.test.middles(range(count), SIDE):
        photo = photos.to_pil(square.float() / 255)
        painted = [stylize(setup.net, photo, {name: 1.0}) for name in names]
        tiles = zip((photo, *painted), ("photograph", *names), strict=True)
        rows.append(SheetRow([SheetTile(image, notes=[name]) for image, name in tiles]))
    name = _sheet_name(folder)
    png.save(contact_sheet.compose(rows, side=160), folder / name, stamp(recipe))
    return name


def _sheet_name(folder: Path) -> str:
    """Return `sheet.png`, or `sheet-2.png`, ... where a file that is no earlier sheet has that name."""
    from convscope.show.images import png

    number, name = 1, "sheet.png"
    while os.path.lexists(folder / name):
        with contextlib.suppress(DataError):  # no recipe in it: the file is not one of this program's
            if not (folder / name).is_symlink() and png.recipe_in(folder / name).get("verb") in STYLES:
                break
        number += 1
        name = f"sheet-{number}.png"
    return name
