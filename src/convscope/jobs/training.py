"""What all jobs that train share: run the recipe's task, and lay out its table."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from convscope.errors import ConvscopeError, Interrupted
from convscope.jobs import results
from convscope.jobs.job import Document, mapped
from convscope.jobs.workspace import Artifact, Workspace
from convscope.learn import TrainRecipe
from convscope.system import signals
from convscope.system.files import remove_parts, write_text
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.learn import Epoch, EvalResult, Run, Task, TrainingSetup, TrainProgress

REPORT = "report.html"
"""Name of the page in a run's folder."""
AnyRecipe = TypeVar("AnyRecipe", bound=TrainRecipe)


@dataclass(frozen=True)
class Training(Generic[AnyRecipe]):
    """Hold a finished training.

    Attributes:
        recipe: the recipe that was followed.
        setup: network, task and data.
        place: the run's folder.
        epochs: the epochs that were run now.
        before: those that were finished before, where a run was resumed.
    """

    recipe: AnyRecipe
    setup: "TrainingSetup"
    place: Path
    epochs: "list[Epoch]"
    before: "tuple[Epoch, ...]" = ()

    def add(self, epoch: "Epoch") -> None:
        """Add a finished epoch; of the evaluations only its own is kept, whose evidence may be large."""
        if self.epochs:
            self.epochs[-1] = replace(self.epochs[-1], tested=None)
        self.epochs.append(epoch)

    @property
    def tested(self) -> "EvalResult | None":
        """The evaluation after the last epoch that was run now; None where there was none."""
        return self.epochs[-1].tested if self.epochs else None


def run(
    recipe: AnyRecipe, workspace: Workspace
) -> Generator[Progress[Document | None], None, Training[AnyRecipe]]:
    """Train as a recipe says; with `resume`, continue that run by its own recipe.

    The run's folder is `--out`, the run of `--resume`, or a new one under `runs/`. At the end, and where the
    training is stopped, it gets `report.html`. A run that was killed after its last epoch, before it had its
    report, gets it when it is resumed.

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

    followed, before = _followed(recipe, workspace)
    setup = learn.setup_training(followed)
    for note in setup.notes:
        workspace.log(note)
    place = Path(workspace.out or recipe.resume or results.named(f"{recipe.verb}-{setup.net.name}"))
    done = Training(followed, setup, place, [], before)

    def convert(event: "Epoch | TrainProgress") -> Progress[Document | None]:
        if isinstance(event, learn.Epoch):
            done.add(event)
        return Progress(event.done, _note(setup.task, event), lambda: None)

    signals.working()
    events = learn.iter_train_run(setup.net, setup.train, setup.test, recipe, out=place, task=setup.task)
    try:
        yield from mapped(events, convert)
    except Interrupted:
        _report(done, workspace, done.tested)
        raise
    _report(done, workspace, done.tested)
    return done


def _report(done: Training[Any], workspace: Workspace, tested: "EvalResult | None") -> None:
    """Write the report of a training, finished or stopped, into the run's folder."""
    from convscope.show.pages import training as pages

    epochs = (*done.before, *done.epochs)
    html = pages.page(pages.TrainedRun(done.recipe, done.setup, epochs, tested, done.place))
    write_text(done.place / REPORT, html)
    artifact = Artifact(REPORT, "page", "the report of the training")
    if artifact not in workspace.artifacts:
        workspace.artifacts.append(artifact)


def _complete_report(run: "Run", workspace: Workspace) -> None:
    """Write the report of a finished run that has none, or an older one: a kill came in between."""
    from convscope import learn
    from convscope.nets import ExecutionConfig

    if not _is_outdated(run):
        return
    try:
        setup = learn.setup_training(run.recipe)
    except ConvscopeError as e:  # a network or data that only a Python program had
        workspace.log(f"{run.folder} has no {REPORT}, which cannot be written from its recipe alone: {e}")
        return
    net = setup.task.prepare(run.load().to(setup.net.device), setup.train, run.recipe)
    tested = setup.task.evaluate(net, setup.test, ExecutionConfig())
    remove_parts(run.folder)
    _report(Training(run.recipe, replace(setup, net=net), run.folder, [], run.epochs), workspace, tested)
    workspace.log(f"{run.folder} had ended without its report; {REPORT} is written now.")


def _is_outdated(run: "Run") -> bool:
    """Return whether a run's metrics are newer than its report, or it has none."""
    report = run.folder / REPORT
    return not report.exists() or report.stat().st_mtime_ns < run.metrics_file.stat().st_mtime_ns


def _followed(recipe: AnyRecipe, workspace: Workspace) -> "tuple[AnyRecipe, tuple[Epoch, ...]]":
    """Return the recipe that will be followed, and the finished epochs of the run which it resumes."""
    from convscope.learn import FinishedRunError, refuse_unused, resumed

    if recipe.resume is None:
        refuse_unused(recipe)
        return recipe, ()
    try:
        run = resumed(recipe)
    except FinishedRunError as e:
        _complete_report(e.run, workspace)
        raise
    if run.note:
        workspace.log(run.note)
    return run.recipe, run.epochs  # pyright: ignore[reportReturnType]  # of the same verb


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
    from convscope.learn import Epoch, TrainProgress, metrics_text

    if isinstance(event, TrainProgress) and event.preparing is not None:
        return f"features of the frozen layers {event.preparing:.0%}"
    if not isinstance(event, Epoch):
        return f"epoch {event.epoch}/{event.epochs}  {metrics_text(task.metric_specs, event.metrics)}"
    measured = [("", event.metrics), ("test  ", event.test_metrics)]
    texts = [f"{word}{metrics_text(task.metric_specs, found)}" for word, found in measured if found]
    return "  ".join([f"epoch {event.index}/{event.epochs}", *texts[-1:], *filter(None, [event.worst])])
