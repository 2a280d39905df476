"""What all jobs that train share: run the recipe's task, and lay out its table."""

import shlex
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from convscope.errors import ConvscopeError, Interrupted
from convscope.jobs.job import Document, mapped
from convscope.jobs.output import results
from convscope.jobs.output.controls import Controls
from convscope.jobs.output.training_view import TrainingView
from convscope.jobs.output.workspace import Artifact, Workspace
from convscope.learn import TrainRecipe
from convscope.system import processes, signals
from convscope.system.files import remove_parts, write_text
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.learn import (
        Divergence,
        Epoch,
        EvalResult,
        FewToChooseBy,
        FreezeRecord,
        LRChange,
        LRFinderResult,
        Run,
        RunEvents,
        Task,
        TrainingSetup,
        TrainProgress,
    )

REPORT = "report.html"
"""Name of the page in a run's folder."""
LR_FINDER = {"lr": "lr_finder.png", "probe_lr": "lr_finder_probe.png"}
"""Names of the pictures of the learning-rate finder, if it was asked for, by the setting it looked for."""
AnyRecipe = TypeVar("AnyRecipe", bound=TrainRecipe)


@dataclass
class Training(Generic[AnyRecipe]):
    """Hold a finished training.

    Attributes:
        recipe: the recipe that was followed.
        setup: network, task and data.
        folder: the run's folder.
        epochs: the epochs that were run now.
        lr_finders: the curves from which learning rates were taken, that of a linear probe first.
        tested: the evaluation of the network that the run saved, where an epoch was run now; else None.
        view: what the training shows while it runs.
    """

    recipe: AnyRecipe
    setup: "TrainingSetup"
    folder: Path
    epochs: "list[Epoch]"
    lr_finders: "tuple[LRFinderResult, ...]" = ()
    tested: "EvalResult | None" = None
    view: TrainingView | None = None

    @property
    def shown(self) -> Document:
        """What was shown while it ran, as the field `training`; nothing where nobody has asked for it."""
        requested = self.view is not None and self.view.requested
        return {"training": self.view.document()} if requested and self.view else {}

    def add(self, epoch: "Epoch") -> None:
        """Add a finished epoch; of the evaluations only its own is kept, whose evidence may be large."""
        if self.epochs:
            self.epochs[-1] = replace(self.epochs[-1], tested=None)
        self.epochs.append(epoch)

    @property
    def all_epochs(self) -> "tuple[Epoch, ...]":
        """The finished epochs of the run, those before a resumption included."""
        from convscope import learn

        return learn.Run.open(self.folder, type(self.recipe)).epochs

    @property
    def frozen(self) -> "tuple[FreezeRecord, ...]":
        """What was frozen, as the run's last state says."""
        from convscope.learn import Run

        return Run(self.folder, self.recipe, ()).frozen

    @property
    def lr_changes(self) -> "tuple[LRChange, ...]":
        """How the learning rate was changed while it ran, as the run's last state says."""
        from convscope.learn import Run

        return Run(self.folder, self.recipe, ()).lr_changes

    @property
    def diverged(self) -> "Divergence | None":
        """How the training of the network that is saved diverged, if it did."""
        from convscope.learn import best_epoch, divergence

        epochs, evidence = self.all_epochs, None if self.tested is None else self.tested.evidence
        kept = best_epoch(epochs)
        probed = getattr(self.recipe, "probe_epochs", 0)
        return divergence(epochs[: kept.index] if kept else epochs, evidence, probed=probed)

    @property
    def few(self) -> "FewToChooseBy | None":
        """That few samples choose the epoch that is kept, where they do."""
        from convscope.learn import few_to_choose_by

        setup = self.setup
        return few_to_choose_by(self.recipe, setup.train, setup.validation, setup.task.primary)

    def said(self, language: str = "en") -> list[str]:
        """Return what needs attention, in sentences.

        Args:
            language: `en` or `zh`.

        Returns:
            That the training diverged, or that few samples choose the epoch that is kept, and what to do.
        """
        return [found.text[language] for found in (self.diverged, self.few) if found is not None]

    @property
    def lines(self) -> list[str]:
        """What needs attention; what was frozen, a sentence for each part; changes of the learning rate."""
        held = [record.text() for record in self.frozen if not record.momentary]
        return [*self.said(), *held, *(change.text() for change in self.lr_changes)]


