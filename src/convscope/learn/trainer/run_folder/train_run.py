"""A training on disk: the edge where events become files, and Ctrl-C becomes a state to resume from.

runs/2026-11-22-lecture-relu/
    recipe.toml          the settings, the name of the task among them
    state/               where to go on, exactly
    env.json             versions, machine, threads, number of test samples
    data.json            names and hashes of what it learns from
    model.json, model.safetensors
    metrics.jsonl        one line for each epoch

They are written in this order, each as a whole. `state.json` decides where a run stands: weights and metrics
follow from it and are written after it, so that a run whose metrics are complete has its last weights too,
and resuming makes up for what a killed process did not get to.
"""

import json
import platform
import shlex
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sized
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader
from typing_extensions import override

from convscope import nets
from convscope.errors import ConvscopeError, Interrupted, UsageError
from convscope.learn.batches.holdout import with_validation
from convscope.learn.batches.source import open_named
from convscope.learn.optimization.lr_finder import find_lr, rates_to_find, with_suggested_lr
from convscope.learn.recipe import (
    ClassificationRecipe,
    TaskRecipe,
    TrainRecipe,
    refuse_unused,
    with_settings,
)
from convscope.learn.runs.tracking import Tracking, check_trackers, tracking
from convscope.learn.setup import find_device
from convscope.learn.tasks.registry import class_name, find_schema, is_registered, task_name
from convscope.learn.tasks.task import Task
from convscope.learn.trainer.events import Epoch, TrainProgress
from convscope.learn.trainer.run_folder import run_files
from convscope.learn.trainer.run_folder.data_record import check_record, describe_data, write_record
from convscope.learn.trainer.run_folder.resume import Run, resumed
from convscope.learn.trainer.run_folder.run_files import ENVIRONMENT, METRICS, RECIPE, STATE, TEST_SAMPLES
from convscope.learn.trainer.trainer import Trainer
from convscope.nets import Net, takes_network
from convscope.system import processes
from convscope.system.counting import counted
from convscope.system.files import is_full, remove_parts, write_text
from convscope.system.threads import cores
from convscope.worlds import Dataset

AnyRecipe = TypeVar("AnyRecipe", bound=TrainRecipe)
STATE_INTERVAL = 60.0
"""Seconds between states stored within an epoch; one is stored after each epoch anyway."""


@takes_network
def iter_train_run(
    net: Net,
    train: Any,
    test: Any = None,
    recipe: TrainRecipe | None = None,
    *,
    out: Path,
    task: Task | None = None,
    validation: Any = None,
    **settings: Any,
) -> "RunEvents":
    """Train, as an iterator of events, and keep a run folder up to date meanwhile.

    Ctrl-C and SIGTERM end the training at the next batch boundary, after saving; a second Ctrl-C ends it at
    once. With `recipe.resume` the run in that folder continues exactly from its stored state. Data, network
    and task must then be the same, and the run's own recipe counts: only `epochs` may be set too, to add
    epochs (see `resumed`). A run that was killed before its first state was stored begins again, with the
    weights of `net`.

    Of several processes (torchrun), rank 0 alone writes; all must reach the folder. Where torchrun starts
    them again, they go on from the last state stored in `out`.

    Args:
        net: its weights are changed.
        train: `LabelledDataset` or a DataLoader for a classifier, else what the task learns from.
        test: what to evaluate on after each epoch; nothing if left out.
        recipe: recipe of the training; the defaults of `ClassificationRecipe` if left out.
        out: the run's folder.
        task: defines losses, metrics and optimizers; the recipe's, if left out.
        validation: what to choose the best epoch by; by default a part held out of `train`, where the recipe
            asks for one.
        **settings: fields of the recipe's schema, in place of the recipe's own.

    Returns:
        An iterator of `TrainProgress` and `Epoch`, each `Epoch` after it was stored. Between two events its
        `trainer` can freeze and thaw parts of the network and change the learning rate, and `store` stores.

    Raises:
        Interrupted: after saving; the hint has the command that resumes.
        MissingError: the package of a tracker is not installed.
        TrainingError: a loss, weight or sum is NaN or infinite; the run's folder keeps the last good state.
        ConvscopeError: the disk is full; the run's folder keeps the last state.
        UsageError: `out` holds something else, or settings are given that the run to resume has fixed.
        DataError: the run to resume is damaged, or of another network or other data. Its files stay.
    """
    recipe, state = restarted_recipe(with_settings(recipe, settings), out), None
    source = recipe.resume
    if source is not None:
        run = resumed(recipe, None if task is None else task_name(task))
        recipe, state = run.recipe, run.state()
    check_trackers(recipe.track)
    train, validation = with_validation(train, validation, recipe)
    record = describe_data(train)
    if source is not None:
        check_record(source, record)
    net = net.to(find_device(recipe.device))
    trainer = Trainer(net, train, test, recipe, state=state, task=task, validation=validation)
    if trainer.processes.rank:
        return RunEvents(trainer, _followed_events(trainer), lambda: None)
    files = _Files(out, trainer, record)
    fresh = source is None or not _same_folder(source, out)
    events = _events(files, fresh=fresh, whole=state is not None)
    return RunEvents(trainer, events, lambda: files.store(weights=False))


