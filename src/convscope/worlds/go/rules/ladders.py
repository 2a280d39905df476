"""Read ladders: whether one atari after the other catches a chain, and how one in atari escapes.

The attacker gives atari at each move; the defender extends, or takes an attacking chain that is itself in
atari. With three liberties the chain is free. Reading stops at `DEPTH` moves and `NODES` positions, and what
is undecided then counts neither as a capture nor as an escape.
"""

import numpy as np

from convscope.worlds.go.rules.compiled import compiled
from convscope.worlds.go.rules.engine import (
    BORN,
    EMPTY,
    NUMBERS,
    SECTIONS,
    is_legal,
    neighbour,
    place,
    points,
    section,
)

DEPTH = 120
"""Moves after which a ladder is given up: the longest on 19x19 has about 70."""
NODES = 1000
"""Positions after which it is given up."""
MOST = 12
"""Most moves that are tried in a position: one liberty, and takes of attackers."""
CAPTURED, ESCAPED, UNDECIDED = 1, 0, -1


@compiled
def liberties_of(state, size, h, out):
    """Find the first liberties of a chain.

    Args:
        state: the position.
        size: side of the board.
        h: head of the chain.
        out: int16, filled with the points as far as it reaches.

    Returns:
        How many were written.
    """
    colour, follow, step = section(state, size, 0), section(state, size, 2), size + 1
    found, s = 0, h
    while True:
        for k in range(4):
            q = neighbour(s, k, step)
            if colour[q] != EMPTY:
                continue
            known = False
            for index in range(found):
                known = known or out[index] == q
            if not known:
                out[found] = q
                found += 1
                if found == len(out):
                    return found
        s = follow[s]
        if s == h:
            return found


@compiled
def defences(state, size, h, out):
    """Find the moves that may save a chain in atari: its last liberty, and takes of its attackers.

    Args:
        state: the position.
        size: side of the board.
        h: head of the chain.
        out: int16, filled with the moves as far as it reaches.

    Returns:
        How many were written.
    """
    colour, head, follow = section(state, size, 0), section(state, size, 1), section(state, size, 2)
    liberty, step = section(state, size, 3), size + 1
    liberties_of(state, size, h, out[:1])
    count, s = 1, h
    while True:
        for k in range(4):
            q = neighbour(s, k, step)
            if colour[q] != 3 - colour[h] or liberty[head[q]] != 1 or count == len(out):
                continue
            liberties_of(state, size, head[q], out[count : count + 1])
            known = False
            for index in range(count):
                known = known or out[index] == out[count]
            if not known:
                count += 1
        s = follow[s]
        if s == h:
            return count


@compiled
def attacks(state, size, h, out):
    """Find the two ataris on a chain of two liberties, that where it could run further first.

    Where both catch the chain, the first is found sooner.

    Args:
        state: the position.
        size: side of the board.
        h: head of the chain.
        out: int16, whose first two become the points.

    Returns:
        Two.
    """
    colour, step = section(state, size, 0), size + 1
    liberties_of(state, size, h, out[:2])
    room = 0
    for k in range(4):
        room += colour[neighbour(out[1], k, step)] == EMPTY
        room -= colour[neighbour(out[0], k, step)] == EMPTY
    if room > 0:
        out[0], out[1] = out[1], out[0]
    return 2


@compiled
def _enter(state, size, stone, attacking, out):
    """Settle a position of a ladder, or write the moves to try into `out`.

    Returns:
        The result, `UNDECIDED` where it has to be read; and the number of moves.
    """
    h = section(state, size, 1)[stone]
    count, of = section(state, size, 3)[h], section(state, size, 0)[stone]
    if not attacking:
        return UNDECIDED, defences(state, size, h, out)
    if count > 2:
        return ESCAPED, 0
    if count == 2:
        return UNDECIDED, attacks(state, size, h, out)
    liberties_of(state, size, h, out[:1])
    return (CAPTURED if is_legal(state, size, out[0], 3 - of, False) else ESCAPED), 0


