"""Things that stand where a file is expected, and documents that are none: what every reader is given."""

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HUGE = 3 << 30


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def to_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def folder(path: Path) -> None:
    path.mkdir()


def listening(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def holding(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


PLACES: dict[str, Callable[[Path], None]] = {
    "fifo": fifo,
    "endless": endless,
    "link to a fifo": to_fifo,
    "folder": folder,
    "socket": listening,
    "sparse": sparse,
    "dangling": dangling,
    "loop": loop,
}
"""What is no regular file of a reasonable size."""

CONTENTS: dict[str, Callable[[Path], None]] = {
    "empty": holding(b""),
    "not utf-8": holding(b"\xff\xfe\x00\xd8" * 10),
    "brackets": holding(b"[" * 100_000),
    "braces": holding(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "dotted keys": holding(b"a" + b".a" * 50_000 + b" = 1"),
    "inline tables": holding(b"a = " + b"{a = " * 50_000),
    "digits in json": holding(b'{"verb": "nets", "recipe": {"seed": ' + b"9" * 5000 + b"}}"),
    "digits in toml": holding(b'verb = "nets"\nseed = ' + b"9" * 5000),
    "hexadecimal": holding(b'verb = "nets"\nseed = 0x' + b"f" * 5000),
    "a number": holding(b"3"),
    "a list": holding(b"[1, 2]"),
    "null": holding(b"null"),
    "infinity": holding(b'{"verb": "nets", "recipe": {"seed": 1e999}}'),
    "half a surrogate": holding(b'{"verb": "nets", "recipe": {"word": "\\ud800"}}'),
    "zeros": holding(bytes(100_000)),
    "noise": holding(bytes(range(256)) * 64),
}
"""What is a regular file, and no document."""


@dataclass(frozen=True)
class Outcome:
    """How a command line ended: exit code (None where it ran out of time), words, seconds, memory."""

    code: int | None
    said: str
    seconds: float
    """Of processor time, so that a busy machine changes nothing."""
    megabytes: int


SCRIPT = """
import resource, sys
from convscope.cli.core import app
code = app.run(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print("used", used.ru_utime + used.ru_stime, used.ru_maxrss >> 10, file=sys.stderr)
sys.exit(code)
"""


def command(words: list[str], where: Path, *, seconds: int) -> Outcome:
    """Run a command line in a process of its own, with a limit of processor time and ten times it to wait."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(where / "cache")}
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *words],
            cwd=where,
            env=environment,
            capture_output=True,
            text=True,
            timeout=10 * seconds,
            check=False,
            errors="replace",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds)),
        )
    except subprocess.TimeoutExpired:
        return Outcome(None, "", 10.0 * seconds, 0)
    said, _, used = done.stderr.rpartition("used ")
    taken, peak = used.split()[:2] if said or used.count(" ") else ("0", "0")
    return Outcome(done.returncode, said, float(taken), int(peak))
