"""Write results to their paths, atomically, and never over existing files.

`--out` names something that does not exist yet, or an empty folder; what exists is never overwritten. A link
to an empty folder counts as that folder: the result lies there. Without `--out` a result goes to
`runs/<date>-<name>` of the current folder, with `-2`, `-3`, ... when that is taken. A result appears whole or
not at all: it is made under a hidden name beside its path, or inside the empty folder, and moved at the end.
"""

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from convscope.errors import Interrupted, UsageError
from convscope.system.files import PART_PREFIX, create_file
from convscope.system.printable import printable_json

WRITABLE = "--out in a folder that can be written to"
FILES = (".gif", ".html", ".jpeg", ".jpg", ".pdf", ".png", ".svg", ".webp")
"""Endings of files that people expect where they name one; a folder of such a name would be a surprise."""
ANOTHER = "Choose another --out, or move away what is there."


def free(out: Path) -> Path:
    """Check that a result can be written at a path; nothing is created yet.

    Args:
        out: the path.

    Returns:
        `out`.

    Raises:
        UsageError: something is there already, or its folder cannot be written to.
    """
    try:
        if os.path.lexists(out) and not (out.is_dir() and _is_empty(out)):
            raise UsageError("an --out that does not exist yet", received=str(out), hint=ANOTHER)
        above = _within(out)
        writable = "\0" not in str(out) and above.is_dir() and os.access(above, os.W_OK | os.X_OK)
    except (OSError, ValueError) as error:
        raise UsageError(WRITABLE, received=str(error), hint=ANOTHER) from None
    if not writable:
        raise UsageError(WRITABLE, received=str(out), hint=ANOTHER)
    return out


def _is_empty(folder: Path) -> bool:
    """Return whether a folder holds nothing but unfinished results of this program."""
    return all(entry.name.startswith(PART_PREFIX) for entry in folder.iterdir())


def _within(out: Path) -> Path:
    """Return the folder in which a result is made before it is moved: the nearest one that exists."""
    return out if out.is_dir() else next(folder for folder in out.absolute().parents if folder.exists())


def named(name: str) -> Path:
    """Return a path under `runs/` of the current folder that is still free.

    Args:
        name: what the result is; all characters but letters, digits, `-` and `.` become dashes. At most 60
            are kept.

    Returns:
        `runs/<date>-<name>`, with `-2`, `-3`, ... if that is taken.

    Raises:
        UsageError: the folder cannot be written to.
    """
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name).strip("-.")
    first = Path("runs") / f"{date.today().isoformat()}-{plain[:60] or 'result'}"
    number, found = 1, first
    while os.path.lexists(found):
        number += 1
        found = first.with_name(f"{first.name}-{number}")
    return free(found)


@dataclass
class Pending:
    """A result folder that is being filled."""

    path: Path
    """The temporary folder to write to."""
    out: Path
    """The path that it is moved to in the end."""


@contextlib.contextmanager
def folder(out: Path | None, name: str) -> Iterator[Pending]:
    """Make a result folder: it is moved to its path when the block ends, and removed if the block fails.

    If the user interrupts (`Interrupted`), what was saved is kept.

    Args:
        out: the path; None for one under `runs/`.
        name: what the result is, for the name under `runs/`.

    Yields:
        The folder to fill.

    Raises:
        UsageError: the path is taken, is named like a file, or cannot be written to. If it was taken by
            others after the block had begun, the finished result is kept, and the message names its path.
    """
    path = free(_folder_name(out)) if out else named(name)
    temporary = _within(path) / f"{PART_PREFIX}{os.urandom(16).hex()}"
    try:
        temporary.mkdir()
    except OSError as error:
        raise UsageError(WRITABLE, received=str(error), hint=ANOTHER) from None
    pending = Pending(temporary, path)
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


def _folder_name(out: Path) -> Path:
    """Refuse the name of a file for a folder, unless there is a folder of that name."""
    if out.suffix.lower() in FILES and not out.is_dir():
        folder = shlex.quote(str(out.with_suffix("")))
        raise UsageError(
            "an --out that is a folder, for this verb",
            received=str(out),
            hint=f"Write --out {folder}: the pictures lie in it.",
        )
    return out


def _move(pending: Pending, out: Path | None, name: str) -> None:
    """Move a finished folder to its path; one under `runs/` gets another name if its own is taken.

    Args:
        pending: the folder; its `out` is updated.
        out: the path that the user chose; None for one under `runs/`.
        name: what the result is, for another name under `runs/`.

    Raises:
        UsageError: the path is taken by now, or cannot be written to.
    """
    while True:
        try:
            if pending.out.is_dir():
                _move_into(pending.path, pending.out)
            else:
                pending.out.parent.mkdir(parents=True, exist_ok=True)
                pending.path.rename(pending.out)
            return
        except OSError as error:
            if out is None and os.path.lexists(pending.out):
                pending.out = named(name)  # someone else took the name meanwhile
                continue
            raise UsageError(
                f"{pending.out} to be free still when the result was ready",
                received=str(error),
                hint=f"The whole result is in {pending.path}: move it to where you want it.",
            ) from None


def _move_into(made: Path, folder: Path) -> None:
    """Move the entries of a folder into an empty one of the user, which keeps its permissions and owner."""
    if not _is_empty(folder):
        raise FileExistsError(f"{folder} is no longer empty")
    for entry in sorted(made.iterdir()):
        entry.rename(folder / entry.name)
    made.rmdir()


def write_document(out: Path, document: dict[str, Any]) -> None:
    """Write a result as a new JSON file, atomically.

    Args:
        out: the file, which must not exist; missing folders are made.
        document: the result; what JSON cannot hold is converted as `as_json` does.

    Raises:
        UsageError: something is there, or its folder cannot be written to.
    """
    free(out)
    if out.is_dir() or not out.name:
        raise UsageError(
            "an --out that is a file, for this verb", received=f"the folder {out}", hint="Add a file name."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with create_file(out) as part:
            part.write_text(as_json(document) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(WRITABLE, received=str(error), hint=ANOTHER) from None


def write_file(out: Path, text: str) -> None:
    """Write a result that is one text file, atomically.

    Args:
        out: the file, which must not exist; missing folders are made.
        text: its content.

    Raises:
        UsageError: something is there, or its folder cannot be written to.
    """
    free(out)
    if out.is_dir() or not out.name:
        raise UsageError("an --out that is a file", received=f"the folder {out}", hint="Add a file name.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with create_file(out) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(WRITABLE, received=str(error), hint=ANOTHER) from None


def as_json(document: Any) -> str:
    """Format a document as JSON that any parser accepts and any terminal can print.

    NaN and infinities become null; bytes that are not text and control characters are escaped.

    Args:
        document: dictionaries, lists, texts, numbers and paths.

    Returns:
        Indented JSON.
    """
    return printable_json(json.dumps(_plain(document), ensure_ascii=False, indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Convert a value to what JSON can hold: no NaN or infinity, no paths, no unpaired surrogates."""
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, str | Path):
        return str(value).encode("utf-8", "backslashreplace").decode()  # names that are no text
    return value