@compiled
def room_to_read(state):
    """Allocate the rows on which a search keeps its positions, one for each move.

    Args:
        state: a position of the size that is to be read.

    Returns:
        `[DEPTH + 2, values]` int16: a position, the moves to try, and three counters.
    """
    return np.empty((DEPTH + 2, len(state) + MOST + 3), np.int16)


@compiled
def _copy(source, target, size):
    """Copy what reading needs of a position: all but the numbers of the moves that set the stones."""
    n = points(size)
    target[: BORN * n] = source[: BORN * n]
    target[SECTIONS * n : SECTIONS * n + NUMBERS] = source[SECTIONS * n : SECTIONS * n + NUMBERS]


@compiled
def read(rows, size, stone, attacking):
    """Search a ladder, depth first.

    Args:
        rows: from `room_to_read`; the first begins with the position, the others are overwritten.
        size: side of the board.
        stone: a stone of the chain that may be caught.
        attacking: whether the attacker is to move: the chain has two liberties or one. Else it has one, and
            its owner is to move.

    Returns:
        `CAPTURED`, `ESCAPED` or `UNDECIDED`.
    """
    n = rows.shape[1] - MOST - 3
    count_at, next_at, open_at = n + MOST, n + MOST + 1, n + MOST + 2
    of, level, nodes = section(rows[0], size, 0)[stone], 0, 0
    result, count = _enter(rows[0, :n], size, stone, attacking, rows[0, n:count_at])
    if result != UNDECIDED:
        return result
    rows[0, count_at], rows[0, next_at], rows[0, open_at] = count, 0, 0
    while True:
        attacks_now = attacking == (level % 2 == 0)
        mover, row = 3 - of if attacks_now else of, rows[level]
        settled, descended = UNDECIDED, False
        while row[next_at] < row[count_at]:
            p = row[n + row[next_at]]
            row[next_at] += 1
            if not is_legal(row, size, p, mover, False):
                continue
            nodes += 1
            if level >= DEPTH or nodes > NODES:
                row[open_at] = 1
                break
            after = rows[level + 1]
            _copy(row, after, size)
            place(after[:n], size, p, mover)
            result, count = _enter(after[:n], size, stone, not attacks_now, after[n:count_at])
            if result == UNDECIDED:
                level += 1
                after[count_at], after[next_at], after[open_at] = count, 0, 0
                descended = True
                break
            if result == (CAPTURED if attacks_now else ESCAPED):
                settled = result
                break
        if descended:
            continue
        # Settled, or all moves are tried: the result goes up, until a position has moves left.
        if settled == UNDECIDED and not row[open_at]:
            settled = ESCAPED if attacks_now else CAPTURED
        while True:
            if level == 0:
                return settled
            level -= 1
            attacks_now = attacking == (level % 2 == 0)
            if settled == UNDECIDED:
                rows[level, open_at] = 1
                break
            if settled != (CAPTURED if attacks_now else ESCAPED):
                break


@compiled
def ladder_captures(state, size, stone, p, rows):
    """Return whether an atari on a chain of two liberties begins a ladder that takes it.

    Args:
        state: the position.
        size: side of the board.
        stone: a stone of the chain.
        p: where the atari is given.
        rows: from `room_to_read`, overwritten.

    Returns:
        Whether it does.
    """
    of = section(state, size, 0)[stone]
    if not is_legal(state, size, p, 3 - of, False):
        return False
    _copy(state, rows[0], size)
    place(rows[0, : len(state)], size, p, 3 - of)
    return read(rows, size, stone, False) == CAPTURED


@compiled
def ladder_escapes(state, size, stone, p, rows):
    """Return whether a move of its owner saves a chain in atari from being taken in a ladder.

    Args:
        state: the position.
        size: side of the board.
        stone: a stone of the chain.
        p: where the owner moves.
        rows: from `room_to_read`, overwritten.

    Returns:
        Whether it does.
    """
    of = section(state, size, 0)[stone]
    if not is_legal(state, size, p, of, False):
        return False
    _copy(state, rows[0], size)
    place(rows[0, : len(state)], size, p, of)
    return read(rows, size, stone, True) == ESCAPED
