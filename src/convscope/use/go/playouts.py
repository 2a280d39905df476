"""Random games to their end, compiled: who owns each point, and which stones are dead."""

import numpy as np

from convscope.worlds.go import Board
from convscope.worlds.go.rules.compiled import compiled
from convscope.worlds.go.rules.engine import (
    BLACK,
    PASS,
    PASSES,
    TO_PLAY,
    WHITE,
    area,
    legal_points,
    next_draw,
    numbers,
    place,
    section,
)
from convscope.worlds.go.rules.features import is_eye

LENGTH = 3
"""A random game ends after so many moves for each point of the board, if it has not ended before."""
DEAD = -1 / 3
"""A chain is dead below this mean ownership, seen from its own side: the opponent owns it in two of three."""


@compiled
def eyes(state, size, of, found):
    """Mark the eyes of a colour.

    Args:
        state: the position.
        size: side of the board.
        of: the colour.
        found: `[size, size]` bool, filled.
    """
    colour, step = section(state, size, 0), size + 1
    for row in range(size):
        for column in range(size):
            p = (row + 1) * step + column + 1
            found[row, column] = colour[p] == 0 and is_eye(state, size, p, of)


@compiled
def _play_out(state, size, longest, draw, suicide, out):
    """Play random moves that fill no own eye, until two passes; return the generator's next state."""
    values, played = numbers(state, size), 0
    while played < longest and values[PASSES] < 2:
        of, chosen = values[TO_PLAY], PASS
        count = legal_points(state, size, of, suicide, out)
        while count:
            draw = next_draw(draw)
            index = (draw >> np.uint64(33)) % np.uint64(count)
            if not is_eye(state, size, out[index], of):
                chosen = out[index]
                break
            count -= 1
            out[index] = out[count]
        place(state, size, chosen, of)
        played += 1
    return draw


@compiled
def _play_games(state, size, suicide, seed, margins, owned):
    """Play random games from a position; fill black's lead in each, and sum up who owns what."""
    out, owner = np.empty(size * size, np.int16), np.empty((size, size), np.int8)
    draw = np.uint64(seed) * np.uint64(2) + np.uint64(1)
    for game in range(len(margins)):
        end = state.copy()
        numbers(end, size)[PASSES] = 0
        draw = _play_out(end, size, LENGTH * size * size, draw, suicide, out)
        black, white = area(end, size, owner)
        margins[game] = black - white
        for row in range(size):
            for column in range(size):
                of = owner[row, column]
                owned[row, column] += 1 if of == BLACK else -1 if of == WHITE else 0


def play_out(board: Board, games: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Play random games from a position to their end.

    Moves are drawn evenly from the legal ones that fill no eye of one's own; who has none passes. Superko is
    not looked at; a game of `LENGTH` moves for each point is scored as it stands.

    Args:
        board: the position; not changed.
        games: how many games, at least 1.
        seed: of the random choices.

    Returns:
        By how much black was ahead in each game, without komi, `[games]` int; and the mean owner of each
        point, `[size, size]` from -1 (white) to 1 (black).
    """
    margins, owned = np.empty(games, np.int64), np.zeros((board.size, board.size), np.int64)
    _play_games(board.state, board.size, board.rules.suicide, seed % 2**62, margins, owned)
    return margins, owned / games


def dead_stones(board: Board, games: int = 400, seed: int = 0) -> np.ndarray:
    """Estimate which stones are dead, by the owners of their points in random games.

    A chain is dead where the opponent owns its points in more than two of three games. That is an estimate:
    random games see neither ladders nor seki.

    Args:
        board: the position, near the end of a game.
        games: how many games are played.
        seed: of the random choices.

    Returns:
        `[size, size]` bool, true for dead stones.
    """
    _, owned = play_out(board, games, seed)
    stones, dead = board.stones, np.zeros((board.size, board.size), bool)
    seen = np.zeros_like(dead)
    for row, column in np.argwhere(stones):
        if seen[row, column]:
            continue
        chain = tuple(np.array(board.chain((int(row), int(column)))).T)
        seen[chain] = True
        mine = owned[chain].mean() * (1 if stones[row, column] == BLACK else -1)
        dead[chain] = mine < DEAD
    return dead
