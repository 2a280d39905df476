"""The files of a run: their names, how they are read and checked, and who may write them."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.files import PART_PREFIX, parse_json, read_json, read_text, read_toml, require_regular
from convscope.learn.recipe import TrainRecipe
from convscope.learn.trainer import state
from convscope.learn.trainer import values as check
from convscope.learn.trainer.events import Epoch

try:
    import fcntl
except ImportError:  # Windows has other locks
    fcntl = None

RECIPE, METRICS, ENVIRONMENT, STATE = "recipe.toml", "metrics.jsonl", "env.json", "state"
DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"
LARGEST_METRICS = 64 << 20
"""Bytes; a hundred thousand epochs take about 45 million."""


def written_toml(plan: TrainRecipe, task: str) -> str:
    """Return verb, task and values as TOML; strings of JSON are strings of TOML.

    A task that the verb builds itself needs no name: such a recipe can be given to `--config`.
    """
    named = {} if task in plan.tasks else {"task": task}
    values = {"verb": plan.verb, **named, **plan.model_dump(mode="json", exclude={"resume"})}
    lines = [(name, value) for name, value in values.items() if value is not None]
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in lines)


def read_recipe(folder: Path, schema: type[TrainRecipe]) -> tuple[str, str, dict[str, Any]]:
    """Read a run's recipe, not yet validated.

    Returns:
        Verb and task, `""` for one that the verb builds itself, and the values.

    Raises:
        DataError: there is none, or it is no TOML.
    """
    try:
        values = read_toml(folder / RECIPE)
        verb = check.text("verb", values.pop("verb", schema.verb))
        return verb, check.text("task", values.pop("task", "")), values
    except FileNotFoundError as error:
        if not _only_parts(folder):
            raise DataError(f"a run in {folder}", received=str(error)) from None
        raise DataError(
            f"a run in {folder}",
            received=f"no {RECIPE}: it was stopped before anything was written",
            hint=f"Nothing is lost: start it again, with the same command and --out {folder}",
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"the recipe of a run in {folder / RECIPE}", received=str(error)) from None


def validated(schema: type[TrainRecipe], values: dict[str, Any], folder: Path) -> TrainRecipe:
    """Make a plan of a run's recipe.

    Raises:
        DataError: a setting is unknown or out of range.
    """
    try:
        if "resume" in values:
            raise ValueError("resume is no setting of a run")
        return schema.parse(values)
    except (ConvscopeError, ValueError) as error:
        received = error.received if isinstance(error, ConvscopeError) else str(error)
        raise DataError(
            f"the recipe of a run in {folder / RECIPE}", received=check.shown(received, 300)
        ) from None


def read_epochs(folder: Path, most: int) -> tuple[Epoch, ...] | None:
    """Read the epochs that a run has finished; None where the file is not there.

    Args:
        folder: of the run.
        most: how many it can have.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / METRICS
    try:
        lines = read_text(path, LARGEST_METRICS).splitlines()
        if len(lines) > most:
            raise ValueError(f"{len(lines)} lines, and a run of {most} epochs")
        return tuple(Epoch.from_json(parse_json(line), k, most) for k, line in enumerate(lines, start=1))
    except (OSError, ValueError) as error:
        if not os.path.lexists(path):
            return None
        raise DataError(f"one epoch a line in {path}", received=str(error)) from None


def check_files(folder: Path) -> None:
    """Check what a run will replace: each is a regular file, the state a folder, the environment JSON.

    Raises:
        DataError: one is something else, and would be lost.
    """
    for name in (ENVIRONMENT, DESCRIPTION, WEIGHTS):
        path = folder / name
        if not os.path.lexists(path):
            continue
        try:
            require_regular(path)
            if name == ENVIRONMENT and not isinstance(read_json(path), dict):
                raise ValueError("no table")
        except (OSError, ValueError) as error:
            raise DataError(f"the file of a run at {path}", received=str(error)) from None
    place = folder / STATE
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise DataError(f"the folder of a run's state at {place}", received="a link or a file")


def read_state(folder: Path) -> "state.State | None":
    """Read where a run stands; None where it was stopped before it had stored anything.

    Raises:
        DataError: the state is damaged, or missing although files are there that are written after it.
    """
    if not os.path.lexists(folder / STATE / state.FILE):
        later = [name for name in (ENVIRONMENT, METRICS, DESCRIPTION) if os.path.lexists(folder / name)]
        if not later:
            return None
    return state.State.read(folder / STATE)


def check_free(folder: Path) -> None:
    """Check that a new run can be written into a folder without taking anything's place.

    Raises:
        UsageError: a file of such a name is there.
    """
    names = (RECIPE, METRICS, ENVIRONMENT, STATE, DESCRIPTION, WEIGHTS)
    there = [name for name in names if os.path.lexists(folder / name)]
    if there:
        raise UsageError(
            "a folder without a run",
            received=f"{folder}, with {', '.join(there)}",
            hint=f"Continue it with --resume {folder}, or choose another.",
        )


def check_same_epochs(folder: Path, metrics: tuple[Epoch, ...], history: list[Mapping[str, Any]]) -> None:
    """Check that metrics and state are of the same training; one of them may be an epoch or more behind.

    Raises:
        DataError: they differ in an epoch that both have.
    """
    for epoch, stored in zip(metrics, history, strict=False):
        if epoch.to_json() != stored:
            raise DataError(
                f"the epochs of the state in {folder / METRICS}",
                received=f"epoch {epoch.index} with other numbers",
                hint=state.DAMAGED,
            )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder, so that no second process writes into it; a killed process holds nothing.

    Raises:
        UsageError: another process, or another iterator of this one, is training there.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "a run that nobody else is training",
                received=str(folder),
                hint="Wait until the other training has ended, or stop it first.",
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def _only_parts(folder: Path) -> bool:
    try:
        return all(entry.name.startswith(PART_PREFIX) for entry in folder.iterdir())
    except OSError:
        return False
