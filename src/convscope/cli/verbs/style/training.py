"""What `style train` and `style add` share: run a training, tell how it goes, draw what it has learned."""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from convscope.cli.core import pictures, results
from convscope.cli.core.shell import Shell, VerbResult
from convscope.cli.verbs.style.training_recipes import StyleAddRecipe, StyleTrainingRecipe, StyleTrainRecipe
from convscope.errors import DataError, UsageError

if TYPE_CHECKING:
    from convscope.learn import Epoch, TrainProgress
    from convscope.learn.style.setup import PerceptualConfig, StyleTrainingSetup
    from convscope.learn.style.style_tasks import StyleLossWeights

SHOWN, SIDE = 4, 256
"""Photographs in the sheet that a training ends with, and their size."""
STYLES = (StyleTrainRecipe.verb, StyleAddRecipe.verb)
Recipe = TypeVar("Recipe", StyleTrainRecipe, StyleAddRecipe)


def run(recipe: Recipe, shell: Shell, prepare: "Callable[[Recipe], StyleTrainingSetup]") -> VerbResult:
    """Train with live progress into a run's folder, then paint photographs that were held out."""
    from convscope import learn

    whole = resumed(recipe)
    if not whole.photographs:
        raise UsageError(
            "a folder of photographs to learn from",
            received="none",
            hint=f"For example: convscope {recipe.verb} photographs --style wave=great_wave.jpg",
        )
    lesson = prepare(whole)
    place = shell.out or recipe.resume or results.named(f"{recipe.verb}-{lesson.net.name}")
    if lesson.train.problems:
        shell.log(f"{len(lesson.train.problems)} files could not be used, {len(lesson.train)} could.")
    epochs: list[Epoch] = []
    with shell.progress("teaching", 1.0) as progress:
        events = learn.iter_train_run(
            lesson.net, lesson.train, lesson.test, recipe, out=place, task=lesson.task
        )
        for event in events:
            if isinstance(event, learn.Epoch):
                epochs.append(event)
            progress.update(event.done, _news(event))
    sheet = _sheet(lesson, whole, Path(place))
    data = {
        "recipe": whole.model_copy(update={"resume": recipe.resume}).model_dump(mode="json"),
        "network": lesson.net.name,
        "styles": list(lesson.task.styles(lesson.net)),
        "sheet": sheet,
        "photographs": len(lesson.train),
        "held_out": len(lesson.test),
        "epochs": [epoch.to_json() for epoch in epochs],
        "out": str(place),
    }
    return VerbResult(data, lambda: _table(epochs))


def resumed(recipe: Recipe) -> Recipe:
    """Return the recipe itself, or that of the run which it resumes.

    Raises:
        UsageError: a setting is given that nothing reads.
    """
    from convscope.learn.recipe import refuse_unused
    from convscope.learn.trainer.resume import resumed as run_of

    if recipe.resume is None:
        refuse_unused(recipe)
        return recipe
    found = run_of(recipe).plan
    return found if isinstance(found, type(recipe)) else recipe


def scales(recipe: StyleTrainingRecipe) -> "StyleLossWeights":
    """How much each wish counts."""
    from convscope.learn.style.style_tasks import StyleLossWeights

    content, style, smooth = recipe.content_weight, recipe.style_weight, recipe.smooth_weight
    if not isinstance(recipe, StyleTrainRecipe):
        return StyleLossWeights(content, style, smooth, side=recipe.side)
    return StyleLossWeights(
        content, style, smooth, recipe.identity_weight, recipe.alternation, recipe.prelude, recipe.side
    )


def judging(recipe: StyleTrainingRecipe) -> "PerceptualConfig":
    """The network that judges."""
    from convscope.learn.style.setup import PerceptualConfig

    return PerceptualConfig(
        recipe.judge,
        recipe.content_layer,
        tuple(recipe.style_layers),
        recipe.untrained,
        recipe.painting_size,
    )


def _sheet(lesson: "StyleTrainingSetup", recipe: StyleTrainingRecipe, folder: Path) -> str:
    """Held out photographs, each as it was and in each style; one PNG in the run's folder."""
    from convscope.cli.core.provenance import stamp
    from convscope.show.images import contact_sheet
    from convscope.use import stylize
    from convscope.worlds.images import photos

    names, rows = lesson.task.styles(lesson.net), []
    count = min(SHOWN, len(lesson.test))
    for square in lesson.test.middles(range(count), SIDE):
        photo = photos.to_pil(square.float() / 255)
        painted = [stylize(lesson.net, photo, {name: 1.0}) for name in names]
        rows.append(contact_sheet.Row("", [photo, *painted], (), ["photograph", *names]))
    return pictures.save(contact_sheet.sheet(rows, side=160), folder / _sheet_name(folder), stamp(recipe))


def _sheet_name(folder: Path) -> str:
    """`sheet.png`, unless something else than an earlier sheet of a run has that name."""
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


def _table(epochs: "list[Epoch]") -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    heads = ("epoch", "loss", "content off", "style off", "identity dB", "squares/s", "seconds", "")
    for head in heads:
        table.add_column(head, justify="right" if head else "left")
    for epoch in epochs:
        found = {n: v for n, v in (epoch.test_measures or epoch.measures).items() if v is not None}
        shares = [f"{found[name]:.1%}" if name in found else "" for name in ("content", "style")]
        psnr = f"{found['psnr']:.1f}" if "psnr" in found else ""
        speed = (f"{epoch.images_per_second:.1f}", f"{epoch.seconds:.0f}", epoch.worst)
        table.add_row(str(epoch.index), f"{epoch.train_loss:.3f}", *shares, psnr, *speed)
    return table
