"""What all jobs that train share: run the recipe's task, and lay out its table."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from convscope.jobs import results
from convscope.jobs.job import Document, mapped
from convscope.jobs.workspace import Workspace
from convscope.learn import TrainRecipe
from convscope.system import signals
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.learn import Epoch, Task, TrainingSetup, TrainProgress

AnyRecipe = TypeVar("AnyRecipe", bound=TrainRecipe)


@dataclass(frozen=True)
class Training(Generic[AnyRecipe]):
    """Hold a finished training.

    Attributes:
        recipe: the recipe that was followed.
        setup: network, task and data.
        place: the run's folder.
        epochs: the epochs that were run now.
    """

    recipe: AnyRecipe
    setup: "TrainingSetup"
    place: Path
    epochs: "list[Epoch]"


def run(
    recipe: AnyRecipe, workspace: Workspace
) -> Generator[Progress[Document | None], None, Training[AnyRecipe]]:
    """Train as a recipe says; with `resume`, continue that run by its own recipe.

    The run's folder is `--out`, the run of `--resume`, or a new one under `runs/`.

    Args:
        recipe: network, data, task and settings.
        workspace: where the run goes, and what is logged.

    Yields:
        The progress, without a document.

    Returns:
        The finished training.

    Raises:
        TrainingError: a loss or weight is NaN or infinite; the last good state is kept.
        UsageError: settings contradict each other or the run to resume, or `--out` is taken.
        DataError: the data or the run to resume is damaged.
        Interrupted: stopped; the run is saved, and the hint has the command that resumes.
    """
    from convscope import learn

    followed = _followed(recipe)
    setup = learn.setup_training(followed)
    for note in setup.notes:
        workspace.log(note)
    place = Path(workspace.out or recipe.resume or results.named(f"{recipe.verb}-{setup.net.name}"))
    epochs: list[Epoch] = []

    def convert(event: "Epoch | TrainProgress") -> Progress[Document | None]:
        if isinstance(event, learn.Epoch):
            epochs.append(event)
        return Progress(event.done, _note(setup.task, event), lambda: None)

    signals.working()
    events = learn.iter_train_run(setup.net, setup.train, setup.test, recipe, out=place, task=setup.task)
    yield from mapped(events, convert)
    return Training(followed, setup, place, epochs)


def _followed(recipe: AnyRecipe) -> AnyRecipe:
    """Return the recipe that will be followed: the given one, or that of the run which it resumes."""
    from convscope.learn import refuse_unused, resumed

    if recipe.resume is None:
        refuse_unused(recipe)
        return recipe
    return resumed(recipe).recipe  # pyright: ignore[reportReturnType]  # of the same verb


def table(task: "Task", epochs: "Sequence[Epoch]", lines: Sequence[str] = ()) -> Document:
    """Lay out the table of a training for people.

    Args:
        task: lays it out.
        epochs: the epochs to show.
        lines: sentences below it.

    Returns:
        JSON fields `heads`, `rows` (texts) and `lines`.
    """
    found = task.table(epochs)
    return {"heads": list(found.heads), "rows": [list(row) for row in found.rows], "lines": list(lines)}


def _note(task: "Task", event: "Epoch | TrainProgress") -> str:
    """Return the progress in some words: the epoch, and its metrics."""
    from convscope.learn import Epoch, metrics_text

    if not isinstance(event, Epoch):
        return f"epoch {event.epoch}/{event.epochs}  {metrics_text(task.metric_specs, event.metrics)}"
    measured = [("", event.metrics), ("test  ", event.test_metrics)]
    texts = [f"{word}{metrics_text(task.metric_specs, found)}" for word, found in measured if found]
    return "  ".join([f"epoch {event.index}/{event.epochs}", *texts[-1:], *filter(None, [event.worst])])
