"""The files of a run: their names, how they are read and checked, and the lock of the folder."""

import errno
import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.learn.optimization.rates import LRChange, read_changes
from convscope.learn.recipe import TrainRecipe
from convscope.learn.runs.recipe import RUNS_FOLDER
from convscope.learn.runs.tracking import IDS
from convscope.learn.trainer import state
from convscope.learn.trainer import values as check
from convscope.learn.trainer.events import Epoch
from convscope.learn.trainer.freezing.records import FreezeRecord, position, read_records
from convscope.learn.trainer.run_folder import data_record
from convscope.system.files import PART_PREFIX, parse_json, read_json, read_text, read_toml, require_regular

try:
    import fcntl
except ImportError:  # Windows has other locks
    fcntl = None

Item = TypeVar("Item")
LOCKLESS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems without locks answer; EBADF is NFS's, which locks only what is open for writing."""
RECIPE, METRICS, ENVIRONMENT, STATE = "recipe.toml", "metrics.jsonl", "env.json", "state"
DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"
TEST_SAMPLES = "test_samples"
"""Name of the number of test samples in `env.json`."""
LARGEST_METRICS = 64 << 20
"""Largest `metrics.jsonl`, in bytes; a hundred thousand epochs take about 45 million."""


def written_toml(recipe: TrainRecipe) -> str:
    """Serialise a run's recipe as TOML, such as `--config` takes.

    Values are written as JSON, whose strings, numbers, booleans and arrays are valid TOML; lists of tables
    come last.

    Args:
        recipe: recipe to write; `resume` and fields without a value are left out.

    Returns:
        The text of `recipe.toml`: verb and settings, the task among them.
    """
    values = {"verb": recipe.verb, **recipe.model_dump(mode="json", exclude={"resume"})}
    tables = {n: v for n, v in values.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
    plain = {name: value for name, value in values.items() if name not in tables}
    parts = [f"\n[[{name}]]\n{_lines(table)}" for name, rows in tables.items() for table in rows]
    return _lines(plain) + "".join(parts)


def _lines(values: Mapping[str, Any]) -> str:
    """Return a line of TOML for each value that is given."""
    given = [(name, value) for name, value in values.items() if value is not None]
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in given)


def read_recipe(folder: Path) -> tuple[str, dict[str, Any]]:
    """Read a run's recipe, not yet validated.

    Args:
        folder: the run's folder.

    Returns:
        Verb, and settings; the task among them is text.

    Raises:
        DataError: there is no recipe, it is no TOML, or it names no verb: a file of another program may have
            the same name.
    """
    try:
        values = read_toml(folder / RECIPE)
        if "verb" not in values:
            raise ValueError("no verb: it was not written by a training, or is cut off")
        found = check.text("verb", values.pop("verb"))
        check.text("task", values.get("task", ""))
        return found, values
    except FileNotFoundError:
        if not _only_parts(folder):
            raise _no_run(folder) from None
        raise DataError(
            f"a run in {folder}",
            received=f"no {RECIPE}: it was stopped before anything was written",
            hint=f"Nothing is lost: start it again, with the same command and --out {folder}",
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"the recipe of a run in {folder / RECIPE}", received=str(error), hint=_from_weights(folder)
        ) from None


def _no_run(folder: Path) -> DataError:
    """Return the error for a folder without a recipe; its next step lists a folder that there is."""
    near = next((f for f in (folder, *folder.parents[:-1], RUNS_FOLDER) if f.is_dir()), None)
    listed = "Name that of a training."
    if near is None:
        listed = "None is here yet; convscope train begins one."
    elif near == RUNS_FOLDER:
        listed += " They are listed by: convscope runs"
    else:
        listed += f" Those below it: convscope runs {shlex.quote(str(near))}"
    return DataError(
        f"a run in {folder}",
        received=f"a folder without {RECIPE}" if folder.is_dir() else "no such folder",
        hint=listed,
    )


def _from_weights(folder: Path) -> str:
    """Return the next step for a run whose recipe cannot be read."""
    run = shlex.quote(str(folder))
    return f"Put {RECIPE} back as it was, or begin another run from the weights: convscope train {run} DATA"


def validated(schema: type[TrainRecipe], values: dict[str, Any], folder: Path) -> TrainRecipe:
    """Validate a run's settings as a recipe.

    Args:
        schema: recipe class of the verb.
        values: settings, from `read_recipe`.
        folder: the run's folder, for messages.

    Returns:
        The recipe.

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
            f"the recipe of a run in {folder / RECIPE}",
            received=check.shown(received, 300),
            hint=_from_weights(folder),
        ) from None


def read_epochs(folder: Path, most: int) -> tuple[Epoch, ...] | None:
    """Read the finished epochs from `metrics.jsonl`.

    Args:
        folder: the run's folder.
        most: epochs of the run's recipe.

    Returns:
        The epochs in order; None where the file is not there.

    Raises:
        DataError: the file is damaged, or has more than `most` lines.
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
        raise DataError(
            f"one epoch a line in {path}",
            received=str(error),
            hint=f"Move {METRICS} away: --resume writes it again, where the state of the run is whole.",
        ) from None