class RunEvents(Generator[TrainProgress | Epoch, None, None]):
    """Iterate over the events of a training whose run folder is kept up to date.

    Args:
        trainer: the training.
        events: its events, stored.
        store: stores the state as it is.

    Attributes:
        trainer: the training; between two events parts of the network may be frozen and thawed, and the
            learning rate changed.
    """

    def __init__(
        self,
        trainer: Trainer,
        events: Generator[TrainProgress | Epoch, None, None],
        store: Callable[[], None],
    ) -> None:
        self.trainer, self._events, self._store = trainer, events, store

    def store(self) -> None:
        """Store the state between two events, so that nothing until there is lost whatever happens.

        Raises:
            TrainingError: a weight or sum is NaN or infinite; the last state stays.
            ConvscopeError: the disk is full; the last state stays.
        """
        self._store()

    @override
    def send(self, value: None) -> TrainProgress | Epoch:
        """Go on to the next event.

        Args:
            value: None.

        Returns:
            The event.
        """
        return self._events.send(value)

    @override
    def throw(self, *exception: Any) -> TrainProgress | Epoch:
        """Throw an exception in where the training stands; KeyboardInterrupt stops it after saving.

        Args:
            *exception: the exception, as `Generator.throw` takes it.

        Returns:
            The next event.
        """
        return self._events.throw(*exception)


def restarted_recipe(recipe: AnyRecipe, out: Path) -> AnyRecipe:
    """Return the recipe of a training that torchrun may have started again after a process was lost.

    Args:
        recipe: recipe as given.
        out: the run's folder.

    Returns:
        One that resumes the run in `out`, where the first start has begun one; else the same.
    """
    if recipe.resume is not None or not processes.restarts() or not (out / RECIPE).exists():
        return recipe
    return type(recipe).parse({"resume": out})


def _followed_events(trainer: Trainer) -> Generator[TrainProgress | Epoch, None, None]:
    """Yield the events of a training in a process that does not write, and stop where the others do."""
    trainer.processes.wait()
    with _signals(trainer):
        for event in trainer:
            if trainer.stopping and event.done < 1:
                raise Interrupted("stopped with the other processes", hint="See what rank 0 says.")
            yield event
    trainer.processes.wait()


def _events(files: "_Files", *, fresh: bool, whole: bool) -> Generator[TrainProgress | Epoch, None, None]:
    """Yield the events of a training from its first files on, alone in its folder."""
    files.trainer.processes.wait()  # until all have read what is resumed
    files.create_folder(fresh=fresh)
    recipe = files.trainer.recipe
    with run_files.alone(files.out):
        files.write_all(whole=whole)
        settings = recipe.model_dump(mode="json", exclude={"resume", "track"})
        with tracking(recipe.track, files.out, settings) as trackers:
            yield from _stored_events(files.trainer, files, trackers)
    files.trainer.processes.wait()  # until all that the others may read is written


def _stored_events(trainer: Trainer, files: "_Files", trackers: Tracking) -> Iterator[TrainProgress | Epoch]:
    """Yield the events of a training, stored before an event where that is due, and tracked."""
    saved = time.monotonic()
    with _signals(trainer):
        for event in trainer:
            stop = trainer.stopping
            if isinstance(event, Epoch) or stop or time.monotonic() - saved > STATE_INTERVAL:
                files.store(weights=isinstance(event, Epoch) or stop)
                saved = time.monotonic()
            if isinstance(event, Epoch):
                trackers.epoch(event)
            if stop and event.done < 1:
                raise files.interrupted(event)
            try:
                yield event
            except KeyboardInterrupt:  # thrown in by whoever runs this
                files.store(weights=True)
                if event.done < 1:
                    raise files.interrupted(event) from None


