"""What `style train` and `style add` share: run a training, show progress, and save a sheet of results."""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from convscope.errors import DataError, UsageError
from convscope.jobs import results
from convscope.jobs.job import Document, Steps, finished, mapped
from convscope.jobs.style.training_recipes import StyleAddRecipe, StyleTrainingRecipe, StyleTrainRecipe
from convscope.jobs.workspace import Artifact, Workspace
from convscope.system import signals
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.learn import Epoch, TrainProgress
    from convscope.learn.style import PerceptualConfig, StyleLossWeights, StyleTrainingSetup

SHOWN, SIDE = 4, 256
"""Photographs in the sheet that a training ends with, and their size."""
STYLES = (StyleTrainRecipe.verb, StyleAddRecipe.verb)
Recipe = TypeVar("Recipe", StyleTrainRecipe, StyleAddRecipe)


def run(recipe: Recipe, workspace: Workspace, prepare: "Callable[[Recipe], StyleTrainingSetup]") -> Steps:
    """Train a style network, then stylise some held-out photographs for a contact sheet.

    The run's folder holds `recipe.toml`, `state/` (to resume from), `env.json`, `model.json`,
    `model.safetensors`, `metrics.jsonl` (one line per epoch) and `sheet.png` (photographs in each style). It
    is `--out`, the run of `--resume`, or a new one under `runs/`.

    Args:
        recipe: settings; with `resume`, the run's own recipe is followed.
        workspace: where the result goes, and what is logged.
        prepare: builds network, data and task from the recipe that is followed.

    Yields:
        The progress with the document so far; JSON fields `recipe` (the settings that were followed),
        `network`, `styles` (names), `sheet` (file name), `photographs` and `held_out` (numbers of training
        and test photographs), `epochs` (`Epoch.to_json()` of each one run now) and `out` (the folder).

    Raises:
        TrainingError: a loss or weight is NaN or infinite; the last good state is kept (exit code 1).
        UsageError: no photographs are given, settings contradict each other or the run to resume, or `--out`
            is taken (exit code 2).
        DataError: photographs, paintings or the run to resume cannot be read (exit code 3).
        Interrupted: stopped; the run is saved, and the hint has the command that resumes (exit
            code 130).
    """
    from convscope import learn

    whole = resumed(recipe)
    if not whole.photographs:
        raise UsageError(
            "a folder of photographs to learn from",
            received="none",
            hint=f"For example: convscope {recipe.verb} photographs --style wave=great_wave.jpg",
        )
    lesson = prepare(whole)
    place = workspace.out or recipe.resume or results.named(f"{recipe.verb}-{lesson.net.name}")
    if lesson.train.problems:
        workspace.log(f"{len(lesson.train.problems)} files could not be used, {len(lesson.train)} could.")
    epochs: list[Epoch] = []

    def convert(event: "Epoch | TrainProgress") -> Progress[Document | None]:
        if isinstance(event, learn.Epoch):
            epochs.append(event)
        return Progress(event.done, _news(event), lambda: None)

    signals.working()
    events = learn.iter_train_run(lesson.net, lesson.train, lesson.test, recipe, out=place, task=lesson.task)
    yield from mapped(events, convert)
    sheet = _sheet(lesson, whole, Path(place))
    workspace.artifacts.append(Artifact(sheet, "image", "held-out photographs in each style"))
    document = {
        "recipe": whole.model_copy(update={"resume": recipe.resume}).model_dump(mode="json"),
        "network": lesson.net.name,
        "styles": list(lesson.task.styles(lesson.net)),
        "sheet": sheet,
        "photographs": len(lesson.train),
        "held_out": len(lesson.test),
        "epochs": [epoch.to_json() for epoch in epochs],
        "out": str(place),
    }
    yield finished(document)


def resumed(recipe: Recipe) -> Recipe:
    """Return the recipe to follow: the recipe itself, or that of the run which it resumes.

    Args:
        recipe: settings of the command line.

    Returns:
        The recipe with all settings.

    Raises:
        UsageError: a setting is given that nothing reads, or that the run to resume has fixed.
        DataError: there is no run to resume, or it is damaged.
    """
    from convscope.learn import refuse_unused
    from convscope.learn import resumed as run_of

    if recipe.resume is None:
        refuse_unused(recipe)
        return recipe
    found = run_of(recipe).plan
    return found if isinstance(found, type(recipe)) else recipe


def scales(recipe: StyleTrainingRecipe) -> "StyleLossWeights":
    """Return the weights of the loss terms, and the settings of the training, from a recipe.

    Args:
        recipe: settings; those of `style add` leave the reconstruction steps at their defaults.

    Returns:
        The weights and settings.
    """
    from convscope.learn.style import StyleLossWeights

    content, style, smooth = recipe.content_weight, recipe.style_weight, recipe.smooth_weight
    if not isinstance(recipe, StyleTrainRecipe):
        return StyleLossWeights(content, style, smooth, side=recipe.side)
    return StyleLossWeights(
        content, style, smooth, recipe.identity_weight, recipe.alternation, recipe.prelude, recipe.side
    )


def judging(recipe: StyleTrainingRecipe) -> "PerceptualConfig":
    """Return the configuration of the perceptual loss from a recipe.

    Args:
        recipe: names the loss network, its layers and the size of the paintings.

    Returns:
        The configuration.
    """
    from convscope.learn.style import PerceptualConfig

    return PerceptualConfig(
        recipe.judge,
        recipe.content_layer,
        tuple(recipe.style_layers),
        recipe.untrained,
        recipe.painting_size,
    )


def _sheet(lesson: "StyleTrainingSetup", recipe: StyleTrainingRecipe, folder: Path) -> str:
    """Save a sheet of held-out photographs beside their stylised versions; return its file name."""
    from convscope.jobs.provenance import stamp
    from convscope.show.images import contact_sheet, png
    from convscope.show.images.contact_sheet import Row, Tile
    from convscope.use import stylize
    from convscope.worlds.images import photos

    names, rows = lesson.task.styles(lesson.net), []
    count = min(SHOWN, len(lesson.test))
    for square in lesson.test.middles(range(count), SIDE):
        photo = photos.to_pil(square.float() / 255)
        painted = [stylize(lesson.net, photo, {name: 1.0}) for name in names]
        tiles = zip((photo, *painted), ("photograph", *names), strict=True)
        rows.append(Row([Tile(image, notes=[name]) for image, name in tiles]))
    name = _sheet_name(folder)
    png.save(contact_sheet.compose(rows, side=160), folder / name, stamp(recipe))
    return name


def _sheet_name(folder: Path) -> str:
    """Return `sheet.png`, or `sheet-2.png`, ... where a file that is no earlier sheet has that name."""
    from convscope.show.images import png

    number, name = 1, "sheet.png"
    while os.path.lexists(folder / name):
        with contextlib.suppress(DataError):
            if not (folder / name).is_symlink() and png.recipe_in(folder / name).get("verb") in STYLES:
                break
        number += 1
        name = f"sheet-{number}.png"
    return name


def _news(event: "Epoch | TrainProgress") -> str:
    from convscope.learn import Epoch

    if isinstance(event, Epoch):
        return f"epoch {event.index}/{event.epochs}  {_numbers(event.test_measures or event.measures)}"
    return f"epoch {event.epoch}/{event.epochs}  {_numbers(event.measures)}"


def _numbers(measures: "Mapping[str, float | None]") -> str:
    forms = {"content": "content off by {:.0%}", "style": "style off by {:.0%}", "psnr": "identity {:.1f} dB"}
    return "  ".join(form.format(measures[n]) for n, form in forms.items() if measures.get(n) is not None)
