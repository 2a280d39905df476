"""Monte Carlo tree search guided by a policy and, where there is one, a value (PUCT).

Source: Silver et al. 2017, Mastering the game of Go without human knowledge, section "Search algorithm",
doi:10.1038/nature24270.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from convscope.use.go.evaluators import Evaluator, move_probabilities
from convscope.use.go.moves import sensible_moves
from convscope.worlds.go import Board

Point = tuple[int, int]
LONGEST_LINE = 20
"""Moves of a principal variation that are listed at most."""


@dataclass(frozen=True)
class SearchConfig:
    """How a tree is searched.

    Attributes:
        visits: positions in the tree after which a search ends; those of an earlier search count.
        batch: positions that are evaluated at once.
        exploration: c_puct, the weight of a move's probability against its mean value.
    """

    visits: int = 200
    batch: int = 8
    exploration: float = 1.5


@dataclass(frozen=True)
class Candidate:
    """A move that was searched.

    Attributes:
        point: row and column from the top left; None for a pass.
        visits: how often it was searched.
        value: mean result from -1 (a loss) to 1 (a win) for the player to move; 0 without visits.
        prior: probability of the move by the policy.
        line: the moves that both sides would play on, this one first.
    """

    point: Point | None
    visits: int
    value: float
    prior: float
    line: tuple[Point | None, ...]

    @property
    def winrate(self) -> float:
        """The value as a probability of winning, 0 to 1."""
        return (1 + self.value) / 2


@dataclass(frozen=True)
class Analysis:
    """What a search has found so far.

    Attributes:
        visits: visits of all moves.
        value: mean result from -1 to 1 for the player to move; 0 without visits.
        moves: the moves, most visited first, then by mean value, then by probability.
    """

    visits: int
    value: float
    moves: tuple[Candidate, ...]


class Node:
    """A position in the tree, with what is known of the moves from it.

    Attributes:
        board: the position.
        ended: the result for the player to move where the game is over, by area; else None.
        points: the moves, as numbers `row * size + column`, `size * size` for a pass; None before the
            position is evaluated.
        prior: probability of each move.
        visits: visits of each move.
        total: sum of the results of each move, for the player to move.
        children: the positions after each move; None where it has not been tried.
        allowed: which moves may be searched; None for all.
        weighs_pass: whether the policy has a probability for the pass.
    """

    __slots__ = ("allowed", "board", "children", "ended", "points", "prior", "total", "visits", "weighs_pass")

    def __init__(self, board: Board, ended: float | None = None) -> None:
        self.board, self.ended = board, ended
        self.points: np.ndarray | None = None
        self.prior = self.visits = self.total = np.zeros(0)
        self.children: list[Node | None] = []
        self.allowed: np.ndarray | None = None
        self.weighs_pass = False

    def expand(self, logits: np.ndarray) -> None:
        """Add the moves of a position that has been evaluated.

        These are all legal ones that fill no eye of one's own. A pass is among them where it ends the game,
        where the policy knows passes, and where there is no other move.

        Args:
            logits: `[points]` or `[points + 1]`.
        """
        size = self.board.size
        sensible, last = sensible_moves(self.board).ravel(), self.board.last_move
        self.weighs_pass = len(logits) > size * size
        passing = self.weighs_pass or (last is not None and last.point is None)
        shares = move_probabilities(logits, sensible, passing or not sensible.any())
        self.points = np.flatnonzero(np.append(sensible, passing or not sensible.any()))
        self.prior = shares[self.points]
        self.visits, self.total = np.zeros(len(self.points)), np.zeros(len(self.points))
        self.children = [None] * len(self.points)

    def select(self, exploration: float) -> int:
        """Return the index of the move with the largest Q + U.

        Q is a move's mean result, 0 without visits; U its probability times `exploration` times the root of
        all visits (at least 1) over one more than its own.

        Args:
            exploration: weight of the probabilities, c_puct.

        Returns:
            The index; the first of equal ones.
        """
        scale = exploration * np.sqrt(max(1.0, self.visits.sum()))
        score = self.total / np.maximum(self.visits, 1) + scale * self.prior / (1 + self.visits)
        if self.allowed is not None:
            score[~self.allowed] = -np.inf
        return int(np.argmax(score))

    def child(self, index: int) -> "Node":
        """Return the position after a move; it is made when it is first asked for.

        Args:
            index: of the move.

        Returns:
            The node of the position.
        """
        found = self.children[index]
        if found is None:
            board = self.board.copy()
            board.play(self.point(index))
            found = self.children[index] = Node(board, _result(board))
        return found

    def point(self, index: int) -> Point | None:
        """Return a move as a point of the board.

        Args:
            index: of the move.

        Returns:
            Row and column from the top left; None for a pass.
        """
        size = self.board.size
        number = int(self.points[index])  # pyright: ignore[reportOptionalSubscript]
        return None if number == size * size else divmod(number, size)

    def order(self) -> np.ndarray:
        """Return the indices of the allowed moves.

        Returns:
            Integers, most visited first, then by mean result, then by probability.
        """
        mean = self.total / np.maximum(self.visits, 1)
        order = np.lexsort((-self.prior, -mean, -self.visits))
        return order if self.allowed is None else order[self.allowed[order]]


def _result(board: Board) -> float | None:
    """Return the result of a game that is over, for the player to move: 1, 0 or -1 by area; else None."""
    if not board.is_over:
        return None
    margin = board.score().margin
    return float(np.sign(margin if board.to_play == 1 else -margin))


class TreeSearch:
    """A tree of positions that grows where the policy and the results so far are promising.

    The tree is kept: where the next position follows from the last one by moves, its part of the tree is used
    on. Without values, positions before the end of a game count as 0. Equal inputs give equal trees.

    Args:
        evaluator: policy, and value or none.
        config: visits, batch and exploration.
    """

    def __init__(self, evaluator: Evaluator, config: SearchConfig | None = None) -> None:
        self.evaluator, self.config = evaluator, config or SearchConfig()
        self.root: Node | None = None

    def clear(self) -> None:
        """Forget the tree."""
        self.root = None

    def iter_search(
        self, board: Board, visits: int | None = None, allowed: np.ndarray | None = None
    ) -> Iterator[Node]:
        """Search from a position.

        Args:
            board: the position; not changed.
            visits: when to end; those of the configuration if left out. Not all of the last batch may be
                needed.
            allowed: `[size, size]` bool, the points that may be searched; all sensible ones if left out. With
                it a pass is searched only where the policy has a probability for it, or no point is left.

        Yields:
            The root, after each batch: the same object, which grows.
        """
        root = self._rooted(board)
        if root.points is None:
            self._evaluate([([], root)])
        root.allowed = None if allowed is None else _among(root, allowed)
        wanted = self.config.visits if visits is None else visits
        yield root
        while root.visits.sum() < wanted:
            count = min(self.config.batch, int(wanted - root.visits.sum()))
            self._evaluate(self._collect(root, count))
            yield root

    def search(self, board: Board, visits: int | None = None, allowed: np.ndarray | None = None) -> Analysis:
        """Search from a position to the end.

        Args:
            board: the position; not changed.
            visits: as for `iter_search`.
            allowed: as for `iter_search`.

        Returns:
            The moves and their visits.
        """
        *_, root = self.iter_search(board, visits, allowed)
        return analysis_of(root)

    def _rooted(self, board: Board) -> Node:
        """Make the tree's root that of a position: a part of the tree where it has the position, else new."""
        found = self.root and _descendant(self.root, board)
        if found is None:
            found = Node(board.copy())
        found.ended = None  # whoever asks for a move gets one
        self.root = found
        return found

    def _collect(self, root: Node, count: int) -> list[tuple[list[tuple[Node, int]], Node]]:
        """Choose positions to evaluate, and count each as a loss until then (virtual loss)."""
        leaves: list[tuple[list[tuple[Node, int]], Node]] = []
        waiting: set[int] = set()
        while len(leaves) < count:
            path, node = self._descend(root)
            if id(node) in waiting:
                for above, index in path:
                    above.visits[index] -= 1
                    above.total[index] += 1
                break
            if node.ended is None:
                waiting.add(id(node))
            leaves.append((path, node))
        return leaves

    def _descend(self, root: Node) -> tuple[list[tuple[Node, int]], Node]:
        """Follow the best moves to a position that is not evaluated yet, or ends a game."""
        node, path = root, []
        while node.points is not None and node.ended is None:
            index = node.select(self.config.exploration)
            node.visits[index] += 1
            node.total[index] -= 1
            path.append((node, index))
            node = node.child(index)
        return path, node

    def _evaluate(self, leaves: list[tuple[list[tuple[Node, int]], Node]]) -> None:
        """Evaluate positions at once, add their moves, and replace the losses above them by their values."""
        fresh = [node for _, node in leaves if node.ended is None]
        values: dict[int, float] = {}
        if fresh:
            logits, value = self.evaluator([node.board for node in fresh])
            for row, node in enumerate(fresh):
                node.expand(np.asarray(logits[row], float))
                values[id(node)] = 0.0 if value is None else float(value[row])
        for path, node in leaves:
            of, mover = values[id(node)] if node.ended is None else node.ended, node.board.to_play
            for above, index in path:
                above.total[index] += 1 + (of if above.board.to_play == mover else -of)


