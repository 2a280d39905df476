"""Which moves a player considers at all, and when it passes: never into its own eyes, not into safe areas."""

import numpy as np

from convscope.use.go import playouts
from convscope.worlds.go import Board

Point = tuple[int, int]
LONGEST = 3
"""After so many moves for each point of the board a player only passes: no game goes on for ever."""


def sensible_moves(board: Board) -> np.ndarray:
    """Find the legal moves that fill no eye of one's own.

    An eye is an empty point whose neighbours all are stones of the player, and of whose diagonal points the
    opponent has at most one, at the edge none.

    Args:
        board: the position.

    Returns:
        `[size, size]` bool, for the player to move.
    """
    own = np.empty((board.size, board.size), bool)
    playouts.eyes(board.state, board.size, board.to_play, own)
    return board.legal_moves() & ~own


def candidates(board: Board) -> np.ndarray:
    """Find the moves from which a player chooses: sensible ones outside of what is settled for good.

    Not worth a move are the areas where the opponent's stones can never be taken (`safe_areas`), and those of
    the player's own in which the opponent has no stone to take off.

    Args:
        board: the position.

    Returns:
        `[size, size]` bool; none where it is time to pass.
    """
    if len(board.history) >= LONGEST * board.size**2:
        return np.zeros((board.size, board.size), bool)
    found, stones = sensible_moves(board), board.stones
    for colour in (1, 2):
        for area in _safe_regions(board, colour)[1]:
            points = tuple(np.array(sorted(area)).T)
            if colour != board.to_play or not stones[points].any():
                found[points] = False
    return found


def ends_by_passing(board: Board) -> bool:
    """Return whether the opponent has just passed, and passing as well wins the game.

    It must win by the area score with komi both as the board stands and without the stones that random games
    call dead (`playouts.dead_stones`), so that it wins whichever way the game is counted.

    Args:
        board: the position.

    Returns:
        Whether it does.
    """
    last = board.last_move
    if last is None or last.point is not None or last.colour == board.to_play:
        return False
    mine = 1 if board.to_play == 1 else -1
    return board.score().margin * mine > 0 and without_dead(board).score().margin * mine > 0


def without_dead(board: Board) -> Board:
    """Return a copy of a board without the stones that random games call dead.

    Args:
        board: the position; not changed.

    Returns:
        The copy, to be counted.
    """
    left, dead = board.copy(), playouts.dead_stones(board)
    left.set_up(empty=[(int(row), int(column)) for row, column in np.argwhere(dead)])
    return left


def safe_areas(board: Board) -> np.ndarray:
    """Find stones that can never be taken, even if their owner always passes, and the areas they enclose.

    Source: Benson 1976, Life in the game of Go, Information Sciences 10(1), 17-29.

    Args:
        board: the position. Suicide must be forbidden: else it changes nothing for the stones, and the areas
            are safe as well.

    Returns:
        `[size, size]` int8: 1 where black's, 2 where white's, 0 elsewhere.
    """
    owner = np.zeros((board.size, board.size), np.int8)
    for colour in (1, 2):
        for area in (part for parts in _safe_regions(board, colour) for part in parts):
            owner[tuple(np.array(sorted(area)).T)] = colour
    return owner


def _safe_regions(board: Board, colour: int) -> tuple[list[set[Point]], list[set[Point]]]:
    """Return the chains of a colour that can never be taken, and the regions that they alone enclose."""
    stones = board.stones
    chains, regions = _chains(board, stones, colour), _regions(stones, colour)
    alive = _unconditionally_alive(stones, chains, regions)
    safe = []
    for region in regions if alive else ():
        near = _beside(region, board.size)
        border = {number for number, chain in enumerate(chains) if chain & near}
        if border <= alive and _is_small(stones, region, [chains[number] for number in border]):
            safe.append(region)
    return [chains[number] for number in sorted(alive)], safe


def _chains(board: Board, stones: np.ndarray, colour: int) -> list[set[Point]]:
    """Return the chains of a colour, each as a set of points."""
    found: list[set[Point]] = []
    seen: set[Point] = set()
    for row, column in np.argwhere(stones == colour):
        point = (int(row), int(column))
        if point not in seen:
            found.append(set(board.chain(point)))
            seen |= found[-1]
    return found


def _regions(stones: np.ndarray, colour: int) -> list[set[Point]]:
    """Return the connected regions of what is not of a colour, each as a set of points."""
    left = {(int(row), int(column)) for row, column in np.argwhere(stones != colour)}
    found = []
    while left:
        region, border = set(), [left.pop()]
        while border:
            point = border.pop()
            region.add(point)
            near = _beside({point}, len(stones)) & left
            left -= near
            border += near
        found.append(region)
    return found


def _beside(points: set[Point], size: int) -> set[Point]:
    """Return the points next to a set of points, without it."""
    near = {
        (row + down, column + across)
        for row, column in points
        for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0))
        if 0 <= row + down < size and 0 <= column + across < size
    }
    return near - points


def _unconditionally_alive(
    stones: np.ndarray, chains: list[set[Point]], regions: list[set[Point]]
) -> set[int]:
    """Return the chains that have two vital regions each, by taking away what has not until nothing changes.

    A region is vital to a chain where every empty point of it is a liberty of the chain.
    """
    size = len(stones)
    near = [_beside(chain, size) for chain in chains]
    empty = [{point for point in region if not stones[point]} for region in regions]
    borders = [{chain for chain, points in enumerate(near) if points & region} for region in regions]
    alive, whole = set(range(len(chains))), set(range(len(regions)))
    while True:
        kept = {
            chain
            for chain in alive
            if sum(empty[r] <= near[chain] for r in whole if chain in borders[r]) >= 2
        }
        left = {region for region in whole if borders[region] <= kept}
        if kept == alive and left == whole:
            return alive
        alive, whole = kept, left


def _is_small(stones: np.ndarray, region: set[Point], border: list[set[Point]]) -> bool:
    """Return whether a region's inside holds no two eyes: each empty point touches the stones around it."""
    around = set().union(*border) if border else set()
    return bool(border) and all(stones[point] or _beside({point}, len(stones)) & around for point in region)
