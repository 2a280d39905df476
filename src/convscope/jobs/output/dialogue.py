"""What a job that talks while it runs reads from, and answers to: a person, or another program."""

from collections.abc import Iterable
from typing import Any, Protocol


class Dialogue(Protocol):
    """Interface of a conversation, line by line."""

    def receive(self, prompt: str = "") -> str | None:
        """Wait for the next line.

        Args:
            prompt: what is asked, for people; shown only where somebody types.

        Returns:
            The line without its end; None where there will be no more.
        """
        ...

    def waits(self, seconds: float) -> bool:
        """Return whether a line, or the end, has come.

        Args:
            seconds: how long to wait for it.

        Returns:
            Whether `receive` would return at once.
        """
        ...

    def send(self, text: str) -> None:
        """Write text, as it is, at once.

        Args:
            text: any number of lines, with their ends.

        Raises:
            OSError: nobody reads it any more.
        """
        ...

    def show(self, document: dict[str, Any]) -> None:
        """Show what the job has to say in the form of its verb: `turn` of the verb's table makes it.

        Args:
            document: JSON-ready; its `verb` is the one that talks.

        Raises:
            OSError: nobody reads it any more.
        """
        ...


class ScriptedDialogue:
    """A conversation of which one side is known beforehand: for programs and tests.

    Args:
        lines: what is received, in order; then it ends.

    Attributes:
        sent: texts that were sent.
        shown: documents that were shown.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._lines = list(lines)
        self.sent: list[str] = []
        self.shown: list[dict[str, Any]] = []

    def receive(self, prompt: str = "") -> str | None:
        """Return the next line.

        Args:
            prompt: not used.

        Returns:
            The line; None after the last.
        """
        return self._lines.pop(0) if self._lines else None

    def waits(self, seconds: float) -> bool:
        """Return True: everything is known beforehand.

        Args:
            seconds: not used.

        Returns:
            True.
        """
        return True

    def send(self, text: str) -> None:
        """Keep a text.

        Args:
            text: the text.
        """
        self.sent.append(text)

    def show(self, document: dict[str, Any]) -> None:
        """Keep a document.

        Args:
            document: the document.
        """
        self.shown.append(document)
