"""Progress on stderr: a live bar on a terminal, plain lines every few seconds elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from convscope.cli.core import terminal
from convscope.printable import printable

EVERY = 3.0
"""Seconds between plain lines."""


class Progress(Protocol):
    """What a verb tells about its progress."""

    def update(self, done: float, note: str = "") -> None:
        """State how much is done, of the total, and the news in a few words."""
        ...


class Silent:
    """Nothing is shown."""

    def update(self, done: float, note: str = "") -> None:
        """Nothing."""


class Lines:
    """A line at most every few seconds, and a last one."""

    def __init__(self, label: str, total: float | None) -> None:
        self.label, self.total = label, total
        self.started = time.monotonic()
        self.printed, self.last = float("-inf"), ""

    def update(self, done: float, note: str = "") -> None:
        """Print, when the last line is old enough."""
        now = time.monotonic()
        share = f" {done / self.total:4.0%}" if self.total else ""
        line = f"{self.label}{share}{_left(now - self.started, done, self.total)}  {note}".rstrip()
        if now - self.printed >= EVERY:
            self._print(line, now)
        else:
            self.last = line

    def close(self) -> None:
        """Print the latest news, unless it is on the screen already."""
        if self.last:
            self._print(self.last, time.monotonic())

    def _print(self, line: str, now: float) -> None:
        terminal.tell(printable(line))
        self.printed, self.last = now, ""


def _left(seconds: float, done: float, total: float | None) -> str:
    if not total or not 0 < done < total:
        return ""
    left = round(seconds * (total - done) / done)
    return f"  {left // 60}:{left % 60:02d} left"


@contextlib.contextmanager
def plain(label: str, total: float | None) -> Iterator[Progress]:
    """Lines of text."""
    lines = Lines(label, total)
    try:
        yield lines
    finally:
        lines.close()


@contextlib.contextmanager
def live(label: str, total: float | None) -> Iterator[Progress]:
    """A moving bar with the news beside it."""
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
