"""Open the run of a folder, and determine recipe, task and state with which it is resumed."""

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
    """Represent a training whose files are in a folder.

    Attributes:
        folder: the run's folder.
        plan: the run's recipe.
    """

    folder: Path
    plan: TrainRecipe
    epochs: tuple[Epoch, ...]
    """The finished epochs."""
    task: str = ""
    """Name of the task; empty where the verb builds several itself and the recipe names none."""

    @classmethod
    def open(cls, folder: str | Path, schema: type[TrainRecipe] = ClassificationRecipe) -> "Run":
        """Read a run from its folder.

        Args:
            folder: where the run is.
            schema: recipe class of the verb that made it.

        Returns:
            The run, its recipe validated and its metrics checked.

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
        default_task = schema.tasks[0] if len(schema.tasks) == 1 else ""
        return cls(folder, plan, epochs or (), task or default_task)

    @property
    def finished(self) -> bool:
        """Whether all planned epochs are done."""
        return len(self.epochs) >= self.plan.epochs

    def load(self) -> Net:
        """Return the network as it was last saved."""
        return nets.open_folder(self.folder)

    def state(self) -> State | None:
        """Read the stored state; None where the run was stopped before it had stored one.

        Raises:
            DataError: the state is damaged, or of another training than the metrics.
        """
        found = run_files.read_state(self.folder)
        if found is not None and isinstance(found.values["history"], list):
            run_files.check_same_epochs(self.folder, self.epochs, found.values["history"])
        return found


def resumed(asked: TrainRecipe, task: str | None = None) -> Run:
    """Open the run that a recipe resumes, and determine the recipe to continue it with.

    That is the run's own. `epochs` may be raised, for a finished run too, where this changes no learning rate
    of the steps that are done: with the constant schedule, without a warm-up (see `extends`).

    Args:
        asked: recipe whose `resume` names the folder; beside it, only `epochs` may be set.
        task: name of the task that the caller trains; one that the verb builds, if left out.

    Returns:
        The run, with the recipe to follow.

    Raises:
        UsageError: other settings are given too; the run is finished, or of another verb or task.
        DataError: there is no run, or a file of it is damaged.
    """
    if asked.resume is None:
        raise UsageError("a run to resume", received="none")
    run = Run.open(asked.resume, type(asked))
    _refuse_other_settings(asked, run)
    _check_task(run, task, asked.tasks)
    if "epochs" in asked.model_fields_set and asked.epochs != run.plan.epochs:
        return replace(run, plan=_with_more_epochs(run, asked.epochs))
    if run.finished:
        raise UsageError(
            "a run with epochs left",
            received=f"{run.folder}, finished after {len(run.epochs)}",
            hint=_next_step(run),
        )
    return run


def _refuse_other_settings(asked: TrainRecipe, run: Run) -> None:
    """Refuse settings beside `resume` and `epochs`: the run's own recipe decides them."""
    given = [name for name in type(asked).model_fields if name in asked.model_fields_set]
    refused = [name for name in given if name not in ("resume", "epochs")]
    if refused:
        words = [n.upper() if n in asked.positional else f"--{n.replace('_', '-')}" for n in refused]
        raise UsageError(
            "no settings but --epochs beside --resume: the run's own recipe counts",
            received=", ".join(words),
            hint=f"Leave out {', '.join(words)}, or start another run without --resume.",
        )


def _check_task(run: Run, task: str | None, tasks: tuple[str, ...]) -> None:
    """Refuse a run of another task than the caller's."""
    if not run.task or (run.task in tasks if task is None else run.task == task):
        return
    place = json.dumps(str(run.folder))
    if run.task == "Classification":
        hint = f"Leave the task out: train(net, data, resume={place})"
    else:
        hint = f"Continue it in Python: train(net, data, resume={place}, task={run.task}(...))"
    raise UsageError(
        f"a run for the task {task or ' or '.join(tasks)}",
        received=f"{run.folder}, for {run.task}",
        hint=hint,
    )


def _with_more_epochs(run: Run, epochs: int) -> TrainRecipe:
    """Return the run's recipe with more epochs.

    Raises:
        UsageError: there are fewer epochs than planned, or learning rates depend on their number.
    """
    plan = run.plan
    if epochs < plan.epochs:
        raise UsageError(
            f"more epochs than the {plan.epochs} that are planned",
            received=f"--epochs {epochs}",
            hint="Leave it out; Ctrl-C ends a run early, and saves.",
        )
    if not extends(plan):
        with_warmup = " with a warm-up" if plan.schedule == "constant" else ""
        raise UsageError(
            "a schedule without an end, to get more epochs",
            received=f"--schedule {plan.schedule}{with_warmup}, whose learning rates follow from "
            f"{plan.epochs} epochs: of a run of {epochs}, those of the epochs behind would have been others",
            hint=_next_step(run),
        )
    return plan.model_copy(update={"epochs": epochs})


def _next_step(run: Run) -> str:
    """Suggest, for a hint, what to do with a run that cannot be resumed as asked."""
    if isinstance(run.plan, ClassificationRecipe) and run.task in ("", "Classification"):
        words = f"convscope train {shlex.quote(str(run.folder))} {shlex.quote(run.plan.data)}"
        again = f"Start another from its weights: {words}"
    else:
        again = "Start another run"
    if extends(run.plan):
        return f"Add epochs with --epochs {run.plan.epochs + 1} or more. {again}"
    return f"{again} (with --schedule constant, epochs can be added later: --resume RUN --epochs N)"
