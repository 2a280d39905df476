"""Find the runs below a folder, and summarise each from its recipe and metrics.

Only small text files are read, through `convscope.system.files`; links are not followed, and a damaged run is
listed with the reason.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.learn.recipe import TaskRecipe, TrainRecipe
from convscope.learn.runs.recipe import RUNS_FOLDER
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.registry import TASKS, find_schema, find_task, is_registered
from convscope.learn.trainer.events import Epoch
from convscope.learn.trainer.kept_weights import best_epoch
from convscope.learn.trainer.run_folder import run_files
from convscope.learn.trainer.run_folder.resume import Run
from convscope.recipe.result import Result
from convscope.system.files import read_json
from convscope.worlds import wilson_interval

DEEPEST = 6
"""Levels of folders below the given one that are searched."""
MOST_FOLDERS = 20_000
"""Most folders that are looked into."""
MARKS = (run_files.RECIPE, run_files.METRICS)
"""A folder that has one of these may be a run."""


@dataclass(frozen=True)
class RunSummary(Result):
    """Summarise one run.

    Attributes:
        name: its folder, relative to the one that was searched; the folder itself where it was named.
        run: the run, its recipe validated as far as its task is known.
        settings: all settings by name, JSON-ready; those that only an unknown task has, included.
        changed: when its metrics were last written; its recipe, where no epoch is finished.
        specs: the metrics of its task, in order; those of its epochs where the task is not registered.
        primary: the metric by which its trainings are compared; None where nothing was measured.
        tested: number of test samples; None where it is not known.
    """

    name: str
    run: Run
    settings: Mapping[str, Any]
    changed: datetime
    specs: tuple[MetricSpec, ...]
    primary: MetricSpec | None
    tested: int | None

    @property
    def network(self) -> str:
        """What was trained, as its recipe names it."""
        return str(self.settings.get("network") or self.settings.get("model") or "")

    @property
    def data(self) -> str:
        """What it was trained on, as its recipe names it."""
        return str(self.settings.get("data") or self.settings.get("photographs") or "")

    @property
    def epoch(self) -> Epoch | None:
        """The epoch whose network the run has saved: the last one, with early stopping the last best one."""
        return best_epoch(self.run.epochs) or next(reversed(self.run.epochs), None)

    @property
    def test_metrics(self) -> Mapping[str, float | None]:
        """Metrics of the saved network on the test data, by name; empty where there are none."""
        return self.epoch.test_metrics if self.epoch else {}

    @property
    def value(self) -> float | None:
        """The primary metric of the saved network on the test data; None where there is none."""
        return self.test_metrics.get(self.primary.name) if self.primary else None

    @property
    def right(self) -> tuple[int, int] | None:
        """Number of test samples that are classified right, and of all.

        None where no accuracy was measured, where the size of the test is not known, or where the accuracy is
        no share of so many.
        """
        share = self.test_metrics.get("accuracy")
        if share is None or not self.tested:
            return None
        count = round(share * self.tested)
        return (count, self.tested) if abs(count - share * self.tested) < 1e-3 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of the accuracy (Wilson); None where `right` is."""
        return wilson_interval(*self.right) if self.right else None

    @property
    def status(self) -> str:
        """`finished`, `ended early` by itself, `unfinished`, or `no epoch` where none is finished."""
        if self.run.stopped:
            return "ended early"
        if self.run.finished:
            return "finished"
        return "unfinished" if self.run.epochs else "no epoch"

    def to_json(self) -> dict[str, Any]:
        """Return what a list shows of the run, JSON-ready."""
        return {
            "name": self.name,
            "folder": str(self.run.folder),
            "verb": self.run.recipe.verb,
            "task": self.run.task,
            "network": self.network,
            "data": self.data,
            "epochs": len(self.run.epochs),
            "planned": self.run.recipe.epochs,
            "status": self.status,
            "metric": self.primary.name if self.primary else None,
            "value": self.value,
            "text": self.primary.text(self.test_metrics) if self.primary else "",
            "tested": self.tested,
            "interval": self.interval,
            "test_metrics": dict(self.test_metrics),
            "changed": self.changed.isoformat(timespec="seconds"),
        }


@dataclass(frozen=True)
class DamagedRun(Result):
    """A folder that looks like a run and cannot be read as one.

    Attributes:
        name: the folder, relative to the one that was searched.
        folder: the folder.
        reason: what is wrong, in one sentence.
    """

    name: str
    folder: Path
    reason: str


