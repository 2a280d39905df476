"""What a verb knows of the terminal it runs in: where results go, how progress and answers are shown."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope import signals
from convscope.cli.core import results, terminal
from convscope.cli.core.progress import Progress, Silent, live, plain
from convscope.printable import printable


@dataclass(frozen=True)
class VerbResult:
    """What a verb found out."""

    data: dict[str, Any]
    """For programs: JSON-ready."""
    render: Callable[[], Any]
    """For people: something rich can print, made only when it is shown."""
    code: int = 0
    """The exit code: not 0 when the answer is bad news."""


@dataclass(frozen=True)
class Shell:
    """The flags that every verb has, and what follows from them."""

    out: Path | None = None
    json: bool = False
    quiet: bool = False

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """While a verb runs, stdout belongs to the answer alone: whatever prints is sent to stderr."""
        with contextlib.redirect_stdout(sys.stderr):
            yield

    def folder(self, name: str) -> contextlib.AbstractContextManager[results.Pending]:
        """A folder for results, made whole or not at all; see `convscope.cli.core.results`."""
        signals.working()
        return results.folder(self.out, name)

    def progress(self, label: str, total: float | None = None) -> contextlib.AbstractContextManager[Progress]:
        """A bar on a terminal, a line every few seconds elsewhere, nothing with `--quiet`. On stderr."""
        signals.working()
        if self.quiet:
            return contextlib.nullcontext(Silent())
        return live(label, total) if _live() else plain(label, total)

    def log(self, text: str) -> None:
        """One line of news on stderr."""
        if not self.quiet:
            terminal.tell(printable(text))

    def answer(self, document: dict[str, Any], shown: Callable[[], Any]) -> None:
        """Print an answer: the document with `--json`, else what people are shown."""
        if self.out is not None and "out" not in document:
            results.write_document(self.out, document)
            document = {**document, "out": str(self.out)}
        if self.json:
            terminal.answer(results.as_json(document))
        else:
            terminal.answer_richly(shown(), [f"Saved {document['out']}"] if "out" in document else [])


def _live() -> bool:
    """Whether a moving bar can be shown. FORCE_COLOR asks for colour, not for movement."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
