"""The terminal's side of jobs that talk while they run: lines from stdin, answers on stdout."""

import contextlib
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from convscope.cli.core import terminal
from convscope.system.printable import printable_lines

CHUNK = 1 << 16
"""Bytes that are read at once."""
LONGEST = 1 << 20
"""Bytes of the longest line; what is longer is cut there."""
POLL = 0.5
"""Seconds between two looks at the queue, so that Ctrl-C is noticed everywhere."""


class TerminalDialogue:
    """A conversation over stdin and stdout.

    Lines are read in a thread, so that a job can notice them while it computes. Bytes that are not UTF-8 are
    escaped.

    Args:
        out: where answers go. stdout, or stderr where stdout holds one JSON document.
        table: makes something of a document that rich can print.
    """

    def __init__(self, out: TextIO, table: Callable[[dict[str, Any]], Any]) -> None:
        self._out, self._table = out, table
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._seen: deque[str | None] = deque()
        self._reader: threading.Thread | None = None

    def receive(self, prompt: str = "") -> str | None:
        """Wait for the next line.

        Args:
            prompt: printed before, where stdin and the output are terminals.

        Returns:
            The line without its end; None at the end of the input.
        """
        self._read()
        asked = prompt and _is_terminal(sys.stdin) and self._out.isatty()
        if asked:
            self._write(f"{prompt} ")
        while not self.waits(POLL):
            pass
        if self._seen[0] is not None:
            return self._seen.popleft()
        if asked:
            self._write("\n")  # where nobody has typed it
        return None

    def waits(self, seconds: float) -> bool:
        """Return whether a line or the end has come.

        Args:
            seconds: how long to wait for it.

        Returns:
            Whether it has.
        """
        self._read()
        if self._seen:
            return True
        with contextlib.suppress(queue.Empty):
            self._seen.append(self._lines.get(timeout=seconds) if seconds else self._lines.get_nowait())
        return bool(self._seen)

    def send(self, text: str) -> None:
        """Write text at once; control characters are escaped.

        Args:
            text: the text.

        Raises:
            OSError: nobody reads it any more.
        """
        self._write(printable_lines(text))

    def show(self, document: dict[str, Any]) -> None:
        """Print a document in the form of its verb.

        Args:
            document: JSON-ready.

        Raises:
            OSError: nobody reads it any more.
        """
        console = terminal.console(
            file=self._out, soft_wrap=False, highlight=False, markup=False, emoji=False
        )
        console.print(terminal.cleaned(self._table(document)))
        self._out.flush()

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _read(self) -> None:
        """Begin to read, once."""
        if self._reader is None:
            self._reader = threading.Thread(target=self._fill, daemon=True)
            self._reader.start()

    def _fill(self) -> None:
        """Put the lines of stdin into the queue, and None at its end."""
        with contextlib.suppress(OSError):  # stdin cannot be read: as if it had ended
            for line in _lines():
                self._lines.put(line)
        self._lines.put(None)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (OSError, ValueError):
        return False


def _lines() -> Iterator[str]:
    """Read stdin line by line, past Python's buffer, which a thread may not hold when the program ends."""
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):  # replaced by something that is no file
        yield from (line.rstrip("\r\n") for line in sys.stdin or ())
        return
    left = b""
    while chunk := _chunk(descriptor):
        *whole, left = (left + chunk).split(b"\n")
        yield from (_text(line) for line in whole)
        left = left[:LONGEST]
    if left:
        yield _text(left)


def _chunk(descriptor: int) -> bytes:
    """Read some bytes; none at the end, and where a terminal has gone."""
    try:
        return os.read(descriptor, CHUNK)
    except OSError:
        return b""


def _text(line: bytes) -> str:
    return line[:LONGEST].decode("utf-8", "backslashreplace").rstrip("\r")
