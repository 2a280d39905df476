"""Adapters that hand a training's settings and metrics to TensorBoard, MLflow or Weights & Biases.

A tracker receives the settings once, then each `Epoch`. It stands outside the training: `metrics.jsonl` is
written whatever happens to it, and one that fails is dropped with a warning. Packages are imported when a
tracker begins. The ids that MLflow and Weights & Biases give a run are kept in the run's folder
(`tracking.json`), so that a training that is resumed goes on in the same run there.
"""

import importlib
import importlib.util
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from convscope.errors import Interrupted, MissingError, UsageError, nearest
from convscope.learn.trainer.events import Epoch
from convscope.system.files import read_json, write_text

FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"
"""How a training ended."""
IDS = "tracking.json"
"""Name of the file in a run's folder that holds the ids of trackers."""
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""Form of an id; anything else is not passed on."""
LARGEST_IDS = 1 << 16
PROJECT = "convscope"
"""Project of Weights & Biases where `WANDB_PROJECT` names none."""


class Tracker(Protocol):
    """Interface of an adapter, which is constructed with the run's folder and its settings."""

    def epoch(self, values: Mapping[str, float], index: int) -> None:
        """Take the numbers of a finished epoch.

        Args:
            values: by name: `train/<metric>`, `validation/<metric>`, `test/<metric>`, `lr` and
                `samples_per_second`.
            index: of the epoch, from 1.
        """
        ...

    def end(self, status: str) -> None:
        """Take the end of the training.

        Args:
            status: `FINISHED`, `STOPPED` or `FAILED`.
        """
        ...


class TensorBoard:
    """Write an event file to `tensorboard/` in the run's folder; `tensorboard --logdir runs` shows all.

    Args:
        folder: the run's folder.
        settings: by name.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(log_dir=str(folder / "tensorboard"))
        rows = [f"| {name} | {_text(value)} |" for name, value in settings.items()]
        self.writer.add_text("recipe", "\n".join(["| setting | value |", "|---|---|", *rows]), 0)

    def epoch(self, values: Mapping[str, float], index: int) -> None:
        """Write a scalar for each number.

        Args:
            values: by name.
            index: of the epoch, from 1.
        """
        for name, value in values.items():
            self.writer.add_scalar(name, value, global_step=index)
        self.writer.flush()

    def end(self, status: str) -> None:
        """Close the file.

        Args:
            status: `FINISHED`, `STOPPED` or `FAILED`.
        """
        self.writer.close()


class MLflow:
    """Log to MLflow, as `MLFLOW_TRACKING_URI` and `MLFLOW_EXPERIMENT_NAME` say.

    A run that is resumed goes on in the one whose id is kept, if the server still has it, else in a new one.

    Args:
        folder: the run's folder; its name is that of the run there.
        settings: by name; they become parameters.

    Source: https://mlflow.org/docs/latest/python_api/mlflow.html
    """

    STATUS: Mapping[str, str] = {FINISHED: "FINISHED", STOPPED: "KILLED", FAILED: "FAILED"}

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.mlflow = importlib.import_module("mlflow")
        known = read_ids(folder).get("mlflow")
        if known is not None and self._continues(known):
            return
        run = self.mlflow.start_run(run_name=folder.name)
        keep_id(folder, "mlflow", run.info.run_id)
        self.mlflow.log_params({name: _text(value) for name, value in settings.items()})

    def _continues(self, run_id: str) -> bool:
        """Return whether a run is open again; not where it was deleted, or is on another server."""
        try:
            self.mlflow.start_run(run_id=run_id)
        except Exception as error:  # of MLflow's own
            said = f"MLflow has no run {run_id} to go on with, so that another one begins: {error}"
            warnings.warn(said, TrackingWarning, stacklevel=2)
            return False
        return True

    def epoch(self, values: Mapping[str, float], index: int) -> None:
        """Log the numbers at the step of the epoch.

        Args:
            values: by name.
            index: of the epoch, from 1.
        """
        self.mlflow.log_metrics(dict(values), step=index)

    def end(self, status: str) -> None:
        """End the run with MLflow's word for the status.

        Args:
            status: `FINISHED`, `STOPPED` or `FAILED`.
        """
        self.mlflow.end_run(status=self.STATUS[status])


class WandB:
    """Log to Weights & Biases, as `WANDB_MODE`, `WANDB_PROJECT` and its other variables say.

    A run that is resumed goes on in the one whose id is kept (`resume="allow"`). A step that it has already,
    because the training was killed and repeats an epoch, it leaves out.

    Args:
        folder: the run's folder; its name is that of the run there, and `wandb/` in it holds its files.
        settings: by name; they become the configuration.

    Source: https://docs.wandb.ai/ref/python/init
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        project = os.environ.get("WANDB_PROJECT") or PROJECT
        wandb = importlib.import_module("wandb")
        known = read_ids(folder).get("wandb")
        again = {} if known is None else {"id": known, "resume": "allow"}
        self.run = wandb.init(
            project=project, name=folder.name, config=dict(settings), dir=str(folder), **again
        )
        keep_id(folder, "wandb", self.run.id)

    def epoch(self, values: Mapping[str, float], index: int) -> None:
        """Log the numbers at the step of the epoch.

        Args:
            values: by name.
            index: of the epoch, from 1.
        """
        self.run.log(dict(values), step=index)

    def end(self, status: str) -> None:
        """Finish the run; with the exit code 1 where it failed or was stopped.

        Args:
            status: `FINISHED`, `STOPPED` or `FAILED`.
        """
        self.run.finish(exit_code=0 if status == FINISHED else 1)


