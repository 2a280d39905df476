"""Moves, chains and liberties on one flat array of int16, compiled with numba.

A board lies in a row of points with a border: `(row + 1) * (size + 1) + column + 1`, row and column from 0.
Neighbours are at ±1 and ±(size + 1); the border between two rows is shared. A state is one array of five
sections of `points(size)` values each, and a few numbers:

    colour   0 empty, 1 black, 2 white, 3 border
    head     for a stone the point that names its chain
    follow   for a stone the next one of its chain, in a circle
    liberty  at the head of a chain its number of liberties
    born     for a stone the number of the move that set it, from 1; 0 for stones that were set up
    numbers  player to move, point of a ko, colour that may not take it, prisoners of black and white,
             number of moves, passes in a row

Exact liberties are kept move by move. To undo is to keep a copy: a state of 19x19 has 4 KB.
"""
# ruff: noqa: SIM109, SIM110  # numba compiles comparisons and loops, not tuples of several types and generators

import numpy as np

from convscope.worlds.go.rules.compiled import compiled

EMPTY, BLACK, WHITE, BORDER = 0, 1, 2, 3
PASS = 0
"""The move that is no point: point 0 is border."""
SECTIONS, NUMBERS = 5, 8
COLOUR, HEAD, FOLLOW, LIBERTY, BORN = range(SECTIONS)
TO_PLAY, KO, KO_COLOUR, BLACK_PRISONERS, WHITE_PRISONERS, MOVES, PASSES = range(7)
"""Places of the numbers, after the sections. Black's prisoners are the white stones that black has taken."""
SMALLEST, LARGEST = 2, 25
"""Sizes of boards: GTP has no columns beyond 25."""


@compiled
def points(size: int) -> int:
    """Return the length of a section: points of the board and of its border.

    Args:
        size: side of the board.

    Returns:
        The number.
    """
    return (size + 1) * (size + 2) + 1


@compiled
def section(state, size, which):
    """Return a view of one section of a state.

    Args:
        state: the position.
        size: side of the board.
        which: number of the section, from 0.

    Returns:
        `[points]` int16.
    """
    n = points(size)
    return state[which * n : (which + 1) * n]


@compiled
def numbers(state, size):
    """Return a view of the numbers of a state.

    Args:
        state: the position.
        size: side of the board.

    Returns:
        `[NUMBERS]` int16.
    """
    return state[SECTIONS * points(size) :]


@compiled
def empty_state(size):
    """Build the state of an empty board, black to move.

    Args:
        size: side of the board.

    Returns:
        The state.
    """
    n = points(size)
    state = np.zeros(SECTIONS * n + NUMBERS, np.int16)
    state[:n] = BORDER
    for row in range(size):
        first = (row + 1) * (size + 1) + 1
        state[first : first + size] = EMPTY
    state[SECTIONS * n + TO_PLAY] = BLACK
    return state


@compiled
def neighbour(p, k, step):
    """Return a neighbour of a point.

    Args:
        p: the point.
        k: which one, 0 to 3: above, left, right, below.
        step: size + 1.

    Returns:
        The neighbour, which may be border.
    """
    if k == 0:
        return p - step
    if k == 1:
        return p - 1
    if k == 2:
        return p + 1
    return p + step


@compiled
def _add_liberty(colour, head, liberty, s, step, of, but):
    """Give the chains of a colour beside a point that becomes empty a liberty, each once, but one chain."""
    a = b = c = -1
    for k in range(4):
        q = neighbour(s, k, step)
        if colour[q] != of:
            continue
        h = head[q]
        if h == but or h == a or h == b or h == c:
            continue
        liberty[h] += 1
        a, b, c = h, a, b


@compiled
def _remove(state, size, h, but):
    """Take a chain off the board, and return its number of stones."""
    colour, head, follow = section(state, size, 0), section(state, size, 1), section(state, size, 2)
    liberty, born, step = section(state, size, 3), section(state, size, 4), size + 1
    other = 3 - colour[h]
    count, s = 0, h
    while True:
        colour[s] = EMPTY
        born[s] = 0
        _add_liberty(colour, head, liberty, s, step, other, but)
        count += 1
        s = follow[s]
        if s == h:
            return count


@compiled
def _touches(colour, head, q, p, h, of, step):
    """Return whether a point has a neighbour of chain `h`, of colour `of`, other than `p`."""
    for k in range(4):
        r = neighbour(q, k, step)
        if r != p and colour[r] == of and head[r] == h:
            return True
    return False


@compiled
def count_liberties(state, size, h):
    """Count the liberties of a chain anew, by looking at every point of the board.

    Args:
        state: the position.
        size: side of the board.
        h: head of the chain.

    Returns:
        The number.
    """
    colour, head, step = section(state, size, 0), section(state, size, 1), size + 1
    of, found = colour[h], 0
    for q in range(step, step * step):
        if colour[q] == EMPTY and _touches(colour, head, q, -1, h, of, step):
            found += 1
    return found


