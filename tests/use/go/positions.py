"""Positions as diagrams, evaluators that are easy to reason about, and slow versions of what is fast."""

from collections.abc import Sequence

import numpy as np

from convscope.use.go import Evaluation
from convscope.worlds.go import Board, Rules


def board_of(diagram: str, to_play: int = 1, komi: float = 0.0, *, superko: bool = False) -> Board:
    """A board of `.`, `X` (black) and `O` (white)."""
    rows = ["".join(line.split()) for line in diagram.strip().splitlines()]
    stones = np.array([[".XO".index(sign) for sign in row] for row in rows])
    return Board.from_stones(stones, Rules(komi, superko=superko), to_play)


class BlackWins:
    """Every move is alike, and black has won wherever one looks."""

    def __call__(self, boards: Sequence[Board]) -> Evaluation:
        value = np.array([1.0 if board.to_play == 1 else -1.0 for board in boards])
        return Evaluation(np.zeros((len(boards), boards[0].size ** 2)), value)


class Captures:
    """A policy that likes moves which take stones, and a value that counts stones."""

    def __call__(self, boards: Sequence[Board]) -> Evaluation:
        logits, value = [], []
        for board in boards:
            row = np.zeros(board.size**2)
            for y, x in np.argwhere(board.legal_moves()):
                after = board.copy()
                row[y * board.size + x] = 2.0 * after.play((int(y), int(x)))
            lead = int((board.stones == 1).sum()) - int((board.stones == 2).sum())
            logits.append(row)
            value.append(np.tanh(lead / 4) * (1 if board.to_play == 1 else -1))
        return Evaluation(np.array(logits), np.array(value))


class Shuffled:
    """Logits and values that depend on the position alone, in a way that has no pattern."""

    def __call__(self, boards: Sequence[Board]) -> Evaluation:
        logits, value = [], []
        for board in boards:
            draw = np.random.default_rng([int(v) for v in board.stones.ravel()] + [board.to_play])
            logits.append(draw.normal(size=board.size**2))
            value.append(draw.uniform(-1, 1))
        return Evaluation(np.array(logits), np.array(value))


def is_own_eye(board: Board, row: int, column: int, colour: int) -> bool:
    """Whether filling an empty point would fill an eye, looked up point by point."""
    stones, size = board.stones, board.size

    def at(y: int, x: int) -> int:
        return int(stones[y, x]) if 0 <= y < size and 0 <= x < size else -1

    beside = [at(row + dy, column + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    corners = [at(row + dy, column + dx) for dy in (-1, 1) for dx in (-1, 1)]
    if not all(stone in (-1, colour) for stone in beside):
        return False
    return corners.count(3 - colour) <= (0 if -1 in corners else 1)