@takes_network
def train(
    net: Net,
    train: Any,
    *,
    test: Any = None,
    validation: Any = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    task: Task | str | None = None,
    **settings: Any,
) -> Run:
    """Train to the end, and keep the run in a folder.

    For example: `run = train(net, digits.train(), test=digits.test(), epochs=3)`

    Args:
        net: its weights are changed.
        train: `LabelledDataset` or a DataLoader of `(inputs, labels)`, or the name of a set or a folder; else
            what the task learns from.
        test: what to evaluate on after each epoch; nothing if left out.
        validation: what to choose the best epoch by; by default a part held out of `train`, where a setting
            asks for one (`patience`, `validation_split`).
        out: the run's folder; by default a new `runs/<date>-<name>` below the current one.
        resume: folder of a run to continue. Its recipe counts; `epochs` may be given too, to add epochs.
        task: defines losses, metrics and optimizers, or the name of a registered task; classification, or
            the run's own, if left out. One that is not registered must be given when its run is continued.
        **settings: fields of the task's recipe schema.

    Returns:
        The finished run, read from its folder.

    Raises:
        Interrupted, TrainingError, UsageError, DataError: as `iter_train_run` does.
    """
    train, test = (
        open_named(data, net.input_spec, split) for data, split in ((train, "train"), (test, "test"))
    )
    if isinstance(task, str):
        settings["task"] = task
    if resume is not None:
        recipe, out = _continued_recipe(Path(resume), settings), out or resume
    else:
        names = {"network": net.name or "net", "data": str(getattr(train, "name", "loader") or "loader")}
        schema = ClassificationRecipe if task is None else _schema(task)
        recipe = schema.parse(names | settings)
        refuse_unused(recipe)
    check_restartable(out)
    folder = Path(out) if out is not None else free_folder(net.name)
    built = None if isinstance(task, str) else task
    if recipe.find_lr:
        recipe = _with_found_rates(net, train, recipe, built)
    events = iter_train_run(net, train, test, recipe, out=folder, task=built, validation=validation)
    folder = Path(events.trainer.processes.agree(str(folder)))
    for _event in events:
        pass
    return Run.open(folder)


def _continued_recipe(folder: Path, settings: dict[str, Any]) -> TrainRecipe:
    """Return the recipe that continues the run in a folder; warn where its newest state is damaged."""
    run = Run.open(folder)
    recipe = type(run.recipe).parse({**settings, "resume": folder})
    if run.note:
        warnings.warn(run.note, stacklevel=4)  # whoever calls `train`, which takes a network
    return recipe


def _with_found_rates(net: Net, train: Any, recipe: TrainRecipe, task: Task | None) -> TrainRecipe:
    """Return the recipe with the learning rates that the finder suggests."""
    for rate in rates_to_find(recipe):
        found = find_lr(net.to(find_device(recipe.device)), train, recipe, task=task, rate=rate)
        recipe = with_suggested_lr(recipe, found)
    return recipe


def check_restartable(out: str | Path | None) -> None:
    """Refuse a training without a named folder where torchrun may start it again.

    Args:
        out: the run's folder, if it is named.

    Raises:
        UsageError: the training would begin again in another folder.
    """
    if out is None and processes.may_restart():
        raise UsageError(
            "a folder for the run (--out), in which torchrun finds it after a restart",
            received="none",
            hint="Name one that does not exist yet.",
        )


def _schema(task: Task | str) -> type[TrainRecipe]:
    """Return the recipe schema of a task; that of every task for one that is not registered."""
    name = task if isinstance(task, str) else task_name(task)
    known = isinstance(task, str) or is_registered(name, TaskRecipe.verb)
    return find_schema(name) if known else TaskRecipe


def free_folder(name: str) -> Path:
    """Return a folder name under `runs/` that is not taken.

    Args:
        name: name of the network; characters other than letters, digits, `-` and `.` are replaced.

    Returns:
        `runs/<date>-<name>`, with `-2`, `-3` and so on where that exists. Nothing is created.
    """
    slug = "".join(c if c.isalnum() or c in "-." else "-" for c in name).strip("-.")[:60] or "net"
    first = Path("runs") / f"{date.today().isoformat()}-{slug}"
    number, folder = 1, first
    while folder.exists():
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return folder


