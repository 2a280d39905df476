"""Points, colours and moves as they are written: vertices of GTP, star points, handicaps."""

from typing import Literal

from convscope.errors import UsageError

Colour = Literal[1, 2]
BLACK: Colour = 1
WHITE: Colour = 2
LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
"""Columns from the left, without I."""
COLOURS: dict[str, Colour] = {"b": BLACK, "black": BLACK, "w": WHITE, "white": WHITE}
CORNERS, SIDES = ((1, -1), (-1, 1), (-1, -1), (1, 1)), ((0, -1), (0, 1), (-1, 0), (1, 0))
"""Star points in the order of fixed handicaps, as (down, across) from the middle."""


class IllegalMove(UsageError):
    """A move that the rules forbid, or a point that is not on the board.

    Attributes:
        reason: `occupied`, `ko`, `superko`, `suicide` or `off the board`.
    """

    def __init__(self, expected: str, reason: str, *, received: str, hint: str = "") -> None:
        super().__init__(expected, received=received, hint=hint)
        self.reason = reason


def vertex(point: tuple[int, int] | None, size: int) -> str:
    """Return a point as GTP writes it: columns from the left, rows from below.

    Args:
        point: row and column from the top left, from 0; None for a pass.
        size: side of the board.

    Returns:
        Such as `D4`, or `pass`.
    """
    return "pass" if point is None else f"{LETTERS[point[1]]}{size - point[0]}"


def parse_vertex(text: str, size: int) -> tuple[int, int] | None:
    """Read a point as GTP writes it, in capitals or not.

    Args:
        text: such as `D4` or `pass`.
        size: side of the board.

    Returns:
        Row and column from the top left, from 0; None for a pass.

    Raises:
        IllegalMove: it is none, or not on the board.
    """
    word = text.strip().upper()
    if word == "PASS":
        return None
    column, row = LETTERS.find(word[:1]) if word else -1, word[1:]
    if column >= 0 and row.isascii() and row.isdigit() and column < size and 1 <= int(row) <= size:
        return size - int(row), column
    last = f"{LETTERS[size - 1]}{size}" if size else ""
    raise IllegalMove(f"a point from A1 to {last}, or pass", "off the board", received=repr(text)[:40])


def parse_colour(text: str) -> Colour:
    """Read a colour as GTP writes it: `b`, `w`, `black` or `white`, in capitals or not.

    Args:
        text: the colour.

    Returns:
        1 black, 2 white.

    Raises:
        UsageError: it is none.
    """
    colour = COLOURS.get(text.strip().lower())
    if colour is None:
        raise UsageError(
            "a colour: black or white", received=repr(text)[:40], hint="Write b or w, or black or white."
        )
    return colour


def star_points(size: int) -> tuple[tuple[int, int], ...]:
    """Return the points that are marked on a board.

    Args:
        size: side of the board.

    Returns:
        Rows and columns, from 0; none on boards below 7.
    """
    if size < 7:
        return ()
    edge = 3 if size > 12 else 2
    lines = (edge, size // 2, size - 1 - edge) if size % 2 and size > 7 else (edge, size - 1 - edge)
    middle = size // 2
    points = [(row, column) for row in lines for column in lines]
    if 7 < size < 15:
        points = [(r, c) for r, c in points if (r == middle) == (c == middle)]
    return tuple(points)


def handicap_points(size: int, stones: int) -> tuple[tuple[int, int], ...]:
    """Return the points of a fixed handicap, in the order of the Go Text Protocol.

    Args:
        size: side of the board.
        stones: their number.

    Returns:
        Rows and columns, from 0.

    Raises:
        UsageError: there is no such handicap.
    """
    most = 0 if size < 7 else (9 if size % 2 and size > 7 else 4)
    if not 2 <= stones <= most:
        raise UsageError(
            f"a handicap of 2 to {most} stones on {size}x{size}" if most else "a handicap: not below 7x7",
            received=str(stones),
            hint="Set other stones with board.set_up(black=[...]).",
        )
    edge = 3 if size > 12 else 2
    place = {-1: edge, 0: size // 2, 1: size - 1 - edge}
    order = (*CORNERS[:stones], *SIDES[: max(stones - 4, 0) // 2 * 2])
    chosen = [(place[down], place[across]) for down, across in order]
    return tuple(chosen + ([(size // 2, size // 2)] if stones in (5, 7, 9) else []))
