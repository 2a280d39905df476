"""Interface of a verb to the terminal: where results go, how progress and results are shown."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.cli.core import results, terminal
from convscope.cli.core.progress import Progress, Silent, live, plain
from convscope.system import signals
from convscope.system.printable import printable


@dataclass(frozen=True)
class VerbResult:
    """Result of a verb."""

    data: dict[str, Any]
    """JSON-ready, for programs."""
    render: Callable[[], Any]
    """Return something that rich can print, for people; called only if it is shown."""
    code: int = 0
    """Exit code: not 0 when the result is negative, such as a check that fails."""


@dataclass(frozen=True)
class Shell:
    """Flags that every verb has, and the output that follows from them.

    Attributes:
        out: place of the result; None for one under `runs/`, or none.
        json: whether to print one JSON document.
        quiet: whether to print no progress and no log.
    """

    out: Path | None = None
    json: bool = False
    quiet: bool = False

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Redirect stdout to stderr while a verb runs: stdout holds the result alone."""
        with contextlib.redirect_stdout(sys.stderr):
            yield

    def folder(self, name: str) -> contextlib.AbstractContextManager[results.Pending]:
        """Make a result folder, atomically; see `convscope.cli.core.results`.

        Args:
            name: what the result is, for a name under `runs/` without `--out`.

        Returns:
            A context manager that gives the folder to fill.

        Raises:
            UsageError: on entering or leaving the block, the place is taken or cannot be written to.
        """
        signals.working()
        return results.folder(self.out, name)

    def progress(self, label: str, total: float | None = None) -> contextlib.AbstractContextManager[Progress]:
        """Show progress on stderr: a bar on a terminal, lines elsewhere, nothing with `--quiet`.

        Args:
            label: what is done, in a few words.
            total: amount of work in any unit; None if unknown.

        Returns:
            A context manager that gives the object to report to.
        """
        signals.working()
        if self.quiet:
            return contextlib.nullcontext(Silent())
        return live(label, total) if _live() else plain(label, total)

    def log(self, text: str) -> None:
        """Print one line on stderr, none with `--quiet`.

        Args:
            text: the line; control characters and line breaks are escaped.
        """
        if not self.quiet:
            terminal.tell(printable(text))

    def answer(self, document: dict[str, Any], shown: Callable[[], Any]) -> None:
        """Print a result: the document with `--json`, else its form for people.

        If the document has no `out`, the verb has written no result of its own: `--out` then names a JSON
        file, to which the document is written first.

        Args:
            document: JSON-ready.
            shown: makes something that rich can print; called only without `--json`.

        Raises:
            UsageError: the file of `--out` exists or cannot be written.
            OSError: stdout cannot be written.
        """
        if self.out is not None and "out" not in document:
            results.write_document(self.out, document)
            document = {**document, "out": str(self.out)}
        if self.json:
            terminal.answer(results.as_json(document))
        else:
            terminal.answer_richly(shown(), [f"Saved {document['out']}"] if "out" in document else [])


def _live() -> bool:
    """Return whether a moving bar can be shown. FORCE_COLOR asks for colour, not for movement."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