@dataclass(frozen=True)
class RunList(Result):
    """List the runs below a folder.

    Attributes:
        folder: the folder that was searched.
        runs: those that can be read, the last changed first.
        damaged: those that cannot.
        complete: False where there are more folders than are searched.
    """

    folder: Path
    runs: tuple[RunSummary, ...]
    damaged: tuple[DamagedRun, ...] = ()
    complete: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the list, JSON-ready."""
        damaged = [{"name": d.name, "folder": str(d.folder), "reason": d.reason} for d in self.damaged]
        return {
            "folder": str(self.folder),
            "runs": [run.to_json() for run in self.runs],
            "damaged": damaged,
            "complete": self.complete,
        }


def list_runs(folder: str | Path = RUNS_FOLDER) -> RunList:
    """List the runs below a folder.

    Results of other verbs are left out. Folders inside a run, links, and what is nested more than `DEEPEST`
    deep are not searched.

    Args:
        folder: the folder; if it is a run itself, that one alone is listed.

    Returns:
        The runs, the last changed first, and those that are damaged, each with the reason.

    Raises:
        DataError: there is no such folder, or it cannot be read.
    """
    folder = Path(folder)
    found: list[RunSummary] = []
    damaged: list[DamagedRun] = []
    looked = 0
    for path in _folders(folder):
        looked += 1
        if looked > MOST_FOLDERS:
            break
        if not any(os.path.lexists(path / name) for name in MARKS):
            continue
        name = str(folder) if path == folder else str(path.relative_to(folder))
        try:
            summary = open_run(path)
        except ConvscopeError as error:
            damaged.append(DamagedRun(name, path, error.received or error.expected))
            continue
        if summary is not None:
            found.append(replace(summary, name=name))
    found.sort(key=lambda summary: (summary.changed, summary.name), reverse=True)
    return RunList(folder, tuple(found), tuple(damaged), looked <= MOST_FOLDERS)


def open_run(folder: str | Path) -> RunSummary | None:
    """Summarise the run of a folder.

    Args:
        folder: where the run is.

    Returns:
        The summary; None where the folder holds the recipe of a verb that does not train.

    Raises:
        DataError: there is no run, or a file of it is damaged.
    """
    folder = Path(folder)
    verb, values = run_files.read_recipe(folder)
    verbs = {TaskRecipe.verb, *(verb for entry in TASKS.values() for verb in entry.verbs)}
    if verb not in verbs:
        return None
    run = _open_known(folder, verb, values)
    settings = {**values, **run.recipe.model_dump(mode="json", exclude={"resume"})}
    specs, primary = _metrics(run)
    try:
        changed = (run.metrics_file if run.epochs else folder / run_files.RECIPE).stat().st_mtime
    except OSError as error:
        raise DataError(
            f"a run in {folder}",
            received=str(error),
            hint="Check that it can be read, and that nobody removes it meanwhile.",
        ) from None
    when = datetime.fromtimestamp(changed)
    return RunSummary(str(folder), run, settings, when, specs, primary, _tested(folder))


def _open_known(folder: Path, verb: str, values: Mapping[str, Any]) -> Run:
    """Open a run by the schema of its task; of a task that is not registered, without its own settings."""
    task = values.get("task", TaskRecipe.model_fields["task"].default)
    if is_registered(task, verb):
        try:
            return Run.open(folder, find_schema(task, verb))
        except UsageError as error:
            raise DataError(f"a run in {folder}", received=str(error)) from None
    schema: type[TrainRecipe] = TaskRecipe
    common = {name: value for name, value in values.items() if name in schema.model_fields}
    recipe = run_files.validated(schema, common, folder)
    epochs = run_files.read_epochs(folder, recipe.epochs)
    run_files.check_files(folder)
    return Run(folder, recipe, epochs or ())


def _metrics(run: Run) -> tuple[tuple[MetricSpec, ...], MetricSpec | None]:
    """Return the metrics of a run's task, and the primary one."""
    measured = run.epochs[-1].test_metrics if run.epochs else {}
    task = find_task(run.task).load() if is_registered(run.task, run.recipe.verb) else None
    if task is not None and isinstance(task.metric_specs, tuple):  # else it follows from the settings
        primary = task.from_recipe(run.recipe).primary
        return task.metric_specs, primary if primary.name in measured else None
    names = measured or (run.epochs[-1].metrics if run.epochs else {})
    specs = tuple(MetricSpec(name) for name in names)
    return specs, next((spec for spec in specs if spec.name in measured), None)


def _tested(folder: Path) -> int | None:
    """Return the number of test samples that a run has noted; None where there is no such note."""
    try:
        value = read_json(folder / run_files.ENVIRONMENT).get(run_files.TEST_SAMPLES)
    except (OSError, ValueError, AttributeError):
        return None
    return value if type(value) is int and 0 < value < 2**53 else None


def _folders(top: Path) -> Iterator[Path]:
    """Yield a folder and those below it, but none inside a run, and no links."""
    try:
        if not top.is_dir():
            raise NotADirectoryError(f"{top} is no folder" if os.path.lexists(top) else f"no folder {top}")
        os.scandir(top).close()
    except (OSError, ValueError) as error:
        raise DataError(
            "a folder with runs",
            received=str(error),
            hint="Name the folder that trainings were written to: convscope runs FOLDER",
        ) from None
    yield from _below(top, 0)


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Yield a folder, and where it is no run what is below it; what cannot be read is left out."""
    yield folder
    if depth >= DEEPEST or any(os.path.lexists(folder / name) for name in MARKS):
        return
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in inside:
        yield from _below(folder / name, depth + 1)
