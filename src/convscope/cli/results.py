"""Where results land.

The rule: `--out` names something that does not exist yet (or an empty folder); what exists is never
overwritten. Without `--out` a result goes to `runs/<date>-<name>` of the current folder, with `-2`, `-3`, ...
when that is taken. A result appears whole or not at all: it is made beside its place under a hidden name and
moved there at the end.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from convscope.errors import Interrupted, UsageError
from convscope.files import PART_PREFIX, remove_parts

WRITABLE = "--out in a folder that can be written to"
ANOTHER = "Choose another --out, or move away what is there."


def free(out: Path) -> Path:
    """`out`, when something can be made there; nothing is made yet.

    Raises:
        UsageError: something is there already, or its folder cannot be written to.
    """
    try:
        taken = out.is_symlink() or out.exists()
        if taken and not (out.is_dir() and _empty(out)):
            raise UsageError("--out names something that does not exist yet", received=str(out), hint=ANOTHER)
        above = _above(out)
        writable = "\0" not in str(out) and above.is_dir() and os.access(above, os.W_OK)
    except OSError as error:
        raise UsageError(WRITABLE, received=str(error), hint=ANOTHER) from None
    if not writable:
        raise UsageError(WRITABLE, received=str(out), hint=ANOTHER)
    return out


def _empty(folder: Path) -> bool:
    """Whether a folder holds nothing but what a killed process of this program left unfinished; it goes."""
    if all(entry.name.startswith(PART_PREFIX) for entry in folder.iterdir()):
        remove_parts(folder)
    return not any(folder.iterdir())


def _above(out: Path) -> Path:
    """The nearest folder above that exists; results are made in it, and moved down at the end."""
    return next(folder for folder in out.absolute().parents if folder.exists())


def named(name: str) -> Path:
    """A place under `runs/` that is still free."""
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name).strip("-.")
    first = Path("runs") / f"{date.today().isoformat()}-{plain[:60] or 'result'}"
    number, found = 1, first
    while found.exists():
        number += 1
        found = first.with_name(f"{first.name}-{number}")
    return free(found)


@dataclass
class Pending:
    """A folder being filled."""

    path: Path
    """Where to write now."""
    place: Path
    """Where it stands in the end."""


@contextlib.contextmanager
def folder(out: Path | None, name: str) -> Iterator[Pending]:
    """A folder to fill; it stands at its place when the block ends, and nowhere when the block fails.

    When the user interrupts (`Interrupted`), what was saved is kept.
    """
    place = free(out) if out else named(name)
    try:
        temporary = Path(tempfile.mkdtemp(dir=_above(place), prefix=f".{place.name[:60]}."))
        temporary.chmod(0o755)
    except OSError as error:
        raise UsageError(WRITABLE, received=str(error), hint=ANOTHER) from None
    pending = Pending(temporary, place)
    try:
        yield pending
    except Interrupted:
        if any(temporary.iterdir()):
            _move(pending, out, name)
        else:
            temporary.rmdir()
        raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _move(pending, out, name)


def _move(pending: Pending, out: Path | None, name: str) -> None:
    while True:
        try:
            pending.place.parent.mkdir(parents=True, exist_ok=True)
            pending.path.rename(pending.place)
            return
        except OSError:
            if out is not None or not pending.place.exists():
                raise
            pending.place = named(name)  # someone else took the name meanwhile


def write_document(out: Path, document: dict[str, Any]) -> None:
    """Write an answer as JSON, whole or not at all."""
    free(out)
    if out.is_dir() or not out.name:
        raise UsageError(
            "--out names a file for this verb", received=f"the folder {out}", hint="Add a file name."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name[:60]}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(as_json(document) + "\n")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except OSError as error:
        raise UsageError(WRITABLE, received=str(error), hint=ANOTHER) from None


def as_json(document: Any) -> str:
    """JSON that any reader accepts: NaN and infinities become null, bytes that are no text are escaped."""
    return json.dumps(_plain(document), ensure_ascii=False, indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, str | Path):
        return str(value).encode("utf-8", "backslashreplace").decode()  # names that are no text
    return value
