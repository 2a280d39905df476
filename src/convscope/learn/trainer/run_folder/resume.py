"""Open the run of a folder, and determine recipe, task and state with which it is resumed."""

import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from convscope import nets
from convscope.errors import UsageError
from convscope.learn.optimization.rates import LRChange
from convscope.learn.optimization.schedules import extends
from convscope.learn.recipe import TaskRecipe, TrainRecipe
from convscope.learn.tasks.registry import class_name, find_schema, is_registered
from convscope.learn.trainer import values as check
from convscope.learn.trainer.events import Epoch
from convscope.learn.trainer.freezing.records import FreezeRecord
from convscope.learn.trainer.run_folder import run_files
from convscope.learn.trainer.state import State
from convscope.nets import Net
from convscope.recipe.fields import flag_of
from convscope.recipe.result import Result
from convscope.system.counting import counted


@dataclass(frozen=True)
class Run(Result):
    """Represent a training whose files are in a folder.

    Attributes:
        folder: the run's folder.
        recipe: the run's recipe, which names the task.
    """

    folder: Path
    recipe: TrainRecipe
    epochs: tuple[Epoch, ...]
    """The finished epochs."""

    @classmethod
    def open(cls, folder: str | Path, schema: type[TrainRecipe] = TaskRecipe) -> "Run":
        """Read a run from its folder.

        Args:
            folder: where the run is.
            schema: recipe class of a task that is not registered, and of the verb that made the run.

        Returns:
            The run, its recipe validated by its task's own schema and its metrics checked.

        Raises:
            DataError: the folder holds no run, or a file of it is damaged.
            UsageError: another verb made it.
        """
        folder = Path(folder)
        verb, values = run_files.read_recipe(folder)
        if verb != schema.verb:
            raise UsageError(
                f"a run of '{schema.verb}'",
                received=f"{folder}, of '{verb}'",
                hint=f"Its own verb continues it: convscope {verb} --resume {shlex.quote(str(folder))}",
            )
        task = values.get("task", schema.model_fields["task"].default)
        if is_registered(task, verb):
            schema = find_schema(task, verb)
        recipe = run_files.validated(schema, values, folder)
        epochs = run_files.read_epochs(folder, recipe.epochs)
        run_files.check_files(folder)
        return cls(folder, recipe, epochs or ())

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.recipe.task

    @property
    def metrics_file(self) -> Path:
        """Path of the metrics, the last file that a training writes."""
        return self.folder / run_files.METRICS

    @property
    def frozen(self) -> tuple[FreezeRecord, ...]:
        """What was frozen in this run, when, and the SHA-256 of it; as the last state says."""
        return run_files.read_frozen(self.folder)

    @property
    def lr_changes(self) -> tuple[LRChange, ...]:
        """How the learning rate was changed while it ran; as the last state says."""
        return run_files.read_lr_changes(self.folder)

    @property
    def interventions(self) -> tuple[str, ...]:
        """What was changed by calls while it ran, in sentences: no recipe says it, so no replay does it."""
        held = [record for record in self.frozen if not record.momentary]
        called = [r for r in held if r.by == "call" or (r.ended is not None and r.ended[1])]
        return (*(record.text() for record in called), *(change.text() for change in self.lr_changes))

    @property
    def finished(self) -> bool:
        """Whether all planned epochs are done, or the training was ended early."""
        return len(self.epochs) >= self.recipe.epochs or self.stopped

    @property
    def stopped(self) -> bool:
        """Whether the training was ended early, because its validation metric did not improve any more."""
        return bool(self.epochs) and self.epochs[-1].stopped

    def load(self) -> Net:
        """Return the network as it was last saved."""
        return nets.open_folder(self.folder)

    def state(self) -> State | None:
        """Read the stored state, or the one before it where it is damaged.

        None where the run was stopped before it had stored one.

        Raises:
            DataError: the state is damaged, or of another training than the metrics.
        """
        found = run_files.read_state(self.folder)
        if found is not None and isinstance(found.values["history"], list):
            run_files.check_same_epochs(self.folder, self.epochs, found.values["history"])
        return found

    @property
    def note(self) -> str:
        """A sentence where the newest state is damaged, so that the one before it counts; else empty."""
        found = self.state()
        if found is None or not found.damaged:
            return ""
        where = f"epoch {found.values['epoch'] + 1}, step {found.values['step']}"
        return (
            f"The newest state of {self.folder} is damaged ({check.shown(found.damaged, 200)}); "
            f"the one before it is continued, from {where}."
        )


