"""Players: what chooses moves, by a policy alone, by search, or at random."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from convscope.use.go.evaluators import Evaluator, UniformPolicy, move_probabilities
from convscope.use.go.moves import candidates, ends_by_passing
from convscope.use.go.search import Analysis, Candidate, Node, Point, TreeSearch, analysis_of
from convscope.worlds.go import Board

SURE = 32
"""A player resigns only after so many visits: fewer say little."""


@dataclass(frozen=True)
class Choice:
    """A player's answer.

    Attributes:
        point: where to play; None for a pass.
        resigns: whether the player gives up instead.
        winrate: probability of winning, 0 to 1; None where the player has no opinion.
    """

    point: Point | None
    resigns: bool = False
    winrate: float | None = None


class MoveSearch(Protocol):
    """Interface of a player's thoughts about a position so far."""

    def analysis(self) -> Analysis:
        """Return the moves that were looked at."""
        ...

    def decide(self) -> Choice:
        """Return the move that the player would make now; where it draws at random, each call draws."""
        ...


class Player(Protocol):
    """Interface of a player: moves for a position, whoever's turn it is.

    Attributes:
        name: of the player.
        search: a tree search with the player's evaluator, for analyses.
    """

    name: str
    search: TreeSearch

    def iter_search(self, board: Board, seconds: float | None = None) -> Iterator[MoveSearch]:
        """Think about a position.

        Args:
            board: the position; not changed.
            seconds: when to end at the latest; None for no limit.

        Yields:
            The thoughts so far, at least once; the last are the answer.
        """
        ...


def choose_move(player: Player, board: Board, seconds: float | None = None) -> Choice:
    """Return a player's move.

    Args:
        player: who moves.
        board: the position; not changed.
        seconds: as for `Player.iter_search`.

    Returns:
        The move, a pass, or that the player resigns.
    """
    *_, last = player.iter_search(board, seconds)
    return last.decide()


@dataclass(frozen=True)
class _Weighed:
    """Moves with weights by which one is chosen: the heaviest, or one drawn."""

    found: Analysis
    weights: tuple[float, ...]
    draw: random.Random | None
    resigns: bool = False
    winrate: float | None = None

    def analysis(self) -> Analysis:
        """Return the moves."""
        return self.found

    def decide(self) -> Choice:
        """Return the heaviest move, or one drawn in proportion to the weights."""
        moves = self.found.moves
        if self.resigns or self.draw is None or not any(self.weights):
            best = max(range(len(moves)), key=lambda index: (self.weights[index], -index))
        else:
            (best,) = self.draw.choices(range(len(moves)), self.weights)
        return Choice(moves[best].point, self.resigns, self.winrate)


def _only_pass() -> _Weighed:
    """Return the thoughts of a player who passes."""
    return _Weighed(Analysis(0, 0.0, (Candidate(None, 0, 0.0, 1.0, (None,)),)), (1.0,), None)


