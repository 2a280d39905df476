"""Teach a network.

NETWORK is a name from `convscope nets`, a run's folder (its weights are the start), or a chain of layers in
quotes. DATA is `digits` (bundled), `mnist`, `fashion-mnist`, `cifar10`, or a folder with one folder of
pictures for each class. Ctrl-C saves, and the message says how to go on, exactly where it stopped.

With --resume the run's own recipe counts, and no other setting may be given, except more --epochs. They are
exactly what they would have been if planned from the start, which needs --schedule constant (without
--warmup): the learning rates of the other schedules follow from the number of epochs.

    convscope train lecture-relu digits --epochs 3
    convscope train "conv 8 3x3, relu, maxpool 2, flatten, dense 10" digits
    convscope train --resume runs/2026-11-22-train-lecture-relu
    convscope train --resume runs/2026-11-22-train-lecture-relu --epochs 10
"""

from typing import TYPE_CHECKING, Any

from convscope.cli.core import inputs, results
from convscope.cli.core.shell import Shell, VerbResult
from convscope.learn.recipe import ClassificationRecipe

if TYPE_CHECKING:
    from convscope.learn import Epoch, Evaluation, TrainProgress

schema = ClassificationRecipe


def run(recipe: ClassificationRecipe, shell: Shell) -> VerbResult:
    """Train a network on labelled images, and evaluate it on the test set.

    The run's folder holds `recipe.toml`, `state/` (to resume from), `env.json`, `model.json`,
    `model.safetensors` and `metrics.jsonl` (one line per epoch). It is `--out`, the run of `--resume`, or a
    new one under `runs/`.

    Args:
        recipe: network, data and settings; with `resume`, the run's own recipe is followed.
        shell: destination of results, progress and log.

    Returns:
        JSON fields `recipe` (the settings that were followed), `network`, `unread` (number of files that
        could not be used), `train` (number of training images), `epochs` (`Epoch.to_json()` of each one run
        now), `test` (`Evaluation.to_json()`) and `out` (the folder); exit code 0.

    Raises:
        TrainingError: a loss or weight is NaN or infinite; the last good state is kept (exit code 1).
        UsageError: settings contradict each other or the run to resume, or `--out` is taken (exit code 2).
        DataError: the data or the run to resume is damaged (exit code 3).
        Interrupted: stopped with Ctrl-C; the run is saved, and the hint has the command that resumes (exit
            code 130).
    """
    from convscope import learn

    plan = _followed(recipe)
    lesson = learn.setup_training(plan)
    for note in lesson.notes:
        shell.log(note)
    place = shell.out or recipe.resume or results.named(f"train-{lesson.net.name}")
    inputs.say_notes(lesson.train, shell)
    epochs: list[Epoch] = []
    with shell.progress("training", 1.0) as progress:
        for event in learn.iter_train_run(lesson.net, lesson.train, lesson.test, recipe, out=place):
            if isinstance(event, learn.Epoch):
                epochs.append(event)
            progress.update(event.done, _news(event))
    tested = learn.evaluate(lesson.net, lesson.test)
    unread = len({problem.path for problem in (*lesson.train.problems, *lesson.test.problems)})
    if unread:
        shell.log(f"{unread} files could not be used. See: convscope data check {plan.data}")
    data = {
        "recipe": plan.model_copy(update={"resume": recipe.resume}).model_dump(mode="json"),
        "network": lesson.net.name,
        "unread": unread,
        "train": len(lesson.train),
        "epochs": [epoch.to_json() for epoch in epochs],
        "test": tested.to_json(),
        "out": str(place),
    }
    return VerbResult(data, lambda: _table(epochs, tested))


def _followed(recipe: ClassificationRecipe) -> ClassificationRecipe:
    """Return the plan that will be followed: the recipe, or that of the run which it resumes."""
    from convscope import learn
    from convscope.learn.recipe import refuse_unused

    if recipe.resume is None:
        refuse_unused(recipe)
        return recipe
    plan = learn.resumed(recipe).plan
    return plan if isinstance(plan, ClassificationRecipe) else recipe


def _news(event: "Epoch | TrainProgress") -> str:
    from convscope.learn import Epoch

    if not isinstance(event, Epoch):
        return f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.3f}  right {event.accuracy or 0:.1%}"
    tested = f"  test {event.test_accuracy:.2%}" if event.test_accuracy is not None else ""
    worst = f"  {event.worst}" if event.worst else ""
    return f"epoch {event.index}/{event.epochs}  loss {event.train_loss:.3f}{tested}{worst}"


def _table(epochs: "list[Epoch]", tested: "Evaluation") -> Any:
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("epoch", "loss", "right", "test loss", "test right", "images/s", "seconds"):
        table.add_column(head, justify="right")
    for e in epochs:
        tests = (_number(e.test_loss, ".4f"), _number(e.test_accuracy, ".2%"))
        numbers = (
            f"{e.train_loss:.4f}",
            f"{e.train_accuracy or 0:.2%}",
            *tests,
            f"{e.images_per_second:,.0f}",
        )
        table.add_row(str(e.index), *numbers, f"{e.seconds:.1f}")
    worst = f"; most often {tested.worst}" if tested.worst else ""
    line = f"{tested.accuracy:.2%} of {len(tested.labels):,} test pictures are right{worst}."
    return Group(table, line, *([tested.caveat] if tested.caveat else []))


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
