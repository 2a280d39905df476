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

from typing import TYPE_CHECKING

from convscope.jobs import inputs, results
from convscope.jobs.job import Document, Steps, finished, mapped
from convscope.jobs.workspace import Workspace
from convscope.learn import ClassificationRecipe
from convscope.system import signals
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.learn import Epoch, TrainProgress

schema = ClassificationRecipe


def run(recipe: ClassificationRecipe, workspace: Workspace) -> Steps:
    """Train a network on labelled images, and evaluate it on the test set.

    The run's folder holds `recipe.toml`, `state/` (to resume from), `env.json`, `model.json`,
    `model.safetensors` and `metrics.jsonl` (one line per epoch). It is `--out`, the run of `--resume`, or a
    new one under `runs/`.

    Args:
        recipe: network, data and settings; with `resume`, the run's own recipe is followed.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `recipe` (the settings that were followed),
        `network`, `unread` (number of files that could not be used), `train` (number of training images),
        `epochs` (`Epoch.to_json()` of each one run now), `test` (`Evaluation.to_json()`) and `out` (the
        folder).

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
        workspace.log(note)
    place = workspace.out or recipe.resume or results.named(f"train-{lesson.net.name}")
    inputs.say_notes(lesson.train, workspace)
    epochs: list[Epoch] = []

    def convert(event: "Epoch | TrainProgress") -> Progress[Document | None]:
        if isinstance(event, learn.Epoch):
            epochs.append(event)
        return Progress(event.done, _news(event), lambda: None)

    signals.working()
    yield from mapped(learn.iter_train_run(lesson.net, lesson.train, lesson.test, recipe, out=place), convert)
    tested = learn.evaluate(lesson.net, lesson.test)
    unread = len({problem.path for problem in (*lesson.train.problems, *lesson.test.problems)})
    if unread:
        workspace.log(f"{unread} files could not be used. See: convscope data check {plan.data}")
    document = {
        "recipe": plan.model_copy(update={"resume": recipe.resume}).model_dump(mode="json"),
        "network": lesson.net.name,
        "unread": unread,
        "train": len(lesson.train),
        "epochs": [epoch.to_json() for epoch in epochs],
        "test": tested.to_json(),
        "out": str(place),
    }
    yield finished(document)


def _followed(recipe: ClassificationRecipe) -> ClassificationRecipe:
    """Return the plan that will be followed: the recipe, or that of the run which it resumes."""
    from convscope import learn
    from convscope.learn import refuse_unused

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
