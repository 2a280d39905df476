"""Fill the planes of a position, compiled: AlphaGo's 48, and whose turn it is."""
# ruff: noqa: SIM109, SIM110  # numba compiles comparisons and loops, not tuples of several types

import numpy as np

from convscope.worlds.go.rules.compiled import compiled
from convscope.worlds.go.rules.engine import (
    BLACK,
    BORDER,
    EMPTY,
    MOVES,
    TO_PLAY,
    WHITE,
    empty_state,
    is_legal,
    neighbour,
    numbers,
    place,
    points,
    section,
    set_up,
)
from convscope.worlds.go.rules.ladders import (
    MOST,
    attacks,
    defences,
    ladder_captures,
    ladder_escapes,
    room_to_read,
)

OWN, OPPONENT, FREE, ONES = 0, 1, 2, 3
AGE, LIBERTIES, CAPTURES, SELF_ATARI, AFTER = 4, 12, 20, 28, 36
LADDER_CAPTURE, LADDER_ESCAPE, SENSIBLE, ZEROS, WHITE_TO_PLAY = 44, 45, 46, 47, 48
PLANES = 49
"""Where each plane, or the first of eight, is in AlphaGo's table; `WHITE_TO_PLAY` is the 49th."""
WHITE_BIT = 10
"""A move of a record is its point, and the colour shifted by so many bits."""
POINT = (1 << WHITE_BIT) - 1
"""Bits of a recorded move that hold its point."""


@compiled
def _count_beside(colour, mark, stamp, s, p, step):
    """Count the liberties beside a stone that are not counted yet: free points, and those of taken stones."""
    found = 0
    for k in range(4):
        q = neighbour(s, k, step)
        if q != p and ((colour[q] == EMPTY and mark[q] != stamp) or mark[q] == -stamp):
            mark[q] = stamp
            found += 1
    return found


@compiled
def after_move(state, size, p, of, mark, stamp):
    """Count what a legal move would do, without making it.

    Args:
        state: the position.
        size: side of the board.
        p: the point.
        of: colour of the stone.
        mark: `[points]` int32 that remembers what is counted.
        stamp: a number above 0 that was not used with `mark` before.

    Returns:
        Liberties and stones of its chain afterwards, and how many stones it takes.
    """
    colour, head, follow = section(state, size, 0), section(state, size, 1), section(state, size, 2)
    liberty, step, stones, captured = section(state, size, 3), size + 1, 1, 0
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] == 3 - of and liberty[head[q]] == 1 and mark[q] != -stamp:
            s = q
            while True:
                mark[s] = -stamp
                captured += 1
                s = follow[s]
                if s == q:
                    break
    liberties = _count_beside(colour, mark, stamp, p, p, step)
    a = b = c = -1
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] != of:
            continue
        h = head[q]
        if h == a or h == b or h == c:
            continue
        a, b, c = h, a, b
        s = h
        while True:
            liberties += _count_beside(colour, mark, stamp, s, p, step)
            stones += 1
            s = follow[s]
            if s == h:
                break
    return liberties, stones, captured


@compiled
def is_eye(state, size, p, of):
    """Return whether an empty point is an eye of a colour.

    All its neighbours are of that colour, and of the four points diagonal to it the opponent has one at most,
    at the edge none.

    Args:
        state: the position.
        size: side of the board.
        p: the point.
        of: the colour.

    Returns:
        Whether it is.
    """
    colour, step, at_edge, theirs = section(state, size, 0), size + 1, False, 0
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] == BORDER:
            at_edge = True
        elif colour[q] != of:
            return False
    for q in (p - step - 1, p - step + 1, p + step - 1, p + step + 1):
        theirs += colour[q] == 3 - of
    return theirs <= (0 if at_edge else 1)


@compiled
def _set(out, where, plane, row, column):
    """Set a value of a plane, if it is wanted."""
    if where[plane] >= 0:
        out[where[plane], row, column] = 1


@compiled
def _wants(where, first, count):
    """Return whether any of some planes is wanted."""
    for plane in range(first, first + count):
        if where[plane] >= 0:
            return True
    return False


@compiled
def _fill_stones(state, size, where, out):
    """Fill the planes that describe stones: colours, ages and liberties."""
    colour, head, liberty = section(state, size, 0), section(state, size, 1), section(state, size, 3)
    born, values = section(state, size, 4), numbers(state, size)
    of, now = values[TO_PLAY], values[MOVES]
    ages, liberties = _wants(where, AGE, 8), _wants(where, LIBERTIES, 8)
    if where[ONES] >= 0:
        out[where[ONES]] = 1
    if where[WHITE_TO_PLAY] >= 0 and of == WHITE:
        out[where[WHITE_TO_PLAY]] = 1
    for row in range(size):
        for column in range(size):
            p = (row + 1) * (size + 1) + column + 1
            if colour[p] == EMPTY:
                _set(out, where, FREE, row, column)
                continue
            _set(out, where, OWN if colour[p] == of else OPPONENT, row, column)
            if ages:
                age = min(now - born[p], 7) if born[p] else 7
                _set(out, where, AGE + age, row, column)
            if liberties:
                _set(out, where, LIBERTIES + min(liberty[head[p]], 8) - 1, row, column)