class _Files:
    """Write the files of one run, in the order in which they depend on each other."""

    def __init__(self, out: Path, trainer: Trainer, record: dict[str, Any] | None = None) -> None:
        self.out, self.trainer, self.recipe = out, trainer, trainer.recipe
        self.record = record

    def create_folder(self, *, fresh: bool) -> None:
        """Create the run's folder.

        Args:
            fresh: whether the run is new, so that the folder must hold no other one.

        Raises:
            UsageError: it cannot be written to, or holds another run.
        """
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            if fresh:
                run_files.check_free(self.out)
        except OSError as error:
            raise self._folder_error(error) from None

    def write_all(self, *, whole: bool) -> None:
        """Write all files for the first time, after removing what killed processes left.

        Args:
            whole: whether to write the metrics too: a killed process may have stored epochs in its state
                only.
        """
        try:
            remove_parts(self.out)
            write_text(self.out / RECIPE, run_files.written_toml(self.recipe))
        except OSError as error:
            raise self._folder_error(error) from None
        self.store(environment=True, weights=True, metrics=whole)

    def store(self, *, weights: bool, environment: bool = False, metrics: bool = True) -> None:
        """Store the state; then, as asked for, environment, weights and metrics.

        Args:
            weights: whether to save the network; `metrics` count only then.
            environment: whether to write versions, system, threads and the number of test samples.
            metrics: whether to write the metrics of the epochs.

        Raises:
            TrainingError: a weight or sum is NaN or infinite; the files stay as they were.
            ConvscopeError: the disk is full; each file is the old or the new one.
        """
        trainer, out = self.trainer, self.out
        state = trainer.state()
        try:
            state.write(out / STATE)
            if environment:
                found = {**_environment(), "processes": trainer.processes.count}
                found[TEST_SAMPLES] = _sample_count(trainer.test)
                write_text(out / ENVIRONMENT, json.dumps(found, indent=1))
                write_record(out, self.record)
            if weights:
                self._save_network()
                lines = [json.dumps(epoch.to_json(), allow_nan=False) + "\n" for epoch in trainer.history]
                if metrics:
                    write_text(out / METRICS, "".join(lines))
        except ConvscopeError as error:
            raise self._save_error(error.received, full=not isinstance(error, UsageError)) from None
        except (OSError, ValueError) as error:
            full = isinstance(error, OSError) and is_full(error)
            raise self._save_error(str(error), full=full) from None

    def interrupted(self, event: TrainProgress | Epoch) -> Interrupted:
        """Return the exception for a training that was stopped, with the command that resumes it.

        Args:
            event: the last event.

        Returns:
            The exception to raise.
        """
        inside = isinstance(event, TrainProgress)
        where = f"epoch {event.epoch}, step {event.step}" if inside else f"epoch {event.index}"
        return Interrupted(f"stopped after {where}; the run is saved", hint=f"Go on with: {self._resume}")

    @property
    def _resume(self) -> str:
        """The command or call that resumes this run."""
        if is_registered(self.recipe.task, self.recipe.verb):
            return f"convscope {self.recipe.verb} --resume {shlex.quote(str(self.out))}"
        path, task = json.dumps(str(self.out)), class_name(self.recipe.task)
        return f"train(net, data, resume={path}, task={task}(...))"

    def _save_network(self) -> None:
        trainer, net = self.trainer, self.trainer.trained
        if trainer.history or trainer.step:
            done = f"{len(trainer.history)} of {counted(self.recipe.epochs, 'epoch')}"
            net = replace(net, source=replace(net.source, weights=f"trained here, {done}"))
        nets.save(net, self.out, recipe=json.loads(self.recipe.json()))

    def _folder_error(self, error: OSError) -> ConvscopeError:
        if is_full(error):
            return ConvscopeError(
                f"room on the disk for a run in {self.out}",
                received=str(error),
                hint="Free some space, or choose another folder.",
            )
        return UsageError(
            "a folder that can be written to",
            received=str(error),
            hint="Choose another folder, or make this one writable.",
        )

    def _save_error(self, received: str, *, full: bool) -> ConvscopeError:
        step = "Free some space" if full else "Make the folder writable again"
        return ConvscopeError(
            f"a state saved in {self.out}",
            received=received,
            hint=f"What was saved before is there. {step}, then: {self._resume}",
        )


def _same_folder(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


@contextmanager
def _signals(trainer: Trainer) -> Iterator[None]:
    """Stop the training at the next batch boundary when SIGINT or SIGTERM arrives; at once at the second.

    Handlers can be installed in the main thread only; in others nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        trainer.stop()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _sample_count(data: Any) -> int | None:
    """Return the number of samples of a data set or of a loader's; None where it is not known."""
    found = data.dataset if isinstance(data, DataLoader) else data
    if not isinstance(data, DataLoader | Dataset):
        return None
    return len(found) if isinstance(found, Sized) else None


def _environment() -> dict[str, Any]:
    """Return what a result depends on beside its recipe: versions, system, threads, vector instructions."""
    from importlib.metadata import version

    packages = ("convscope", "torch", "torchvision", "numpy", "safetensors")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        **{name: version(name) for name in packages},
    }
