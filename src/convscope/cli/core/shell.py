"""The flags that every verb has, and the output that follows from them."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from convscope.cli.core import terminal
from convscope.cli.core.dialogue import TerminalDialogue
from convscope.cli.core.progress import shown
from convscope.jobs import Document, Job
from convscope.jobs.output.results import as_json
from convscope.system.printable import printable
from convscope.system.progress import Settled, duration

LONG = 20.0
"""Seconds from which on the time that a job will take is said at its beginning."""


@dataclass(frozen=True)
class Shell:
    """How progress and results are shown.

    Attributes:
        json: whether to print one JSON document.
        quiet: whether to print no progress and no log.
    """

    json: bool = False
    quiet: bool = False

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Redirect stdout to stderr while a job runs: stdout holds the result alone."""
        with contextlib.redirect_stdout(sys.stderr):
            yield

    def dialogue(self, table: Callable[[Document], Any]) -> TerminalDialogue:
        """Return the conversation for a job that talks: on stdout, with `--json` on stderr.

        Args:
            table: makes something of what the job shows that rich can print.

        Returns:
            The conversation; nothing is read before the job asks for it. Call it outside of `at_work`.
        """
        return TerminalDialogue(sys.stderr if self.json else sys.stdout, table)

    def follow(self, job: Job) -> Document | None:
        """Run a job to its end, and show its progress on stderr.

        What takes longer than `LONG` seconds is said as soon as estimates of its time agree. Ctrl-C stops the
        job wherever it comes, also between two steps: the job then saves what it has.

        Args:
            job: the job.

        Returns:
            Its document; None if it has none.

        Raises:
            Interrupted: it was stopped.
            ConvscopeError: whatever it raises.
        """
        announced, settled = False, Settled()
        with shown(job.recipe.verb, quiet=self.quiet) as bar:
            while not job.ended:
                try:
                    step = next(job, None)
                    if step is not None and step.message:
                        if not announced and step.left is not None and settled(step.left):
                            announced = True
                            self._announce(step.left)
                        bar.update(step.fraction, step.message, step.left)
                except KeyboardInterrupt:
                    if job.ended:
                        raise
                    job.cancel()
        return job.document

    def _announce(self, left: float) -> None:
        """Say how long a job will take, if it takes long."""
        if left >= LONG:
            self.log(f"This will take about {duration(left)} on this machine.")

    def log(self, text: str) -> None:
        """Print one line on stderr, none with `--quiet`.

        Args:
            text: the line; control characters and line breaks are escaped.
        """
        if not self.quiet:
            terminal.tell(printable(text))

    def answer(self, document: Document, table: Callable[[Document], Any]) -> None:
        """Print a result: the document with `--json`, else its form for people.

        Args:
            document: JSON-ready.
            table: makes something of it that rich can print, or None where nothing is left to say; called
                only without `--json`.

        Raises:
            OSError: stdout cannot be written.
        """
        if self.json:
            terminal.answer(as_json(document))
            return
        places, shown = [f"Saved {document['out']}"] if "out" in document else [], table(document)
        if shown is not None:
            terminal.answer_richly(shown, places)
