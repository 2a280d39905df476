"""Show progress on stderr: a live bar on a terminal, plain lines every few seconds elsewhere."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Protocol

from convscope.cli.core import terminal
from convscope.system.printable import printable
from convscope.system.progress import duration

EVERY = 3.0
"""Seconds between plain lines."""


class Bar(Protocol):
    """Interface to something that shows progress."""

    def update(self, fraction: float, message: str = "", left: float | None = None) -> None:
        """Show how far the work is.

        Args:
            fraction: share of the work that is done, 0 to 1.
            message: what is being done, in a few words.
            left: estimate of the remaining seconds; None if unknown.
        """
        ...


class Silent:
    """Progress that is not shown."""

    def update(self, fraction: float, message: str = "", left: float | None = None) -> None:
        """Do nothing.

        Args:
            fraction: ignored.
            message: ignored.
            left: ignored.
        """


class Lines:
    """Progress as plain lines, at most one every `EVERY` seconds, and a last one.

    Args:
        label: begins each line.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.printed, self.last = float("-inf"), ""

    def update(self, fraction: float, message: str = "", left: float | None = None) -> None:
        """Print a line if the previous one is at least `EVERY` seconds old, else keep it for `close`.

        Args:
            fraction: share of the work that is done, 0 to 1.
            message: what is being done, in a few words.
            left: estimate of the remaining seconds; None if unknown.
        """
        now = time.monotonic()
        line = f"{self.label} {fraction:4.0%}{_left(left)}  {message}".rstrip()
        if now - self.printed >= EVERY:
            self._print(line, now)
        else:
            self.last = line

    def close(self) -> None:
        """Print the latest line, unless it has been printed already."""
        if self.last:
            self._print(self.last, time.monotonic())

    def _print(self, line: str, now: float) -> None:
        terminal.tell(printable(line))
        self.printed, self.last = now, ""


def _left(seconds: float | None) -> str:
    """Return text such as `  2 min 10 s left`; empty if unknown or finished."""
    return f"  {duration(seconds)} left" if seconds else ""


def shown(label: str, *, quiet: bool = False) -> contextlib.AbstractContextManager[Bar]:
    """Show progress on stderr: a bar on a terminal, lines elsewhere.

    Args:
        label: what is done, in a few words.
        quiet: whether to show nothing.

    Returns:
        A context manager that gives the object to report to. Nothing is shown before the first report.
    """
    if quiet:
        return contextlib.nullcontext(Silent())
    return live(label) if _moves() else plain(label)


def _moves() -> bool:
    """Return whether a moving bar can be shown. FORCE_COLOR asks for colour, not for movement."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def plain(label: str) -> Iterator[Bar]:
    """Show progress as lines of text on stderr.

    Args:
        label: begins each line.

    Yields:
        The object to report to; the last line is printed when the block ends.
    """
    lines = Lines(label)
    try:
        yield lines
    finally:
        lines.close()


@contextlib.contextmanager
def live(label: str) -> Iterator[Bar]:
    """Show progress as a moving bar with a message beside it, on stderr.

    Args:
        label: text before the bar.

    Yields:
        The object to report to; the bar appears with the first report.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[message]}{task.fields[left]}", markup=False),
        TimeElapsedColumn(),
    )
    bars = Progress(*columns, console=terminal.console(stderr=True), transient=False)
    task = bars.add_task(printable(label), total=1.0, message="", left="", start=False)

    class Moving:
        def update(self, fraction: float, message: str = "", left: float | None = None) -> None:
            if not bars.live.is_started:
                bars.start_task(task)
                bars.start()
            bars.update(task, completed=fraction, message=printable(message), left=_left(left))

    try:
        yield Moving()
    finally:
        bars.stop()