def run(
    recipe: AnyRecipe, workspace: Workspace
) -> Generator[Progress[Document | None], None, Training[AnyRecipe] | None]:
    """Train as a recipe says; with `resume`, continue that run by its own recipe.

    The run's folder is `--out`, the run of `--resume`, or a new one under `runs/`. At the end, and where the
    training is stopped, it gets `report.html`. A run that was killed after its last epoch, before it had its
    report, gets it when it is resumed.

    Args:
        recipe: network, data, task and settings.
        workspace: where the run goes, and what is logged.

    Yields:
        The progress; its document has the field `training`: what `TrainingView.document` shows of it so far.
        What `workspace.controls` is asked for is done between two of its events; while it is paused, the last
        one is repeated. Where `controls.paused` holds before it begins, as for a run that was paused when
        its process was killed, it is paused at once.

    Returns:
        The finished training; None in a process that does not write, of several that torchrun has started.

    Raises:
        TrainingError: a loss or weight is NaN or infinite; the last good state is kept.
        UsageError: settings contradict each other or the run to resume, or `--out` is taken.
        DataError: the data or the run to resume is damaged.
        Interrupted: stopped; the run is saved, and the hint has the command that resumes.
    """
    from convscope import learn

    learn.check_restartable(workspace.out or recipe.resume)
    if workspace.out is not None:
        recipe = learn.restarted_recipe(recipe, workspace.out)
    followed = _followed(recipe, workspace)
    setup = learn.setup_training(followed)
    for note in setup.notes:
        workspace.log(note)
    found = ()
    if followed.find_lr:
        followed, setup, found = yield from _found_rates(followed, setup, workspace)
        recipe = followed
    folder = Path(workspace.out or recipe.resume or results.named(f"{recipe.verb}-{setup.net.name}"))
    view = TrainingView(followed, setup, folder, workspace)
    done = Training(followed, setup, folder, [], found, view=view)
    signals.working()
    data = setup.train, setup.test
    events = learn.iter_train_run(
        setup.net, *data, recipe, out=folder, task=setup.task, validation=setup.validation
    )
    try:
        yield from _collected(events, done, view, workspace.controls)
    except Interrupted:
        last = done.epochs[-1].tested if done.epochs else None
        if processes.rank() == 0:
            _report(replace(_saved(done), tested=last), workspace)
        raise
    if processes.rank():
        return None
    done = _tested(done)
    _report(done, workspace)
    return done


def _collected(
    events: "RunEvents", done: Training[Any], view: TrainingView, controls: Controls
) -> Generator[Progress[Document | None], None, None]:
    """Yield the progress of a training, and collect its epochs; it may be paused before its first event."""
    from convscope import learn

    recipe = done.recipe

    def convert(event: "Epoch | TrainProgress") -> Progress[Document | None]:
        if isinstance(event, learn.Epoch):
            done.add(event)
        view.add(event, events.trainer)
        probes = _epoch_of(event) <= getattr(recipe, "probe_epochs", 0) < recipe.epochs
        shown, note = lambda: {"training": view.document()}, _note(done.setup.task, event)
        return Progress(event.done, note, shown, steady=not probes)

    if controls.paused:
        yield from _paused(events, view, controls)
    yield from _controlled(events, convert, controls)


def _paused(
    events: "RunEvents", view: TrainingView, controls: Controls
) -> Generator[Progress[Document | None], None, None]:
    """Yield a training that is paused before its first event, for as long as it is."""
    trainer = events.trainer
    view.set_trainer(trainer)
    steps = trainer.epoch + trainer.step / max(trainer.batch_source.steps, 1)
    step = Progress(min(steps / trainer.recipe.epochs, 1.0), "paused", lambda: {"training": view.document()})
    try:
        while controls.carry_out(events):
            yield step
            controls.wait()
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped while paused, in epoch {trainer.epoch + 1}; the run stays in {view.run_folder}",
            hint=f"convscope {view.recipe.verb} --resume {shlex.quote(str(view.run_folder))}",
        ) from None


def _controlled(
    events: "RunEvents",
    convert: "Callable[[Epoch | TrainProgress], Progress[Document | None]]",
    controls: Controls,
) -> Generator[Progress[Document | None], None, None]:
    """Yield the progress of a training, and do between its events what is asked for."""
    event = next(events, None)
    while event is not None:
        step = convert(event)
        try:
            yield step
            while controls.carry_out(events):
                yield replace(step, message=f"paused  {step.message}")
                controls.wait()
        except KeyboardInterrupt:
            event = _stopped(events)
        else:
            event = next(events, None)


def _stopped(events: "RunEvents") -> "Epoch | TrainProgress | None":
    """Stop a training where it stands; None where its last event had come and nothing is left to stop."""
    try:
        return events.throw(KeyboardInterrupt())
    except StopIteration:
        return None


def _tested(done: Training[AnyRecipe]) -> Training[AnyRecipe]:
    """Add the network that the run saved, and its evaluation.

    That of the last epoch counts, unless the run may keep another network than was tested then.
    """
    from convscope import learn

    run = learn.Run.open(done.folder, type(done.recipe))
    if not done.epochs and not run.finished:
        return done
    if done.epochs and not done.recipe.validation_share:
        return replace(done, tested=done.epochs[-1].tested)
    return _evaluated(done)  # also of a run that was killed after its last epoch


def _evaluated(done: Training[AnyRecipe]) -> Training[AnyRecipe]:
    """Load the network that a run saved, and evaluate it on the test data."""
    from convscope.nets import ExecutionConfig

    done = _saved(done)
    net, setup = done.setup.net, done.setup
    setup.task.prepare(net, setup.train, done.recipe)
    return replace(done, tested=setup.task.evaluate(net, setup.test, ExecutionConfig()))


