"""Print to the terminal, from this module only: control characters are escaped, closed pipes are ignored."""

import io
import os
import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from convscope.system import signals
from convscope.system.printable import printable, printable_lines

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 160
"""Columns of tables when the output is no terminal."""


def prepare() -> None:
    """Make the standard streams accept any file name, and replace those that the caller has closed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed; else the next file that is opened would get the number, and what is printed
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_notes() -> None:
    """Show warnings of this program as one line for each text on stderr; all others as Python does."""
    shown: set[str] = set()
    plain = warnings.formatwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not category.__module__.startswith("convscope."):
            print(plain(message, category, filename, lineno, line), file=file or sys.stderr, end="")
        elif str(message) not in shown:
            shown.add(str(message))
            tell(f"note: {message}")

    warnings.showwarning = show


def tell(text: str) -> None:
    """Print lines on stderr; nothing if it cannot be written.

    Args:
        text: the lines; control characters are escaped.
    """
    try:
        print(printable_lines(text), file=sys.stderr, flush=True)
    except OSError:
        _forget(2)


def answer(text: str) -> None:
    """Print a result on stdout, as it is; the first Ctrl-C or SIGTERM is ignored meanwhile.

    Args:
        text: the result, escaped already.

    Raises:
        OSError: it cannot be written, for example because the disk is full; a closed pipe is no error.
    """
    signals.answering()
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _forget(1)
    except OSError:
        _forget(1)
        raise


def answer_richly(shown: Any, lines: Iterable[str] = ()) -> None:
    """Print something that rich can show on stdout, and lines below it without markup.

    Args:
        shown: a text, table, group or anything else that rich prints.
        lines: lines below it, not wrapped; control characters are escaped.

    Raises:
        OSError: as `answer` does.
    """
    signals.answering()
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    out = console(width=width, soft_wrap=False, highlight=False, markup=False, emoji=False)
    try:
        out.print(cleaned(shown))
        for line in lines:
            out.print(printable(line), markup=False, soft_wrap=True)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget(1)
    except OSError:
        _forget(1)
        raise


def console(**options: Any) -> "Console":
    """Return a rich console that escapes control characters, except those of rich's own colours.

    Args:
        options: keyword arguments of rich's `Console`.

    Returns:
        The console; a closed pipe does not end the process.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Clean(Console):
        def _render_buffer(self, buffer: Iterable[Segment]) -> str:
            return super()._render_buffer(
                segment if segment.control else Segment(printable_lines(segment.text), segment.style)
                for segment in buffer
            )

        def on_broken_pipe(self) -> None:
            """Ignore a closed pipe; rich would end the process."""
            _forget(2 if self.stderr else 1)

    return Clean(**options)


def cleaned(shown: Any) -> Any:
    """Escape controls before rich counts widths, and line breaks except in a text that stands alone.

    Args:
        shown: anything that rich prints.

    Returns:
        The same, escaped; tables in place.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if isinstance(shown, Group):
        return Group(*(printable(r) if isinstance(r, str) else cleaned(r) for r in shown.renderables))
    if isinstance(shown, Table):
        for column in shown.columns:
            column._cells = [
                printable(cell) if isinstance(cell, str) else cleaned(cell) for cell in column.cells
            ]
    if isinstance(shown, Text) and printable(shown.plain) != shown.plain:
        return Text(printable(shown.plain), shown.style)
    return printable_lines(shown) if isinstance(shown, str) else shown


def forget_stdout() -> None:
    """Discard what is still buffered for stdout, and all that follows."""
    _forget(1)


def _forget(descriptor: int) -> None:
    """Discard what is buffered for a file descriptor whose reader has closed it, and all that follows."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
