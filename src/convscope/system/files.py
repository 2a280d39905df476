"""Read files that a user names, and write files atomically.

Whatever comes from outside is opened without blocking (a named pipe has no end), must be a regular file, is
read up to a limit, and is parsed up to a depth. Whatever is written gets the permissions of the user's umask.
"""

import errno
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

MAX_TEXT_BYTES = 16 << 20
"""Largest text, JSON or TOML file that is read, unless the caller says otherwise."""
MAX_DEPTH = 64
"""Deepest nesting of tables and lists that is accepted."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading, without blocking on pipes and devices.

    Args:
        path: the file; links are followed.

    Returns:
        The open file, in binary mode.

    Raises:
        OSError: it is missing, unreadable, or a folder, pipe, socket or device; the message says which.
        ValueError: the name itself is impossible (it holds a NUL).
    """
    _require(os.stat(path).st_mode, path)  # noqa: PTH116  # opening a device can already do something
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        _require(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise


def _require(mode: int, path: str | os.PathLike[str]) -> None:
    """Raise OSError for the mode of a file that is not regular."""
    if not stat.S_ISREG(mode):
        raise OSError(f"{path} is {kind_of(mode)}, not a regular file")


def kind_of(mode: int) -> str:
    """Return the kind of a file that is not regular, in words.

    Args:
        mode: `st_mode` of its status.

    Returns:
        `a folder`, `a named pipe`, `a device`, `a socket`, or `no file` for anything else.
    """
    return next((name for test, name in _KINDS if test(mode)), "no file")


def require_regular(path: str | Path) -> int:
    """Check that a library which opens files itself may open this one.

    Args:
        path: the file; links are followed.

    Returns:
        Its size in bytes.

    Raises:
        OSError, ValueError: as `open_regular` does.
    """
    with open_regular(path) as file:
        return os.fstat(file.fileno()).st_size


def read_bytes(path: str | os.PathLike[str], limit: int = MAX_TEXT_BYTES) -> bytes:
    """Read a regular file.

    Args:
        path: the file; links are followed.
        limit: largest size in bytes.

    Returns:
        The content.

    Raises:
        OSError: as `open_regular` does, or the file is larger.
        ValueError: the name itself is impossible.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(limit + 1) if size <= limit else b""
    if size > limit or len(content) > limit:
        raise OSError(f"{path} has {max(size, len(content)):,} bytes; the limit is {limit:,}")
    return content


def read_text(path: str | Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Read a regular UTF-8 file.

    Args:
        path: the file; links are followed.
        limit: largest size in bytes.

    Returns:
        The text; line breaks are left as they are.

    Raises:
        OSError, ValueError: as `read_bytes` does, or the content is not UTF-8.
    """
    return read_bytes(path, limit).decode("utf-8")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON from outside, with limits.

    Numbers must be finite and integers fit into 64 bits, texts must be valid Unicode, and nesting is at most
    `MAX_DEPTH` deep.

    Args:
        text: the document.

    Returns:
        Dicts, lists, texts, numbers, truth values and None.

    Raises:
        ValueError: it is no JSON, nests deeper, or holds NaN, Infinity, a larger number or half a surrogate.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    _check(value)
    _check_numbers(value)
    return value


def read_json(path: str | Path, limit: int = MAX_TEXT_BYTES) -> Any:
    """Read and parse a JSON file, with the limits of `parse_json`.

    Args:
        path: the file; links are followed.
        limit: largest size in bytes.

    Returns:
        The parsed value.

    Raises:
        OSError, ValueError: as `read_text` and `parse_json` do.
    """
    return parse_json(read_text(path, limit))


def read_toml(path: str | Path, limit: int = 1 << 20) -> dict[str, Any]:
    """Read and parse a TOML file, nested at most `MAX_DEPTH` deep.

    Args:
        path: the file; links are followed.
        limit: largest size in bytes.

    Returns:
        The values by key; tables are dicts.

    Raises:
        OSError, ValueError: as `read_text` does, or it is no TOML, nests deeper, or holds an integer beyond
            64 bits.
    """
    text = read_text(path, limit)
    if _LONG_KEY.search(text):  # parsing such a key takes gigabytes
        raise ValueError(f"a key of more than {MAX_DEPTH} parts")
    try:
        value = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    _check(value)
    return value


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Write or replace a file atomically, through a hidden temporary file that is renamed on success.

    Other programs see the old file or the whole new one. Where the block raises, the hidden file is removed
    and `path` stays as it was. A link at `path` is replaced, never written through; permissions follow the
    umask.

    Args:
        path: the file to write or replace.

    Yields:
        The path of the hidden file, in the same folder, for the block to write to; it is synced to disk
        before it is renamed.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    part = path.with_name(f"{PART_PREFIX}{os.urandom(16).hex()}")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = stat.S_IMODE(part.stat().st_mode)
    try:
        yield part
        part.chmod(mode)  # safetensors writes files that only their owner can read
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


PART_PREFIX = ".convscope-part-"
"""Prefix of temporary files; killed processes leave them, and whoever owns the folder may remove them."""


@contextmanager
def create_file(path: Path) -> Iterator[Path]:
    """Write a new file atomically, as `replace_file` does, but never replace an existing one.

    Args:
        path: the file to make.

    Yields:
        The path of a hidden file in the same folder, for the block to write to.

    Raises:
        FileExistsError: something has that name by now, be it a link to nothing; it stays as it is.
        OSError: as `replace_file` does.
    """
    whole = path.with_name(f"{PART_PREFIX}{os.urandom(16).hex()}")
    try:
        with replace_file(whole) as part:
            yield part
        _link_new(whole, path)
    finally:
        whole.unlink(missing_ok=True)


def _link_new(whole: Path, path: Path) -> None:
    """Move a finished file to `path` unless that exists, by a hard link, which cannot replace anything."""
    try:
        os.link(whole, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(f"{path} exists already") from None
        whole.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write or replace a UTF-8 file atomically.

    Args:
        path: the file.
        text: its content.

    Raises:
        OSError: as `replace_file` does.
    """
    with replace_file(path) as part:
        part.write_text(text, encoding="utf-8")


def remove_parts(folder: Path) -> None:
    """Remove the temporary files of `replace_file` that killed processes left directly inside a folder.

    Args:
        folder: a folder that belongs to this program; files that cannot be removed stay.
    """
    for part in folder.glob(f"{PART_PREFIX}*"):
        mark = part.name.removeprefix(PART_PREFIX)
        if len(mark) == 32 and not mark.strip("0123456789abcdef") and not part.is_symlink():
            with suppress(OSError):
                part.unlink()


def is_full(error: OSError) -> bool:
    """Return whether an error means that there was no room to write: disk, quota or largest size of a file.

    Args:
        error: the error that writing raised.

    Returns:
        True for `ENOSPC`, `EDQUOT` and `EFBIG`.
    """
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _check(value: Any) -> None:
    """Refuse deep nesting, and integers beyond 64 bits, which are slow or impossible to print."""
    level = [value]
    for _depth in range(MAX_DEPTH + 1):
        if any(isinstance(inner, int) and inner.bit_length() > 64 for inner in level):
            raise ValueError("an integer of more than 64 bits")
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return
    if any(isinstance(inner, dict | list) for inner in level):
        raise ValueError(f"nested more than {MAX_DEPTH} deep")


def _check_numbers(value: Any) -> None:
    """Refuse `1e999`, which JSON's grammar allows and no float holds, and unpaired surrogates."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number beyond what 64 bits hold")
    if isinstance(value, str):
        value.encode("utf-8")  # a UnicodeEncodeError is a ValueError
    if isinstance(value, dict):
        for key in value:
            key.encode("utf-8")
    for inner in _children(value):
        _check_numbers(inner)


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


_KEY = r"""(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.){0,200}+"|'[^'\n]{0,200}+')"""
_LONG_KEY = re.compile(rf"{_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{{MAX_DEPTH},}}")
"""More than `MAX_DEPTH` parts of a key. Possessive, and quoted parts bounded, so that the search takes linear
time; keys of longer parts are too few in 1 MB to take much memory."""
