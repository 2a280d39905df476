"""A training on disk: the edge where events become files, and Ctrl-C becomes a state to resume from.

runs/2026-11-22-lecture-relu/
    recipe.toml          the plan
    env.json             versions, machine, threads
    metrics.jsonl        one line for each epoch
    model.json, model.safetensors
    state/               where to go on, exactly
"""

import json
import os
import platform
import shlex
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from convscope import nets
from convscope.errors import ConvscopeError, DataError, Interrupted, UsageError
from convscope.learn.atomic import write_text
from convscope.learn.events import Epoch, Progress
from convscope.learn.fitting import Fitting
from convscope.learn.plan import Plan, Training
from convscope.learn.preparing import find_device
from convscope.learn.state import State
from convscope.learn.task import Task
from convscope.nets import Net

EVERY = 60.0
"""Seconds between states stored within an epoch; one is stored after each epoch anyway."""
RECIPE, METRICS, ENVIRONMENT, STATE = "recipe.toml", "metrics.jsonl", "env.json", "state"


@dataclass(frozen=True)
class Run:
    """A training in a folder."""

    folder: Path
    plan: Training
    epochs: tuple[Epoch, ...]
    """Those that are finished."""

    @classmethod
    def open(cls, folder: str | Path, schema: type[Training] = Plan) -> "Run":
        """Read a run.

        Args:
            folder: where it is.
            schema: of the verb that made it.

        Raises:
            DataError: the folder holds no run, or a file of it is damaged.
            UsageError: another verb made it.
        """
        folder = Path(folder)
        values = schema.read(folder / RECIPE)
        verb = values.pop("verb", schema.verb)
        if verb != schema.verb:
            raise UsageError(
                f"a run of '{schema.verb}'", received=f"{folder}, of '{verb}'",
                hint=f"Its own verb continues it: convscope {verb} --resume {shlex.quote(str(folder))}",
            )  # fmt: skip
        try:
            lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
            epochs = tuple(Epoch(**json.loads(line)) for line in lines)
        except FileNotFoundError:
            epochs = ()
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"one epoch a line in {folder / METRICS}", received=str(error)) from None
        return cls(folder, schema.parse(values), epochs)

    @property
    def finished(self) -> bool:
        """Whether every epoch was run."""
        return len(self.epochs) >= self.plan.epochs

    def load(self) -> Net:
        """The network as it was last saved."""
        return nets.open_folder(self.folder)


def training(
    net: Net, train: Any, test: Any = None, plan: Training | None = None, *,
    out: Path, place: Path | None = None, task: Task | None = None,
) -> Iterator[Progress | Epoch]:  # fmt: skip
    """Train, and keep a run folder up to date while the events pass through.

    Ctrl-C, and SIGTERM, end it at the next batch boundary, after saving; a second Ctrl-C ends it at once.
    With `plan.resume` the run in that folder goes on exactly where its state was stored; data and network
    must be the same, the rest of the plan is taken from the run.

    Args:
        net: its weights change.
        train: `Samples` or a DataLoader for a classifier, else what the task learns from.
        test: what to test on after each epoch.
        plan: everything that decides the training.
        out: the run's folder.
        place: where the folder will stand later, for messages; `out` if left out.
        task: what is learned; to name classes, if left out.

    Raises:
        Interrupted: after saving; the hint says how to go on.
        TrainingError: the numbers went wrong; the run's folder keeps the last good state.
        UsageError: `out` holds something else.
        DataError: the run to resume is damaged, or of another network or other data.
    """
    plan = plan or Plan()
    state = None
    if plan.resume is not None:
        plan, state = resumed(plan.resume, type(plan)).plan, State.read(plan.resume / STATE)
    loop = Fitting(net.to(find_device(plan.device)), train, test, plan, state=state, task=task)
    _begin(out, plan, loop)
    saved = time.monotonic()
    with _signals(loop) as stop:
        for event in loop:
            if isinstance(event, Epoch) or stop or time.monotonic() - saved > EVERY:
                _save(out, loop)
                saved = time.monotonic()
            if stop and event.done < 1:
                nets.save(net, out, recipe=json.loads(plan.json()))
                raise _interrupted(event, place or out, plan.verb)
            yield event
    nets.save(net, out, recipe=json.loads(plan.json()))


