"""What the terminal shows of a game of Go: the board with its coordinates, and what was said."""

from collections.abc import Iterator
from typing import Any

LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
SHADES = ((0.25, "█"), (0.1, "▓"), (0.03, "▒"), (0.005, "░"))
"""Least probability of each shade of a hint, where there are no colours."""
WOOD, INK, PAPER, GRID = "#dcb35c", "#000000", "#ffffff", "#7a5c20"


def table(document: dict[str, Any]) -> str | None:
    """Return the result of the game.

    Args:
        document: the result.

    Returns:
        A line; None where no move was made.
    """
    if not document["moves"]:
        return "No move was made: nothing is saved."
    result = document["result"] or "not finished"
    players, moves = f"{document['black']} (black), {document['white']} (white)", len(document["moves"])
    return f"{players}, {moves} move{'s' * (moves != 1)}: {result}"


def turn(document: dict[str, Any]) -> Any:
    """Return what happened: the board, and lines below it.

    Args:
        document: as `use.go.Turn.to_json` returns it.

    Returns:
        Something that rich prints.
    """
    from rich.console import Group
    from rich.text import Text

    board = [] if document["view"] is None else [DrawnBoard(document["view"])]
    return Group(*board, *(Text(line) for line in document["said"]))


class DrawnBoard:
    """A board that rich draws as the terminal allows: with colours, with Unicode, and in its width.

    Args:
        view: fields of a `use.go.BoardView`.
    """

    def __init__(self, view: dict[str, Any]) -> None:
        from convscope.worlds.go import star_points

        self.view, self.size = view, view["size"]
        self.stars = frozenset(star_points(self.size))
        last = view["last"]
        on_board = last and last != "pass"
        self.last = (self.size - int(last[1:]), LETTERS.index(last[0])) if on_board else None

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Draw the board.

        Args:
            console: rich's console.
            options: its width and encoding.

        Yields:
            One text for each line.
        """
        from rich.text import Text

        coloured, plain = console.color_system is not None and not console.no_color, options.ascii_only
        wide = options.max_width >= 2 * self.size + 6
        letters = (" " if wide else "").join(LETTERS[: self.size])
        yield Text(f"   {letters}", no_wrap=True)
        for row in range(self.size):
            number = self.size - row
            line = Text(f"{number:2d} ", no_wrap=True, overflow="crop")
            for column in range(self.size):
                mark, style = self._point(row, column, coloured=coloured, plain=plain)
                line.append(mark, style)
                if wide and column < self.size - 1:
                    line.append(*self._between(row, column, coloured=coloured, plain=plain))
            line.append(f" {number}")
            yield line
        yield Text(f"   {letters}", no_wrap=True)
        view = self.view
        marked = f" (last: {view['last']})" if view["last"] else ""
        taken = "Black has taken {}, White {}".format(*view["taken"])
        yield Text(f"Move {view['moves'] + 1}: {view['to_play']} to play{marked}. {taken}.")

    def _point(self, row: int, column: int, *, coloured: bool, plain: bool) -> tuple[str, str]:
        """Return the sign of a point, and its style."""
        stone = self.view["rows"][row][column]
        if stone != ".":
            return self._stone(stone, (row, column) == self.last, coloured=coloured, plain=plain)
        share = 0.0 if self.view["heat"] is None else self.view["heat"][row][column]
        shown = share >= SHADES[-1][0]
        if coloured:
            return self._crossing(row, column, plain=plain), f"{GRID} on {_heat(share) if shown else WOOD}"
        if shown:
            return str(min(9, int(10 * share))) if plain else _shade(share), ""
        return self._crossing(row, column, plain=plain), ""

    def _stone(self, stone: str, last: bool, *, coloured: bool, plain: bool) -> tuple[str, str]:
        """Return the sign of a stone; the last one differs."""
        if coloured:
            ink = INK if stone == "X" else PAPER
            sign = "#" if plain else "◉" if last else "●"
            return sign, f"{'bold ' * last}{ink} on {WOOD}"
        if plain:
            return stone, ""
        return {"X": "●◆", "O": "○◇"}[stone][last], ""

    def _crossing(self, row: int, column: int, *, plain: bool) -> str:
        """Return the sign of an empty point."""
        if (row, column) in self.stars:
            return "+" if plain else "•"
        if plain:
            return "."
        last = self.size - 1
        vertical = 0 if row == 0 else 2 if row == last else 1
        return ("┌┬┐", "├┼┤", "└┴┘")[vertical][0 if column == 0 else 2 if column == last else 1]

    def _between(self, row: int, column: int, *, coloured: bool, plain: bool) -> tuple[str, str]:
        """Return what lies between two points of a row."""
        line = " " if plain else "─"
        return line, f"{GRID} on {WOOD}" if coloured else ""


def _shade(share: float) -> str:
    """Return the block for a probability."""
    return next(block for least, block in SHADES if share >= least)


def _heat(share: float) -> str:
    """Return the colour for a probability: from wood to red."""
    from math import sqrt

    part = min(1.0, sqrt(share))
    cold, hot = (0xDC, 0xB3, 0x5C), (0xE0, 0x30, 0x20)
    mixed = (round(c + part * (h - c)) for c, h in zip(cold, hot, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)
