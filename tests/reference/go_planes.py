"""AlphaGo's 48 planes, and whose turn it is, computed slowly on a board of sets."""

import numpy as np

from tests.reference.go_rules import Point, SlowBoard


def caught(board: SlowBoard, stone: Point, attacker_moves: bool, depth: int = 60) -> bool:
    """Return whether a chain is taken by ataris alone, whatever its owner does."""
    of = board.stones[stone]
    liberties = board.liberties(stone)
    if attacker_moves:
        if len(liberties) > 2 or depth == 0:
            return False
        if len(liberties) == 1:
            return board.after(next(iter(liberties)), 3 - of) is not None
        after = (board.after(point, 3 - of) for point in liberties)
        return any(caught(one, stone, False, depth - 1) for one in after if one is not None)
    return not any(escapes(board, stone, point, depth) for point in defences(board, stone))


def defences(board: SlowBoard, stone: Point) -> set[Point]:
    """Return the liberty of a chain in atari, and those of its attackers that are in atari."""
    found = set(board.liberties(stone))
    for one in board.chain(stone):
        for near in board.beside(one):
            if board.stones.get(near) == 3 - board.stones[stone] and len(board.liberties(near)) == 1:
                found |= board.liberties(near)
    return found


def escapes(board: SlowBoard, stone: Point, point: Point, depth: int = 60) -> bool:
    after = board.after(point, board.stones[stone])
    return after is not None and not caught(after, stone, True, depth - 1)


def is_eye(board: SlowBoard, point: Point, of: int) -> bool:
    near = list(board.beside(point))
    if any(board.stones.get(one) != of for one in near):
        return False
    y, x = point
    corners = [(y + dy, x + dx) for dy in (-1, 1) for dx in (-1, 1)]
    theirs = sum(board.stones.get(corner) == 3 - of for corner in corners)
    return theirs <= (1 if len(near) == 4 else 0)


def planes(board: SlowBoard, of: int, ages: dict[Point, int]) -> np.ndarray:
    """Return `[49, size, size]`: 48 planes as RocAlphaGo orders them, and 1 where white is to move.

    Args:
        board: the position.
        of: whose turn it is.
        ages: for each stone how many moves ago it was set, from 1.
    """
    n = board.size
    out = np.zeros((49, n, n), np.uint8)
    out[3] = 1
    out[48] = of == 2
    for y in range(n):
        for x in range(n):
            if (y, x) in board.stones:
                out[0 if board.stones[y, x] == of else 1, y, x] = 1
                out[4 + min(ages[y, x], 8) - 1, y, x] = 1
                out[12 + min(len(board.liberties((y, x))), 8) - 1, y, x] = 1
            else:
                out[2, y, x] = 1
    for y, x in board.legal(of):
        after = board.after((y, x), of)
        assert after is not None
        taken = after.prisoners[of] - board.prisoners[of]
        liberties = len(after.liberties((y, x)))
        out[20 + min(taken, 7), y, x] = 1
        if liberties == 1:
            out[28 + min(len(after.chain((y, x))), 8) - 1, y, x] = 1
        out[36 + min(liberties, 8) - 1, y, x] = 1
        out[46, y, x] = not is_eye(board, (y, x), of)
    for stone in board.stones:
        liberties = board.liberties(stone)
        if board.stones[stone] != of and len(liberties) == 2:
            for point in liberties:
                after = board.after(point, of)
                if after is not None and caught(after, stone, False):
                    out[44][point] = 1
        if board.stones[stone] == of and len(liberties) == 1:
            for point in defences(board, stone):
                if escapes(board, stone, point):
                    out[45][point] = 1
    return out