def fit(
    net: Net, train: Any, *, test: Any = None,
    out: str | Path | None = None, resume: str | Path | None = None, task: Task | None = None, **plan: Any,
) -> Run:  # fmt: skip
    """Train to the end.

    `run = fit(net, digits.train(), test=digits.test(), epochs=3)`

    Args:
        net: its weights change.
        train: `Samples` or a DataLoader of `(inputs, labels)`; else what the task learns from.
        test: what to test on after each epoch.
        out: the run's folder; by default `runs/<date>-<name>` of the current one.
        resume: the folder of a run to continue, instead of a plan.
        task: what is learned; to name classes, if left out.
        **plan: fields of `Plan`.

    Raises:
        Interrupted, TrainingError, UsageError, DataError: as `training` does.
    """
    if resume is not None:
        plan, out = {"resume": Path(resume)}, out or resume
    named = {"network": net.name or "net", "data": str(getattr(train, "name", "loader") or "loader")}
    ready = Plan.parse({**named, **plan})
    folder = Path(out) if out is not None else free_folder(net.name)
    for _event in training(net, train, test, ready, out=folder, task=task):
        pass
    return Run.open(folder)


def resumed(folder: Path, schema: type[Training] = Plan) -> Run:
    """A run that can go on.

    Raises:
        UsageError: it is finished, or of another verb.
        DataError: there is no run.
    """
    run = Run.open(folder, schema)
    if run.finished:
        raise UsageError(
            "a run with epochs left", received=f"{folder}, finished after {len(run.epochs)}",
            hint=f"Start another from its weights: convscope {schema.verb} " + shlex.quote(str(folder)),
        )  # fmt: skip
    return run


def free_folder(name: str) -> Path:
    """A place under `runs/` where nothing is yet."""
    plain = "".join(c if c.isalnum() or c in "-." else "-" for c in name).strip("-.")[:60] or "net"
    first = Path("runs") / f"{date.today().isoformat()}-{plain}"
    number, found = 1, first
    while found.exists():
        number += 1
        found = first.with_name(f"{first.name}-{number}")
    return found


def _begin(out: Path, plan: Training, loop: Fitting) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not loop.history and loop.step == 0 and (out / STATE).exists():
            raise UsageError(
                "a folder without a run", received=str(out),
                hint=f"Continue it with --resume {shlex.quote(str(out))}, or choose another.",
            )  # fmt: skip
        write_text(out / RECIPE, _toml(plan))
        write_text(out / ENVIRONMENT, json.dumps(environment(), indent=1))
    except OSError as error:
        raise UsageError("a folder that can be written to", received=str(error)) from None
    nets.save(loop.net, out, recipe=json.loads(plan.json()))
    _save(out, loop)


def _save(out: Path, loop: Fitting) -> None:
    try:
        loop.state().write(out / STATE)
        write_text(out / METRICS, "".join(json.dumps(e.to_json()) + "\n" for e in loop.history))
    except OSError as error:
        raise ConvscopeError(
            f"a state saved in {out}", received=str(error), hint="Free some space, then resume."
        ) from None


def _interrupted(event: Progress | Epoch, place: Path, verb: str) -> Interrupted:
    where = (
        f"epoch {event.epoch}, step {event.step}" if isinstance(event, Progress) else f"epoch {event.index}"
    )
    command = f"convscope {verb} --resume {shlex.quote(str(place))}"
    return Interrupted(f"stopped after {where}; the run is saved", hint=f"Go on with: {command}")


@contextmanager
def _signals(loop: Fitting) -> Iterator[list[int]]:
    """Signals that ask to stop; each brings the loop to a boundary. Outside the main thread, none."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        loop.pause()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def environment() -> dict[str, Any]:
    """What a result depends on beside its recipe."""
    from importlib.metadata import version

    packages = ("convscope", "torch", "torchvision", "numpy", "safetensors")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        **{name: version(name) for name in packages},
    }


def _toml(plan: Training) -> str:
    """Verb and chosen values; strings of JSON are strings of TOML."""
    values = {"verb": plan.verb, **{k: v for k, v in plan.model_dump(mode="json").items() if v is not None}}
    values.pop("resume", None)
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
