"""Lines of the Go Text Protocol: commands in, responses out.

Source: Farnebäck 2002, Specification of the Go Text Protocol, version 2, draft 2.
"""

import re
from dataclasses import dataclass

from convscope.errors import UsageError
from convscope.recipe import real_number, whole_number
from convscope.worlds.go import IllegalMove, parse_colour, parse_vertex
from convscope.worlds.go.board import Colour

SYNTAX = "syntax error"
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class GtpError(Exception):
    """A command that fails; its text is the response."""


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        id: its number as it was written; empty without one.
        name: the command's name, as it was written.
        arguments: the words after it.
    """

    id: str
    name: str
    arguments: tuple[str, ...]


def parse_command(line: str) -> Command | None:
    """Parse a line: control characters and comments are left out, tabs are spaces.

    Args:
        line: the line, with or without its end.

    Returns:
        The command; None for a line without one.
    """
    words = _CONTROLS.sub("", line).partition("#")[0].split()
    number = words.pop(0) if words and words[0].isascii() and words[0].isdigit() else ""
    if not words:
        return None if not number else Command(number, "", ())
    return Command(number, words[0], tuple(words[1:]))


def response(command: Command, text: str, *, failed: bool = False) -> str:
    """Return a whole response.

    Args:
        command: what is answered.
        text: the answer, of one or several lines.
        failed: whether the command failed.

    Returns:
        The response with its sign, the command's number, and the empty line that ends it. Empty lines
        inside the text, which would end it, are left out. A text that begins with a line break begins below
        the sign.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    space = "\n" if text.startswith("\n") else " "
    sign = f"{'?' if failed else '='}{command.id}"
    return sign + (space if lines else "") + "\n".join(lines) + "\n\n"


def colour_of(text: str) -> Colour:
    """Parse a colour.

    Args:
        text: `b`, `w`, `black` or `white`, in capitals or not.

    Returns:
        1 black, 2 white.

    Raises:
        GtpError: it is none.
    """
    try:
        return parse_colour(text)
    except UsageError:
        raise GtpError(SYNTAX) from None


def point_of(text: str, size: int) -> tuple[int, int] | None:
    """Parse a vertex.

    Args:
        text: such as `D4` or `pass`, in capitals or not.
        size: side of the board.

    Returns:
        Row and column from the top left; None for a pass.

    Raises:
        GtpError: it is none, or not on the board.
    """
    try:
        return parse_vertex(text, size)
    except IllegalMove:
        raise GtpError(SYNTAX) from None


def whole_of(text: str) -> int:
    """Parse a whole number that is not negative.

    Args:
        text: the number.

    Returns:
        The number.

    Raises:
        GtpError: it is none, or of more than 31 bits.
    """
    found = whole_number(text)
    if found is None or found >= 2**31:
        raise GtpError(SYNTAX)
    return found


def real_of(text: str) -> float:
    """Parse a number.

    Args:
        text: the number.

    Returns:
        The number.

    Raises:
        GtpError: it is none, or not finite.
    """
    found = real_number(text)
    if found is None:
        raise GtpError(SYNTAX)
    return found