@compiled
def _join(state, size, p, of):
    """Make the stone at `p` part of the chains beside it; it is a chain of its own so far."""
    colour, head, follow = section(state, size, 0), section(state, size, 1), section(state, size, 2)
    liberty, step = section(state, size, 3), size + 1
    first, joined = -1, 0
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] != of or head[q] == first or head[q] == p:
            continue
        h = head[q]
        if first < 0:
            first, joined = h, 1
            continue
        s = h
        while True:
            head[s] = first
            s = follow[s]
            if s == h:
                break
        follow[first], follow[h] = follow[h], follow[first]
        joined += 1
    if first < 0:
        return
    fresh = 0
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] == EMPTY and not _touches(colour, head, q, p, first, of, step):
            fresh += 1
    head[p], follow[p], follow[first] = first, follow[first], p
    liberty[first] += fresh
    if joined > 1:
        liberty[first] = count_liberties(state, size, first)


@compiled
def place(state, size, p, of):
    """Set a stone on an empty point, and take what has no liberties left: the opponent's first.

    The move must be legal. Ko, prisoners, the number of moves and whose turn it is are brought up to date.

    Args:
        state: the position, changed in place.
        size: side of the board.
        p: the point; `PASS` for none.
        of: colour of the stone.

    Returns:
        How many stones of the opponent were taken; -n where n stones of `of` were (suicide).
    """
    values = numbers(state, size)
    values[KO] = values[KO_COLOUR] = 0
    values[MOVES] += 1
    values[TO_PLAY] = 3 - of
    if p == PASS:
        values[PASSES] += 1
        return 0
    values[PASSES] = 0
    colour, head, follow = section(state, size, 0), section(state, size, 1), section(state, size, 2)
    liberty, born, step = section(state, size, 3), section(state, size, 4), size + 1
    a = b = c = -1
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] == BLACK or colour[q] == WHITE:
            h = head[q]
            if h != a and h != b and h != c:
                liberty[h] -= 1
                a, b, c = h, a, b
    colour[p], head[p], follow[p], born[p] = of, p, p, values[MOVES]
    taken, last, own = 0, 0, False
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] == of:
            own = True
        elif colour[q] == 3 - of and liberty[head[q]] == 0:
            last = q
            taken += _remove(state, size, head[q], p)
    liberty[p] = 0
    for k in range(4):
        if colour[neighbour(p, k, step)] == EMPTY:
            liberty[p] += 1
    if own:
        _join(state, size, p, of)
    elif taken == 1 and liberty[p] == 1:
        values[KO], values[KO_COLOUR] = last, 3 - of
    if liberty[head[p]] == 0:
        lost = _remove(state, size, head[p], -1)
        values[WHITE_PRISONERS if of == BLACK else BLACK_PRISONERS] += lost
        return -lost
    values[BLACK_PRISONERS if of == BLACK else WHITE_PRISONERS] += taken
    return taken


@compiled
def _may(colour, head, liberty, step, p, of, suicide):
    """Return whether a stone on an empty point has, takes or keeps a liberty."""
    own = False
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] == EMPTY:
            return True
        if colour[q] == of:
            own = True
            if liberty[head[q]] > 1:
                return True
        elif colour[q] == 3 - of and liberty[head[q]] == 1:
            return True
    return own and suicide


@compiled
def is_legal(state, size, p, of, suicide):
    """Return whether a stone may be set: the point is empty, no simple ko, no suicide where it is forbidden.

    Suicide of a single stone changes nothing and is never legal. Superko is not looked at.

    Args:
        state: the position.
        size: side of the board.
        p: the point.
        of: colour of the stone.
        suicide: whether a chain of several stones may take its own last liberty.

    Returns:
        Whether it may.
    """
    colour, head, liberty = section(state, size, 0), section(state, size, 1), section(state, size, 3)
    values = numbers(state, size)
    if colour[p] != EMPTY or (p == values[KO] and of == values[KO_COLOUR]):
        return False
    return _may(colour, head, liberty, size + 1, p, of, suicide)


@compiled
def legal_points(state, size, of, suicide, out):
    """Find the legal points of a colour, but for superko.

    Args:
        state: the position.
        size: side of the board.
        of: the colour.
        suicide: as for `is_legal`.
        out: int16, filled with the points in rising order.

    Returns:
        How many there are.
    """
    colour, head, liberty = section(state, size, 0), section(state, size, 1), section(state, size, 3)
    values, step, count = numbers(state, size), size + 1, 0
    banned = values[KO] if of == values[KO_COLOUR] else 0
    for p in range(step + 1, step * step):
        if colour[p] == EMPTY and p != banned and _may(colour, head, liberty, step, p, of, suicide):
            out[count] = p
            count += 1
    return count