@compiled
def _fill_moves(state, size, where, out):
    """Fill the planes that describe legal moves: what they take, and the liberties afterwards."""
    of, mark = numbers(state, size)[TO_PLAY], np.zeros(points(size), np.int32)
    for row in range(size):
        for column in range(size):
            p = (row + 1) * (size + 1) + column + 1
            if not is_legal(state, size, p, of, False):
                continue
            liberties, stones, captured = after_move(state, size, p, of, mark, p)
            _set(out, where, CAPTURES + min(captured, 7), row, column)
            if liberties == 1:
                _set(out, where, SELF_ATARI + min(stones, 8) - 1, row, column)
            _set(out, where, AFTER + min(liberties, 8) - 1, row, column)
            if not is_eye(state, size, p, of):
                _set(out, where, SENSIBLE, row, column)


@compiled
def _runs_free(state, size, h, p, q, mark, stamp):
    """Return whether a chain of two liberties, after an atari at `p`, surely has three by a move at `q`."""
    colour, head, liberty = section(state, size, 0), section(state, size, 1), section(state, size, 3)
    for k in range(4):  # the atari takes stones beside it: read that on a board
        r = neighbour(p, k, size + 1)
        if colour[r] == colour[h] and liberty[head[r]] == 1:
            return False
    liberties, _, _ = after_move(state, size, q, colour[h], mark, stamp)
    return liberties > 3


@compiled
def _fill_ladders(state, size, where, out, rows):
    """Fill the planes of moves that begin a ladder, or escape from one."""
    colour, head, liberty = section(state, size, 0), section(state, size, 1), section(state, size, 3)
    of, step, moves = numbers(state, size)[TO_PLAY], size + 1, np.empty(MOST, np.int16)
    mark, stamp = np.zeros(points(size), np.int32), 0
    for h in range(step + 1, step * step):
        if (colour[h] != BLACK and colour[h] != WHITE) or head[h] != h:
            continue
        if colour[h] != of and liberty[h] == 2 and where[LADDER_CAPTURE] >= 0:
            attacks(state, size, h, moves)
            for index in range(2):
                p, stamp = moves[index], stamp + 1
                if _runs_free(state, size, h, p, moves[1 - index], mark, stamp):
                    continue
                if ladder_captures(state, size, h, p, rows):
                    _set(out, where, LADDER_CAPTURE, p // step - 1, p % step - 1)
        elif colour[h] == of and liberty[h] == 1 and where[LADDER_ESCAPE] >= 0:
            for index in range(defences(state, size, h, moves)):
                p, stamp = moves[index], stamp + 1
                free = is_legal(state, size, p, of, False) and index == 0
                if (free and after_move(state, size, p, of, mark, stamp)[0] > 2) or ladder_escapes(
                    state, size, h, p, rows
                ):
                    _set(out, where, LADDER_ESCAPE, p // step - 1, p % step - 1)


@compiled
def fill_planes(state, size, where, out, rows):
    """Fill the planes of a position, as the player to move sees it; suicide counts as illegal.

    Args:
        state: the position.
        size: side of the board.
        where: `[PLANES]` the channel of `out` for each plane, -1 for those that are not wanted.
        out: `[channels, size, size]` uint8, filled with 0 and 1.
        rows: from `room_to_read`, overwritten.
    """
    out[:] = 0
    _fill_stones(state, size, where, out)
    if _wants(where, CAPTURES, 24) or where[SENSIBLE] >= 0:
        _fill_moves(state, size, where, out)
    if _wants(where, LADDER_CAPTURE, 2):
        _fill_ladders(state, size, where, out, rows)


@compiled
def replay(state, size, moves):
    """Make the moves of a record.

    Args:
        state: where they begin, changed in place.
        size: side of the board.
        moves: int16, points with colours as `WHITE_BIT` says; legal.
    """
    for move in moves:
        place(state, size, move & POINT, move >> WHITE_BIT)


@compiled
def fill_batch(moves, starts, stones, games, plies, size, where, out):
    """Fill the planes of positions of recorded games, each replayed from its beginning.

    Args:
        moves: int16, the moves of all games, one game after the other.
        starts: `[games + 1]` where each begins.
        stones: `[games or 0, size, size]` int8, stones that were set up before; none for any game if empty.
        games: `[b]` which game.
        plies: `[b]` how many moves have been made; the next one says whose turn it is.
        size: side of the board.
        where: `[PLANES]` the channel for each plane, -1 for those that are not wanted.
        out: `[b, channels, size, size]` uint8.
    """
    empty = empty_state(size)
    rows, state = room_to_read(empty), empty.copy()
    for index in range(len(games)):
        game = games[index]
        first = starts[game]
        now = first + plies[index]
        state[:] = set_up(stones[game], size) if len(stones) else empty
        replay(state, size, moves[first:now])
        if now < starts[game + 1]:
            numbers(state, size)[TO_PLAY] = moves[now] >> WHITE_BIT
        fill_planes(state, size, where, out[index], rows)


@compiled
def first_illegal(state, size, moves, suicide):
    """Make the moves of a record as far as they are legal.

    Args:
        state: where they begin, changed in place.
        size: side of the board.
        moves: int16, points with colours as `WHITE_BIT` says.
        suicide: whether suicide of several stones is legal.

    Returns:
        How many are legal: all, or those before the first that is not.
    """
    for index in range(len(moves)):
        p, of = moves[index] & POINT, moves[index] >> WHITE_BIT
        if p != 0 and not is_legal(state, size, p, of, suicide):
            return index
        place(state, size, p, of)
    return len(moves)
