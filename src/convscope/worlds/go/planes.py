"""Positions as planes: AlphaGo's 48 by name, and a smaller choice for small networks.

Source: Silver et al. 2016, Mastering the game of Go with deep neural networks and tree search, Extended Data
Table 2, doi:10.1038/nature16961. Where the table leaves it open, planes are those of RocAlphaGo: the first
plane of captures stands for moves that take nothing, and points that are no legal move are 0 in all planes of
moves. Suicide counts as illegal whatever the board's rules are: records are replayed with suicide, and their
positions have the same planes as those that networks learned from and play on.
"""

from collections.abc import Sequence

import numpy as np

from convscope.errors import UsageError, nearest
from convscope.worlds.go.board import Board
from convscope.worlds.go.rules import features, ladders

EIGHT = ("age", "liberties", "captures", "self_atari", "after")
"""Groups of eight planes, in the order of the table; the first of captures stands for 0, else for 1."""


def _names() -> tuple[str, ...]:
    """Return the names of all planes."""
    groups = [f"{name}{k + (name != 'captures')}" for name in EIGHT for k in range(8)]
    last = ("ladder_capture", "ladder_escape", "sensible", "zeros", "white")
    return ("own", "opponent", "empty", "ones", *groups, *last)


NAMES = _names()
"""Every plane: AlphaGo's 48 in their order, and `white`, which is 1 everywhere where white is to move."""
ALPHAGO_PLANES = NAMES[:48]
SMALL_PLANES = (
    "own",
    "opponent",
    "empty",
    "ones",
    "age1",
    "age2",
    "age3",
    "age4",
    "liberties1",
    "liberties2",
    "liberties3",
    "liberties4",
    "captures1",
    "captures2",
    "after1",
    "after2",
    "ladder_capture",
    "ladder_escape",
    "sensible",
    "white",
)
"""Twenty planes for small networks: the last four moves, few liberties, ladders, whose turn it is."""


def channels(names: Sequence[str]) -> np.ndarray:
    """Return the channel of each plane, for `rules.features`.

    Args:
        names: names of planes, each once, in the order of the channels.

    Returns:
        `[49]` int16; -1 for planes that are not among them.

    Raises:
        UsageError: there is no such plane, or one is named twice.
    """
    where = np.full(features.PLANES, -1, np.int16)
    for channel, name in enumerate(names):
        if name not in NAMES:
            raise UsageError("the name of a plane", received=name, hint=nearest(name, NAMES))
        if where[NAMES.index(name)] >= 0:
            raise UsageError("planes, each once", received=f"{name} twice", hint="Leave one of them out.")
        where[NAMES.index(name)] = channel
    return where


def encode(board: Board, names: Sequence[str] = ALPHAGO_PLANES, out: np.ndarray | None = None) -> np.ndarray:
    """Compute the planes of a position, as the player to move sees it.

    Args:
        board: the position; ages follow from its history.
        names: names of planes, in the order of the channels.
        out: `[planes, size, size]` uint8 to fill; a new array if left out.

    Returns:
        `[planes, size, size]` uint8 of 0 and 1.

    Raises:
        UsageError: there is no such plane, or `out` is of another form.
    """
    shape = (len(names), board.size, board.size)
    out = np.empty(shape, np.uint8) if out is None else out
    if out.shape != shape or out.dtype != np.uint8:
        raise UsageError(
            f"uint8 of {shape}",
            received=f"{out.dtype} of {out.shape}",
            hint="Leave out, or allocate it so: numpy.empty(shape, numpy.uint8).",
        )
    rows = ladders.room_to_read(board.state)
    features.fill_planes(board.state, board.size, channels(names), out, rows)
    if board.rules.superko:
        _clear_repetitions(board, names, out)
    return out


def _clear_repetitions(board: Board, names: Sequence[str], out: np.ndarray) -> None:
    """Set the planes of moves to 0 where superko forbids the move."""
    simple = board.legal_moves()
    moves = [name.startswith(("captures", "self_atari", "after", "ladder", "sensible")) for name in names]
    out[np.array(moves)] *= simple.astype(np.uint8)