@compiled
def position_hash(state, size, table):
    """Compute the Zobrist hash of the stones: the exclusive or of a number for each of them.

    Args:
        state: the position.
        size: side of the board.
        table: `[2, points]` random uint64.

    Returns:
        The hash, uint64.
    """
    colour, found = section(state, size, 0), np.uint64(0)
    for p in range(points(size)):
        if colour[p] == BLACK or colour[p] == WHITE:
            found ^= table[colour[p] - 1, p]
    return found


@compiled
def hash_after(state, size, p, of, table, before):
    """Compute the Zobrist hash of the position after a legal move, without making it.

    Args:
        state: the position.
        size: side of the board.
        p: the point.
        of: colour of the stone.
        table: `[2, points]` random uint64.
        before: hash of the position.

    Returns:
        The hash, uint64.
    """
    colour, head, follow = section(state, size, 0), section(state, size, 1), section(state, size, 2)
    liberty, step = section(state, size, 3), size + 1
    found = before ^ table[of - 1, p]
    a = b = c = -1
    free, own = False, False
    for k in range(4):
        q = neighbour(p, k, step)
        if colour[q] == EMPTY:
            free = True
        elif colour[q] == of:
            own = True
            free = free or liberty[head[q]] > 1
        elif colour[q] == 3 - of and liberty[head[q]] == 1:
            free, h = True, head[q]
            if h == a or h == b or h == c:
                continue
            a, b, c = h, a, b
            s = h
            while True:
                found ^= table[2 - of, s]
                s = follow[s]
                if s == h:
                    break
    if free or not own:
        return found
    after = state.copy()
    place(after, size, p, of)
    return position_hash(after, size, table)


@compiled
def repeats(key, seen):
    """Return whether a hash is one of those before.

    Args:
        key: the hash.
        seen: those before, uint64.

    Returns:
        Whether it is.
    """
    for one in seen[::-1]:
        if one == key:
            return True
    return False


@compiled
def legal_by_superko(state, size, of, suicide, table, seen, out):
    """Find the legal points that repeat no earlier position of the whole board.

    Args:
        state: the position.
        size: side of the board.
        of: the colour.
        suicide: as for `is_legal`.
        table: `[2, points]` random uint64.
        seen: hashes of all positions so far.
        out: int16, filled with the points in rising order.

    Returns:
        How many there are.
    """
    count, kept, before = legal_points(state, size, of, suicide, out), 0, position_hash(state, size, table)
    for index in range(count):
        p = out[index]
        if not repeats(hash_after(state, size, p, of, table, before), seen):
            out[kept] = p
            kept += 1
    return kept


@compiled
def set_up(colours, size):
    """Build the state of given stones, with exact chains and liberties.

    Args:
        colours: `[size, size]` int8: 0, 1 or 2.
        size: side of the board.

    Returns:
        The state, black to move. A chain without liberties has 0 of them: the caller refuses it.
    """
    state, step = empty_state(size), size + 1
    colour, head, follow = section(state, size, 0), section(state, size, 1), section(state, size, 2)
    liberty = section(state, size, 3)
    for row in range(size):
        for column in range(size):
            p = (row + 1) * step + column + 1
            of = colours[row, column]
            if of == EMPTY:
                continue
            colour[p], head[p], follow[p] = of, p, p
            _join(state, size, p, of)
    for p in range(step, step * step):
        if (colour[p] == BLACK or colour[p] == WHITE) and head[p] == p:
            liberty[p] = count_liberties(state, size, p)
    return state


@compiled
def area(state, size, owner):
    """Count stones and the empty regions that only one colour reaches (Tromp and Taylor).

    Args:
        state: the position; every stone counts as alive.
        size: side of the board.
        owner: `[size, size]` int8, filled: 1 black, 2 white, 0 neither.

    Returns:
        Points of black, points of white.
    """
    colour, step = section(state, size, 0), size + 1
    reach, stack = np.zeros(points(size), np.int8), np.empty(points(size), np.int32)
    for of in (BLACK, WHITE):
        top = 0
        for p in range(step, step * step):
            if colour[p] == of:
                stack[top] = p
                top += 1
        while top:
            top -= 1
            p = stack[top]
            for k in range(4):
                q = neighbour(p, k, step)
                if colour[q] == EMPTY and not reach[q] & of:
                    reach[q] |= of
                    stack[top] = q
                    top += 1
    black = white = 0
    for row in range(size):
        for column in range(size):
            p = (row + 1) * step + column + 1
            of = colour[p] if colour[p] != EMPTY else reach[p]
            owner[row, column] = of if of == BLACK or of == WHITE else 0
            black += owner[row, column] == BLACK
            white += owner[row, column] == WHITE
    return black, white


@compiled
def next_draw(draw):
    """Return the next state of Knuth's linear congruential generator; its upper bits are the random ones.

    Args:
        draw: the state, uint64.

    Returns:
        The next one.
    """
    return draw * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