TRACKERS: dict[str, tuple[str, Callable[[Path, Mapping[str, Any]], Tracker]]] = {
    "tensorboard": ("tensorboard", TensorBoard),
    "mlflow": ("mlflow", MLflow),
    "wandb": ("wandb", WandB),
}
"""Name -> the package that it needs, and the adapter."""


def read_ids(folder: Path) -> dict[str, str]:
    """Read the ids that trackers have given a run.

    Args:
        folder: the run's folder.

    Returns:
        Ids by tracker; none where the file is missing or damaged.
    """
    try:
        found = read_json(folder / IDS, LARGEST_IDS)
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str) and ID.fullmatch(text)}


def keep_id(folder: Path, tracker: str, run_id: object) -> None:
    """Keep the id that a tracker has given a run.

    Args:
        folder: the run's folder.
        tracker: a key of `TRACKERS`.
        run_id: the id.

    Raises:
        OSError: the folder cannot be written to.
    """
    write_text(folder / IDS, json.dumps({**read_ids(folder), tracker: str(run_id)}, indent=1))


class TrackingWarning(UserWarning):
    """A tracker failed, and gets nothing more; the training goes on."""


def check_trackers(names: Sequence[str]) -> None:
    """Check that trackers exist and that their packages are installed; nothing is imported.

    Args:
        names: keys of `TRACKERS`.

    Raises:
        UsageError: there is no such tracker.
        MissingError: a package is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"a tracker: {', '.join(TRACKERS)}", received=name, hint=nearest(name, TRACKERS))
        package = TRACKERS[name][0]
        if importlib.util.find_spec(package) is None:
            raise MissingError(
                f"the package {package}, to which --track {name} hands the metrics",
                received="it is not installed",
                hint=f"Install it: pip install {package}. metrics.jsonl is written without it too.",
            )


@contextmanager
def tracking(names: Sequence[str], folder: Path, settings: Mapping[str, Any]) -> Iterator["Tracking"]:
    """Track a training while the context lasts, and tell the trackers how it ended.

    Args:
        names: keys of `TRACKERS`, checked.
        folder: the run's folder, which must exist.
        settings: by name.

    Yields:
        What takes the epochs.
    """
    found = Tracking(names, folder, settings)
    status = FAILED
    try:
        yield found
        status = FINISHED
    except (Interrupted, KeyboardInterrupt, GeneratorExit):
        status = STOPPED
        raise
    finally:
        found.end(status)


class Tracking:
    """The trackers of one training. One that fails is dropped with a `TrackingWarning`.

    Args:
        names: keys of `TRACKERS`.
        folder: the run's folder.
        settings: by name.
    """

    def __init__(self, names: Sequence[str], folder: Path, settings: Mapping[str, Any]) -> None:
        self._open: dict[str, Tracker] = {}
        for name in dict.fromkeys(names):
            tracker = self._tried(name, lambda name=name: TRACKERS[name][1](folder, settings))
            if tracker is not None:
                self._open[name] = tracker

    def epoch(self, epoch: Epoch) -> None:
        """Hand an epoch to all trackers.

        Args:
            epoch: the finished epoch.
        """
        values = numbers(epoch)
        for name, tracker in list(self._open.items()):
            self._tried(name, lambda tracker=tracker: tracker.epoch(values, epoch.index))

    def end(self, status: str) -> None:
        """End all trackers.

        Args:
            status: `FINISHED`, `STOPPED` or `FAILED`.
        """
        for name, tracker in list(self._open.items()):
            self._tried(name, lambda tracker=tracker: tracker.end(status))
        self._open.clear()

    def _tried(self, name: str, call: Callable[[], Any]) -> Any:
        """Call a tracker; one that raises is dropped, and said to be."""
        try:
            return call()
        except Exception as error:  # packages of others, and servers that may be down
            self._open.pop(name, None)
            said = f"--track {name} failed, and gets nothing more: {type(error).__name__}: {error}"
            warnings.warn(said, TrackingWarning, stacklevel=2)
            return None


def numbers(epoch: Epoch) -> dict[str, float]:
    """Return the numbers of an epoch that are tracked.

    Args:
        epoch: the finished epoch.

    Returns:
        Values by name: `train/<metric>`, `validation/<metric>`, `test/<metric>`, `lr` and
        `samples_per_second`; none that are None.
    """
    parts = {
        "train": epoch.metrics,
        "validation": epoch.validation_metrics,
        "test": epoch.test_metrics,
    }
    found = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
    found |= {"lr": epoch.lr, "samples_per_second": epoch.samples_per_second}
    return {name: value for name, value in found.items() if value is not None}


def _text(value: Any) -> str:
    """Return a setting as text; several values with commas between them."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
