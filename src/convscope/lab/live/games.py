"""Games of Go as the page sends them."""

from collections.abc import Mapping
from typing import Any

from convscope.errors import UsageError
from convscope.worlds.go import Board, Rules, parse_colour, parse_vertex

MAX_MOVES = 2000


def board_of(game: Mapping[str, Any]) -> Board:
    """Play a game that the page sends.

    Args:
        game: `size`, `komi`, `superko`, `handicap`, `black` and `white` (points set up), `first` (who
            begins) and `moves`: vertices, with `B ` or `W ` before them where a colour moves out of turn.

    Returns:
        The position, with its history.

    Raises:
        IllegalMove: the rules forbid a move, or a point is not on the board.
        UsageError: there are too many moves.
    """
    moves = list(game.get("moves", ()))
    if len(moves) > MAX_MOVES:
        raise UsageError(f"a game of at most {MAX_MOVES:,} moves", received=f"{len(moves):,}")
    board = Board(
        int(game.get("size", 9)), Rules(float(game.get("komi", 7.5)), superko=bool(game.get("superko")))
    )
    if game.get("handicap"):
        board.place_handicap(int(game["handicap"]))
    black, white = (_given(game.get(name, ()), board.size) for name in ("black", "white"))
    if black or white:
        board.set_up(black, white)
    if game.get("first"):
        board.to_play = parse_colour(str(game["first"]))
    for move in moves:
        colour, _, point = str(move).rpartition(" ")
        board.play(point, parse_colour(colour) if colour else None)
    return board


def _given(points: Any, size: int) -> list[tuple[int, int]]:
    found = [parse_vertex(str(point), size) for point in points]
    return [point for point in found if point is not None]
