"""Remove what is not needed any more of the runs below a folder: only what is recognised as a run's own.

A run without a finished epoch is removed whole, of a finished one the state that a resumption would need.
Links are never followed nor removed, damaged runs and those that are being trained are left alone, and so is
everything that this program did not write.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, UsageError
from convscope.learn.optimization.schedules import extends
from convscope.learn.runs.listing import RunList, RunSummary, list_runs, open_run
from convscope.learn.runs.recipe import RUNS_FOLDER
from convscope.learn.runs.tracking import IDS, read_ids
from convscope.learn.trainer import state
from convscope.learn.trainer.run_folder import data_record, run_files
from convscope.recipe.result import Result
from convscope.system.files import PART_PREFIX, read_json

REPORT = "report.html"
GENERATOR = b'<meta name="generator" content="convscope '
"""What a page of this program has in its first bytes."""
HEAD = 1024
EMPTY, STATE = "a run without an epoch", "the state of a finished run"
"""Kinds of what is pruned."""


@dataclass(frozen=True)
class PruneItem(Result):
    """Something that can be pruned.

    Attributes:
        name: the run, relative to the folder that was searched.
        kind: `EMPTY` or `STATE`.
        files: the files, all of them this program's.
        size: their bytes.
        note: what is lost with them, in words; empty where nothing is.
        removed: whether they are removed.
        kept: why something of it is left, in words; empty where nothing is.
    """

    name: str
    kind: str
    files: tuple[Path, ...]
    size: int
    note: str = ""
    removed: bool = False
    kept: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the item, JSON-ready."""
        return {
            "name": self.name,
            "kind": self.kind,
            "files": [str(path) for path in self.files],
            "bytes": self.size,
            "note": self.note,
            "removed": self.removed,
            "kept": self.kept,
        }


@dataclass(frozen=True)
class Pruning(Result):
    """What of the runs below a folder is, or would be, removed.

    Attributes:
        found: the runs that were looked at.
        items: what can be pruned.
    """

    found: RunList
    items: tuple[PruneItem, ...]

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return sum(item.size for item in self.items)

    def to_json(self) -> dict[str, Any]:
        """Return the items, JSON-ready, and the runs that are damaged and left alone."""
        return {
            "folder": str(self.found.folder),
            "runs": len(self.found.runs),
            "items": [item.to_json() for item in self.items],
            "bytes": self.size,
            "damaged": self.found.to_json()["damaged"],
        }


def prune_runs(folder: str | Path = RUNS_FOLDER, *, yes: bool = False) -> Pruning:
    """Find what is not needed any more of the runs below a folder, and remove it if that is confirmed.

    Args:
        folder: the folder, or one run.
        yes: whether to remove it; nothing is changed without.

    Returns:
        What is, or would be, removed.

    Raises:
        DataError: there is no such folder.
    """
    found = list_runs(folder)
    items = [(item, run) for run in found.runs if (item := _item(run)) is not None]
    return Pruning(found, tuple(_remove(item, run) if yes else item for item, run in items))


def _item(run: RunSummary) -> PruneItem | None:
    """Return what of a run can be pruned; None where nothing can."""
    folder = run.run.folder
    if not _is_file(folder / run_files.RECIPE):  # a link: what is behind it may be anybody's
        return None
    if not run.run.epochs:
        files = tuple(_own_files(folder))
        note = "its first epoch had begun" if (folder / run_files.STATE / state.FILE).exists() else ""
        return PruneItem(run.name, EMPTY, files, _size(files), note)
    files = tuple(_state_files(folder)) if run.run.finished else ()
    notes = ["no epochs can be added any more"] if extends(run.run.recipe) and not run.run.stopped else []
    notes += ["what was frozen is not known any more"] if files and _had_frozen(run) else []
    note = "; ".join(notes)
    return PruneItem(run.name, STATE, files, _size(files), note) if files else None


def _had_frozen(run: RunSummary) -> bool:
    """Return whether the state says that parts of the network were frozen."""
    try:
        return bool(run.run.frozen)
    except ConvscopeError:
        return False


def _own_files(folder: Path) -> Iterator[Path]:
    """Yield a run's files that are this program's, by name and, where others may have it, by content."""
    yield from _state_files(folder)
    described = _has_format(folder / run_files.DESCRIPTION, "convscope.model/")
    names = [run_files.METRICS]  # empty, in a run without an epoch
    names += [run_files.ENVIRONMENT] if _is_environment(folder / run_files.ENVIRONMENT) else []
    names += [run_files.DESCRIPTION, run_files.WEIGHTS] if described else []
    names += [data_record.FILE] if _has_format(folder / data_record.FILE, data_record.FORMAT) else []
    names += [IDS] if read_ids(folder) else []
    names += [REPORT] if _is_page(folder / REPORT) else []
    yield from (folder / name for name in names if _is_file(folder / name))
    yield from _parts(folder)
    yield folder / run_files.RECIPE  # last: without it the rest is no run any more


def _state_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a run's state."""
    kept = folder / run_files.STATE
    if kept.is_symlink() or not kept.is_dir():
        return
    for path in sorted(kept.iterdir()):
        named = path.name in (state.FILE, state.BEFORE) or state.NAME.fullmatch(path.name)
        if named and _is_file(path):
            yield path
    yield from _parts(kept)


def _parts(folder: Path) -> Iterator[Path]:
    """Yield the temporary files that killed processes left in a folder."""
    for path in sorted(folder.glob(f"{PART_PREFIX}*")):
        mark = path.name.removeprefix(PART_PREFIX)
        if len(mark) == 32 and not mark.strip("0123456789abcdef") and _is_file(path):
            yield path


def _is_file(path: Path) -> bool:
    """Return whether a path is a regular file, and no link to one."""
    return path.is_file() and not path.is_symlink()


def _has_format(path: Path, format: str) -> bool:
    """Return whether a JSON file says that it is of a format of this program."""
    try:
        return str(read_json(path, data_record.LARGEST)["format"]).startswith(format)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_environment(path: Path) -> bool:
    """Return whether a JSON file holds the versions that a training notes."""
    try:
        return {"convscope", run_files.TEST_SAMPLES} <= set(read_json(path))
    except (OSError, ValueError, TypeError):
        return False


def _is_page(path: Path) -> bool:
    """Return whether a file is a page that this program wrote."""
    if not _is_file(path):
        return False
    try:
        with path.open("rb") as file:
            return GENERATOR in file.read(HEAD)
    except OSError:
        return False


def _size(files: tuple[Path, ...]) -> int:
    return sum(path.stat().st_size for path in files)


def _remove(item: PruneItem, run: RunSummary) -> PruneItem:
    """Remove an item's files and the folders then empty; a run that is being trained is left alone."""
    folder = run.run.folder
    try:
        with run_files.alone(folder):
            now = open_run(folder)  # it may have been trained since it was listed
            fresh = _item(replace(now, name=run.name)) if now else None
            if fresh is None or fresh.kind != item.kind:
                return replace(item, kept="it has changed meanwhile")
            for path in fresh.files:
                path.unlink()
            _remove_empty(folder / run_files.STATE)
            if item.kind == EMPTY:
                _remove_empty(folder)
    except UsageError:
        return replace(item, kept="it is being trained")
    except (OSError, ConvscopeError) as error:
        return replace(item, kept=str(error))
    rest = item.kind == EMPTY and os.path.lexists(folder)
    return replace(fresh, removed=True, kept="other files are in its folder" if rest else "")


def _remove_empty(folder: Path) -> None:
    """Remove a folder that is empty and no link."""
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
