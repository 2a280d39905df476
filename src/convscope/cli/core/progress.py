"""Show progress on stderr: a live bar on a terminal, plain lines every few seconds elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from convscope.cli.core import terminal
from convscope.system.printable import printable

EVERY = 3.0
"""Seconds between plain lines."""


class Progress(Protocol):
    """Interface through which a verb reports its progress."""

    def update(self, done: float, note: str = "") -> None:
        """Report progress.

        Args:
            done: amount done so far, in the unit of the total.
            note: current state in a few words.
        """
        ...


class Silent:
    """Progress that is not shown."""

    def update(self, done: float, note: str = "") -> None:
        """Do nothing.

        Args:
            done: ignored.
            note: ignored.
        """


class Lines:
    """Progress as plain lines, at most one every `EVERY` seconds, and a last one.

    Args:
        label: begins each line.
        total: amount of work in any unit; without it no percentage and no remaining time are shown.
    """

    def __init__(self, label: str, total: float | None) -> None:
        self.label, self.total = label, total
        self.started = time.monotonic()
        self.printed, self.last = float("-inf"), ""

    def update(self, done: float, note: str = "") -> None:
        """Print a line if the previous one is at least `EVERY` seconds old, else keep it for `close`.

        Args:
            done: amount done so far, in the unit of the total.
            note: current state in a few words.
        """
        now = time.monotonic()
        share = f" {done / self.total:4.0%}" if self.total else ""
        line = f"{self.label}{share}{_left(now - self.started, done, self.total)}  {note}".rstrip()
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


def _left(seconds: float, done: float, total: float | None) -> str:
    """Estimate the remaining time at the average speed so far.

    Args:
        seconds: time since the start.
        done: amount done so far.
        total: amount of work.

    Returns:
        Text such as `  1:05 left`; empty if unknown or finished.
    """
    if not total or not 0 < done < total:
        return ""
    left = round(seconds * (total - done) / done)
    return f"  {left // 60}:{left % 60:02d} left"


@contextlib.contextmanager
def plain(label: str, total: float | None) -> Iterator[Progress]:
    """Show progress as lines of text on stderr.

    Args:
        label: begins each line.
        total: amount of work in any unit; None if unknown.

    Yields:
        The object to report to; the last line is printed when the block ends.
    """
    lines = Lines(label, total)
    try:
        yield lines
    finally:
        lines.close()


@contextlib.contextmanager
def live(label: str, total: float | None) -> Iterator[Progress]:
    """Show progress as a moving bar with a note beside it, on stderr.

    Args:
        label: text before the bar.
        total: amount of work in any unit; None if unknown.

    Yields:
        The object to report to.
    """
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Bars(*columns, console=terminal.console(stderr=True), transient=False) as bars:
        task = bars.add_task(printable(label), total=total, note="")

        class Bar:
            def update(self, done: float, note: str = "") -> None:
                bars.update(task, completed=done, note=printable(note))

        yield Bar()