def _among(root: Node, allowed: np.ndarray) -> np.ndarray:
    """Return which of a root's moves are allowed; where no point is, a pass, which is added if need be."""
    size, points = root.board.size, allowed.ravel()
    none = not (points & np.isin(np.arange(size * size), np.asarray(root.points))).any()
    if none:
        _add_pass(root)
    return np.append(points, none or root.weighs_pass)[np.asarray(root.points)]


def _add_pass(root: Node) -> None:
    """Add a pass to the moves of a position that has none."""
    size = root.board.size
    if root.points is None or size * size in root.points:
        return
    root.points = np.append(root.points, size * size)
    root.prior = np.append(root.prior, 1 / (size * size + 1))
    root.visits, root.total = np.append(root.visits, 0.0), np.append(root.total, 0.0)
    root.children.append(None)


def _descendant(root: Node, board: Board) -> Node | None:
    """Return the node of a position that follows from the root's by moves; None where the tree has none."""
    before, now = root.board.history, board.history
    if now[: len(before)] != before or root.board.rules != board.rules or root.board.size != board.size:
        return None
    node: Node | None = root
    for move in now[len(before) :]:
        if node is None or node.points is None or node.board.to_play != move.colour:
            return None
        number = board.size**2 if move.point is None else move.point[0] * board.size + move.point[1]
        where = np.flatnonzero(node.points == number)
        node = node.children[int(where[0])] if len(where) else None
    return node if node is not None and np.array_equal(node.board.state, board.state) else None


def analysis_of(root: Node) -> Analysis:
    """Sum up what a search has found.

    Args:
        root: the root of a tree, evaluated.

    Returns:
        The moves and their visits.
    """
    moves = []
    for index in root.order():
        visits = int(root.visits[index])
        mean = float(root.total[index] / visits) if visits else 0.0
        moves.append(
            Candidate(root.point(index), visits, mean, float(root.prior[index]), _line(root, int(index)))
        )
    visits = sum(move.visits for move in moves)
    value = sum(move.visits * move.value for move in moves) / visits if visits else 0.0
    return Analysis(visits, value, tuple(moves))


def _line(root: Node, index: int) -> tuple[Point | None, ...]:
    """Return a move and the most visited ones after it."""
    line, node = [root.point(index)], root.children[index]
    while node is not None and node.points is not None and node.visits.any() and len(line) < LONGEST_LINE:
        best = int(node.order()[0])
        line.append(node.point(best))
        node = node.children[best]
    return tuple(line)