class PolicyPlayer:
    """A player who asks the policy alone: the most probable move, or one drawn from it.

    It passes where no candidate is left (`moves.candidates`), and where the opponent has passed and passing
    wins (`moves.ends_by_passing`).

    Args:
        evaluator: the policy.
        temperature: 0 for the most probable move; else moves are drawn from the probabilities to the power of
            1 / temperature.
        seed: of the draws.
        name: of the player.
        search: what analyses search with; one of the evaluator if left out.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        temperature: float = 0.0,
        seed: int = 0,
        name: str = "policy",
        search: TreeSearch | None = None,
    ) -> None:
        self.evaluator, self.temperature, self.name = evaluator, temperature, name
        self.search = search or TreeSearch(evaluator)
        self._draw = random.Random(seed)

    def iter_search(self, board: Board, seconds: float | None = None) -> Iterator[MoveSearch]:
        """Evaluate a position.

        Args:
            board: the position; not changed.
            seconds: not used: the policy is asked once.

        Yields:
            The candidates with their probabilities, once.
        """
        allowed = candidates(board)
        if ends_by_passing(board) or not allowed.any():
            yield _only_pass()
            return
        logits, value = self.evaluator([board])
        size = board.size
        shares = move_probabilities(np.asarray(logits[0], float), allowed.ravel(), logits.shape[1] > size**2)
        order = [int(index) for index in np.argsort(-shares, kind="stable") if shares[index] > 0]
        points = [None if index == size**2 else divmod(index, size) for index in order]
        mean = 0.0 if value is None else float(value[0])
        moves = tuple(
            Candidate(point, 0, mean, float(shares[index]), (point,))
            for index, point in zip(order, points, strict=True)
        )
        weights = _tempered(tuple(move.prior for move in moves), self.temperature)
        winrate = None if value is None else (1 + mean) / 2
        draw = self._draw if self.temperature else None
        yield _Weighed(Analysis(0, mean, moves), weights, draw, winrate=winrate)


def random_player(seed: int = 0) -> PolicyPlayer:
    """Build a player who draws evenly from the candidates.

    Args:
        seed: of the draws.

    Returns:
        The player; it fills no eye of its own, and passes where nothing is left.
    """
    return PolicyPlayer(UniformPolicy(), 1.0, seed, "random")


def _tempered(weights: tuple[float, ...], temperature: float) -> tuple[float, ...]:
    """Return weights to the power of 1 / temperature, the largest 1; unchanged at temperature 0."""
    most = max(weights)
    if not temperature or not most:
        return weights
    return tuple((weight / most) ** (1 / temperature) for weight in weights)


class SearchPlayer:
    """A player who searches: the most visited move, or one drawn by visits in the opening.

    It passes as `PolicyPlayer` does. A single candidate is played at once.

    Args:
        search: the tree search, whose tree is kept from move to move.
        temperature: 0 for the most visited move; else the first moves of a game are drawn from visits to the
            power of 1 / temperature.
        drawn: how many moves of a game are drawn; the most visited are played after them.
        resign: the player gives up where its best move wins with less than this probability; 0 for never.
            Without values it never does.
        seconds: when a search ends at the latest, where nobody else says; None for no limit.
        seed: of the draws.
        name: of the player.
    """

    def __init__(
        self,
        search: TreeSearch,
        *,
        temperature: float = 0.0,
        drawn: int = 30,
        resign: float = 0.0,
        seconds: float | None = None,
        seed: int = 0,
        name: str = "search",
    ) -> None:
        self.search, self.name = search, name
        self.temperature, self.drawn, self.resign, self.seconds = temperature, drawn, resign, seconds
        self._draw = random.Random(seed)

    def iter_search(self, board: Board, seconds: float | None = None) -> Iterator[MoveSearch]:
        """Search from a position, until the search's visits are reached or the time is over.

        Args:
            board: the position; not changed.
            seconds: when to end at the latest, after the batch then running; the player's own limit if left
                out.

        Yields:
            The thoughts after each batch.
        """
        seconds = self.seconds if seconds is None else seconds
        started = time.monotonic()
        allowed = candidates(board)
        if ends_by_passing(board) or not allowed.any():
            yield _only_pass()
            return
        drawing = bool(self.temperature) and len(board.history) < self.drawn
        for root in self.search.iter_search(board, allowed=allowed):
            yield _Searched(root, self.temperature, self._draw if drawing else None, self.resign)
            if seconds is not None and time.monotonic() - started >= seconds:
                return
            if allowed.sum() == 1 and root.visits.any():
                return


@dataclass(frozen=True)
class _Searched:
    """The thoughts of a search; they grow with the tree."""

    root: Node
    temperature: float
    draw: random.Random | None
    resign: float

    def analysis(self) -> Analysis:
        """Return the moves so far."""
        return analysis_of(self.root)

    def decide(self) -> Choice:
        """Return the most visited move, one drawn by visits, or that the player resigns."""
        found = analysis_of(self.root)
        weights = [move.visits for move in found.moves]
        if not any(weights):
            weights = [move.prior for move in found.moves]
        best = found.moves[0].winrate
        resigns = found.visits >= SURE and best < self.resign
        tempered = _tempered(tuple(map(float, weights)), self.temperature if self.draw else 0.0)
        return _Weighed(found, tempered, self.draw, resigns, best if found.visits else None).decide()
