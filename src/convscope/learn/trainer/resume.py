"""Open a run that is on disk, and settle how it goes on: by which plan, for which task, from which state."""

import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from convscope import nets
from convscope.errors import UsageError
from convscope.learn.recipe import ClassificationRecipe, TrainRecipe
from convscope.learn.schedules import extends
from convscope.learn.trainer import run_files
from convscope.learn.trainer.events import Epoch
from convscope.learn.trainer.state import State
from convscope.nets import Net


@dataclass(frozen=True)
class Run:
    """A training in a folder."""

    folder: Path
    plan: TrainRecipe
    epochs: tuple[Epoch, ...]
    """Those that are finished."""
    task: str = ""
    """Name of the task; empty for one of several that the verb builds itself."""

    @classmethod
    def open(cls, folder: str | Path, schema: type[TrainRecipe] = ClassificationRecipe) -> "Run":
        """Read a run.

        Args:
            folder: where it is.
            schema: of the verb that made it.

        Raises:
            DataError: the folder holds no run, or a file of it is damaged.
            UsageError: another verb made it.
        """
        folder = Path(folder)
        verb, task, values = run_files.read_recipe(folder, schema)
        if verb != schema.verb:
            raise UsageError(
                f"a run of '{schema.verb}'",
                received=f"{folder}, of '{verb}'",
                hint=f"Its own verb continues it: convscope {verb} --resume {shlex.quote(str(folder))}",
            )
        plan = run_files.validated(schema, values, folder)
        epochs = run_files.read_epochs(folder, plan.epochs)
        run_files.check_files(folder)
        own = schema.tasks[0] if len(schema.tasks) == 1 else ""
        return cls(folder, plan, epochs or (), task or own)

    @property
    def finished(self) -> bool:
        """Whether every epoch was run."""
        return len(self.epochs) >= self.plan.epochs

    def load(self) -> Net:
        """Return the network as it was last saved."""
        return nets.open_folder(self.folder)

    def state(self) -> State | None:
        """Read where the run stands; None where it was stopped before it had stored anything.

        Raises:
            DataError: the state is damaged, or of another training than the metrics.
        """
        found = run_files.read_state(self.folder)
        if found is not None and isinstance(found.values["history"], list):
            run_files.check_same_epochs(self.folder, self.epochs, found.values["history"])
        return found


def resumed(asked: TrainRecipe, task: str | None = None) -> Run:
    """Open the run that a plan resumes, with the plan that will be followed.

    That is the run's own. `epochs` may be raised, for a finished run too, where every step's learning rate is
    the one that it would have had if they had been planned from the start: with the constant schedule.

    Args:
        asked: its `resume` names the folder.
        task: name of what the caller trains for; a task of the verb, if left out.

    Raises:
        UsageError: the plan sets what the run has settled; the run is finished, or of another verb or task.
        DataError: there is no run, or a file of it is damaged.
    """
    if asked.resume is None:
        raise UsageError("a run to resume", received="none")
    run = Run.open(asked.resume, type(asked))
    _refuse_settled(asked, run)
    _check_task(run, task, asked.tasks)
    if "epochs" in asked.model_fields_set and asked.epochs != run.plan.epochs:
        return replace(run, plan=_longer(run, asked.epochs))
    if run.finished:
        raise UsageError(
            "a run with epochs left",
            received=f"{run.folder}, finished after {len(run.epochs)}",
            hint=_next_step(run),
        )
    return run


def _refuse_settled(asked: TrainRecipe, run: Run) -> None:
    given = [name for name in type(asked).model_fields if name in asked.model_fields_set]
    settled = [name for name in given if name not in ("resume", "epochs")]
    if settled:
        words = [n.upper() if n in asked.positional else f"--{n.replace('_', '-')}" for n in settled]
        raise UsageError(
            "no settings but --epochs beside --resume: the run's own recipe counts",
            received=", ".join(words),
            hint=f"Leave out {', '.join(words)}, or start another run without --resume.",
        )


def _check_task(run: Run, task: str | None, tasks: tuple[str, ...]) -> None:
    if not run.task or (run.task in tasks if task is None else run.task == task):
        return
    place = json.dumps(str(run.folder))
    if run.task == "Classification":
        hint = f"Leave the task out: fit(net, data, resume={place})"
    else:
        hint = f"Continue it in Python: fit(net, data, resume={place}, task={run.task}(...))"
    raise UsageError(
        f"a run for the task {task or ' or '.join(tasks)}",
        received=f"{run.folder}, for {run.task}",
        hint=hint,
    )


def _longer(run: Run, epochs: int) -> TrainRecipe:
    """The run's plan with more epochs."""
    plan = run.plan
    if epochs < plan.epochs:
        raise UsageError(
            f"more epochs than the {plan.epochs} that are planned",
            received=f"--epochs {epochs}",
            hint="Leave it out; Ctrl-C ends a run early, and saves.",
        )
    if not extends(plan):
        warm = " with a warm-up" if plan.schedule == "constant" else ""
        raise UsageError(
            "a schedule without an end, to get more epochs",
            received=f"--schedule {plan.schedule}{warm}, whose learning rates follow from {plan.epochs} "
            f"epochs: of a run of {epochs}, those of the epochs behind would have been others",
            hint=_next_step(run),
        )
    return plan.model_copy(update={"epochs": epochs})


def _next_step(run: Run) -> str:
    """What to do instead of going on with a run."""
    if isinstance(run.plan, ClassificationRecipe) and run.task in ("", "Classification"):
        words = f"convscope train {shlex.quote(str(run.folder))} {shlex.quote(run.plan.data)}"
        again = f"Start another from its weights: {words}"
    else:
        again = "Start another run"
    if extends(run.plan):
        return f"Add epochs with --epochs {run.plan.epochs + 1} or more. {again}"
    return f"{again} (with --schedule constant, epochs can be added later: --resume RUN --epochs N)"