def check_files(folder: Path) -> None:
    """Check the files that a resumed run will replace.

    Environment, description and weights, where they exist, must be regular files, the environment a JSON
    table, and the state a folder.

    Args:
        folder: the run's folder.

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
            raise DataError(
                f"the file of a run at {path}",
                received=str(error),
                hint=f"Move {name} away: --resume writes it again, where the state of the run is whole.",
            ) from None
    state_folder = folder / STATE
    if state_folder.is_symlink() or (state_folder.exists() and not state_folder.is_dir()):
        raise DataError(
            f"the folder of a run's state at {state_folder}",
            received="a link or a file",
            hint="Put the folder itself there: a run is continued only from files of its own.",
        )


def read_state(folder: Path) -> "state.State | None":
    """Read the stored state of a run.

    Args:
        folder: the run's folder.

    Returns:
        The state; None where the run was stopped before it had stored one.

    Raises:
        DataError: the state is damaged, or missing although files are there that are written after it.
    """
    if not os.path.lexists(folder / STATE / state.FILE):
        later = [name for name in (ENVIRONMENT, METRICS, DESCRIPTION) if os.path.lexists(folder / name)]
        if not later:
            return None
    return state.State.read(folder / STATE)


def read_frozen(folder: Path) -> tuple[FreezeRecord, ...]:
    """Read what was frozen in a run, as its last state says.

    Args:
        folder: the run's folder.

    Returns:
        The records in order; none where no state is stored.

    Raises:
        DataError: the state is damaged.
    """

    def read(values: dict[str, Any]) -> tuple[FreezeRecord, ...]:
        found = check.fields("freezing", values["freezing"], ("planned", "records"))
        return read_records(found["records"], position(values))

    return _of_state(folder, read)


def read_lr_changes(folder: Path) -> tuple[LRChange, ...]:
    """Read how the learning rate was changed while a run went on, as its last state says.

    Args:
        folder: the run's folder.

    Returns:
        The changes in order; none where no state is stored.

    Raises:
        DataError: the state is damaged.
    """
    return _of_state(
        folder,
        lambda values: read_changes(
            values["lr_changes"], position(values), check.integer("steps", values["steps"], 1)
        ),
    )


def _of_state(folder: Path, read: Callable[[dict[str, Any]], tuple[Item, ...]]) -> tuple[Item, ...]:
    """Read something of a run's last state; nothing where none is stored."""
    if not os.path.lexists(folder / STATE / state.FILE):
        return ()
    values = state.State.read_values(folder / STATE)
    try:
        return read(values)
    except ValueError as error:
        raise DataError(f"the state of a run in {folder}", received=str(error), hint=state.DAMAGED) from None


def check_free(folder: Path) -> None:
    """Check that a folder has none of a run's files, so that a new run replaces nothing.

    Args:
        folder: folder for the new run.

    Raises:
        UsageError: a file of such a name is there.
    """
    names = (RECIPE, METRICS, ENVIRONMENT, STATE, DESCRIPTION, WEIGHTS, data_record.FILE, IDS)
    present = [name for name in names if os.path.lexists(folder / name)]
    if present:
        raise UsageError(
            "a folder without a run",
            received=f"{folder}, with {', '.join(present)}",
            hint=f"Continue it with --resume {folder}, or choose another.",
        )


def check_same_epochs(folder: Path, metrics: tuple[Epoch, ...], history: list[Mapping[str, Any]]) -> None:
    """Check that metrics and state are of the same training.

    Only the epochs that both have are compared: a killed process may have left one of them behind.

    Args:
        folder: the run's folder, for messages.
        metrics: epochs of `metrics.jsonl`.
        history: epochs of the state, as `Epoch.to_json` returns them.

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
    """Lock a run's folder while the context lasts, so that no second process writes into it.

    The lock is the operating system's (`flock`), so it ends with the process. Without `fcntl`, or on a file
    system without locks, nothing is locked.

    Args:
        folder: the run's folder, which must exist.

    Yields:
        Nothing.

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
        except OSError as error:  # without locks nothing tells two trainings apart: one may still go on
            if error.errno not in LOCKLESS:
                raise
        yield
    finally:
        os.close(handle)


def _only_parts(folder: Path) -> bool:
    """Return whether a folder holds nothing but partly written files; False where it cannot be read."""
    try:
        return all(entry.name.startswith(PART_PREFIX) for entry in folder.iterdir())
    except OSError:
        return False