def _saved(done: Training[AnyRecipe]) -> Training[AnyRecipe]:
    """Put the network that the run saved in the place of the one in training, whose weights may be others."""
    from convscope import nets

    net = nets.open_folder(done.folder, done.setup.net.module)
    return replace(done, setup=replace(done.setup, net=net))


def _found_rates(
    recipe: AnyRecipe, setup: "TrainingSetup", workspace: Workspace
) -> Generator[
    Progress[Document | None], None, "tuple[AnyRecipe, TrainingSetup, tuple[LRFinderResult, ...]]"
]:
    """Run the learning-rate finder before a training, for each rate of it, and say what it suggests.

    Returns:
        Recipe and task with the rates, and the curves.
    """
    from convscope import learn

    found: list[LRFinderResult] = []
    for rate in learn.rates_to_find(recipe):
        last: list[Progress[LRFinderResult]] = []

        def convert(
            step: "Progress[LRFinderResult]", last: "list[Progress[LRFinderResult]]" = last
        ) -> Progress[Document | None]:
            last[:] = [step]
            return Progress(0.0, step.message, lambda: None)

        steps = learn.iter_find_lr(setup.net, setup.train, recipe, task=setup.task, rate=rate)
        yield from mapped(steps, convert)
        found.append(last[0].result())
        workspace.log(found[-1].summary)
        recipe = learn.with_suggested_lr(recipe, found[-1])
        if rate == "probe_lr":  # which the task holds, too
            setup = replace(setup, task=type(setup.task).from_recipe(recipe))
    return recipe, setup, tuple(found)


def _report(done: Training[Any], workspace: Workspace) -> None:
    """Write the report of a training, finished or stopped, into the run's folder."""
    from convscope.show.pages import training as pages

    found = done.all_epochs, done.tested, done.folder, done.frozen, done.lr_changes, done.lr_finders
    html = pages.page(pages.TrainedRun(done.recipe, done.setup, *found))
    write_text(done.folder / REPORT, html)
    made = [Artifact(REPORT, "page", "the report of the training")]
    for found in done.lr_finders:
        name = LR_FINDER[found.rate]
        if not (done.folder / name).exists():
            found.save(done.folder / name)
            said = f"the loss over the learning rate ({found.flag}), before the training"
            made.append(Artifact(name, "image", said))
    workspace.artifacts += [artifact for artifact in made if artifact not in workspace.artifacts]


def _complete_report(run: "Run", workspace: Workspace) -> None:
    """Write the report of a finished run that has none, or an older one: a kill came in between."""
    from convscope import learn

    if processes.rank() or not _is_outdated(run):
        return
    try:
        setup = learn.setup_training(run.recipe)
    except ConvscopeError as e:  # a network or data that only a Python program had
        workspace.log(f"{run.folder} has no {REPORT}, which cannot be written from its recipe alone: {e}")
        return
    done = _evaluated(Training(run.recipe, setup, run.folder, []))
    remove_parts(run.folder)
    _report(done, workspace)
    workspace.log(f"{run.folder} had ended without its report; {REPORT} is written now.")


def _is_outdated(run: "Run") -> bool:
    """Return whether a run's metrics are newer than its report, or it has none."""
    report = run.folder / REPORT
    return not report.exists() or report.stat().st_mtime_ns < run.metrics_file.stat().st_mtime_ns


def _followed(recipe: AnyRecipe, workspace: Workspace) -> AnyRecipe:
    """Return the recipe that will be followed: that of the run which is resumed, if one is."""
    from convscope.learn import FinishedRunError, refuse_unused, resumed

    if recipe.resume is None:
        refuse_unused(recipe)
        return recipe
    try:
        run = resumed(recipe)
    except FinishedRunError as e:
        _complete_report(e.run, workspace)
        raise
    if run.note:
        workspace.log(run.note)
    return run.recipe  # pyright: ignore[reportReturnType]  # of the same verb


def table(done: Training[Any], lines: Sequence[str] = ()) -> Document:
    """Lay out the table of a training for people.

    Args:
        done: the finished training; its epochs that were run now are shown.
        lines: sentences below it, after the one on the epoch whose network is saved.

    Returns:
        JSON fields `heads`, `rows` (texts) and `lines`.
    """
    from convscope.learn import best_epoch_text

    task = done.setup.task
    found, kept = task.table(done.epochs), best_epoch_text(done.all_epochs, task.primary)
    return {
        "heads": list(found.heads),
        "rows": [list(row) for row in found.rows],
        "lines": [*filter(None, [kept]), *lines],
    }


def _epoch_of(event: "Epoch | TrainProgress") -> int:
    """Return the number of the epoch that an event is of."""
    from convscope.learn import Epoch

    return event.index if isinstance(event, Epoch) else event.epoch


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