class FinishedRunError(UsageError):
    """A run to resume has no epochs left.

    Attributes:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(
            "a run with epochs left",
            received=f"{run.folder}, {'ended early' if run.stopped else 'finished'} after {len(run.epochs)}",
            hint=_next_step(run),
        )
        self.run = run


def resumed(asked: TrainRecipe, task: str | None = None) -> Run:
    """Open the run that a recipe resumes, and determine the recipe to continue it with.

    That is the run's own. `epochs` may be raised, for a finished run too, where this changes no learning rate
    of the steps that are done: with the constant schedule, without a warm-up (see `extends`).

    Args:
        asked: recipe whose `resume` names the folder; beside it, only `epochs` may be set.
        task: name of the task that the caller trains; the run's own, which must be registered, if left out.

    Returns:
        The run, with the recipe to follow.

    Raises:
        UsageError: other settings are given too; the run is of another verb or task.
        FinishedRunError: no epochs are left.
        DataError: there is no run, or a file of it is damaged.
    """
    if asked.resume is None:
        raise UsageError("a run to resume", received="none", hint="Name its folder: resume='runs/mine'")
    run = Run.open(asked.resume, type(asked))
    _refuse_other_settings(asked, run)
    _check_task(run, task)
    if run.stopped:
        raise FinishedRunError(run)
    if "epochs" in asked.model_fields_set and asked.epochs != run.recipe.epochs:
        return replace(run, recipe=_with_more_epochs(run, asked.epochs))
    if run.finished:
        raise FinishedRunError(run)
    return run


def _refuse_other_settings(asked: TrainRecipe, run: Run) -> None:
    """Refuse settings beside `resume` and `epochs`: the run's own recipe decides them."""
    given = [name for name in type(asked).model_fields if name in asked.model_fields_set]
    refused = [name for name in given if name not in ("resume", "epochs")]
    if refused:
        words = [n.upper() if n in asked.positional else flag_of(n) for n in refused]
        raise UsageError(
            "no settings but --epochs beside --resume: the run's own recipe counts",
            received=", ".join(words),
            hint=f"Leave out {', '.join(words)}, or start another run without --resume.",
        )


def _check_task(run: Run, task: str | None) -> None:
    """Refuse a run of another task than the caller's, or of one that is not registered."""
    known = is_registered(run.task, run.recipe.verb)
    if known if task is None else run.task == task:
        return
    path = json.dumps(str(run.folder))
    if known:
        hint = f"Leave the task out: train(net, data, resume={path})"
    else:
        hint = f"Continue it in Python: train(net, data, resume={path}, task={class_name(run.task)}(...))"
    raise UsageError(
        f"a run for the task {task}" if task else "a run of a registered task",
        received=f"{run.folder}, for {run.task}",
        hint=hint,
    )


def _with_more_epochs(run: Run, epochs: int) -> TrainRecipe:
    """Return the run's recipe with more epochs.

    Raises:
        UsageError: there are fewer epochs than planned, or learning rates depend on their number.
    """
    recipe = run.recipe
    if epochs < recipe.epochs:
        raise UsageError(
            f"more epochs than the {recipe.epochs} that are planned",
            received=f"--epochs {epochs}",
            hint="Leave it out; Ctrl-C ends a run early, and saves.",
        )
    if not extends(recipe):
        with_warmup = " with a warm-up" if recipe.schedule == "constant" else ""
        raise UsageError(
            "a schedule without an end, to get more epochs",
            received=f"--schedule {recipe.schedule}{with_warmup}, whose learning rates follow from "
            f"{counted(recipe.epochs, 'epoch')}: of a run of {epochs}, those of the epochs behind would have "
            "differed",
            hint=_next_step(run),
        )
    return recipe.model_copy(update={"epochs": epochs})


def _next_step(run: Run) -> str:
    """Suggest, for a hint, what to do with a run that cannot be resumed as asked."""
    if isinstance(run.recipe, TaskRecipe) and is_registered(run.task, run.recipe.verb):
        default = TaskRecipe.model_fields["task"].default
        chosen = "" if run.task == default else f" --task {run.task}"
        words = f"convscope train {shlex.quote(str(run.folder))} {shlex.quote(run.recipe.data)}{chosen}"
        again = f"Start another from its weights: {words}"
    else:
        again = "Start another run"
    if extends(run.recipe) and not run.stopped:
        return f"Add epochs with --epochs {run.recipe.epochs + 1} or more. {again}"
    if run.stopped:
        return again
    return f"{again} (with --schedule constant, epochs can be added later: --resume RUN --epochs N)"
