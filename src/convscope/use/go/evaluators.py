"""What a player thinks of positions: probabilities of moves, and who wins."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from convscope.use.go.playouts import play_out
from convscope.worlds.go import Board


class Evaluation(NamedTuple):
    """What an evaluator returns for a batch of positions.

    Attributes:
        logits: `[b, points]` in row-major order from the top left, or `[b, points + 1]` with the pass last.
        value: `[b]`, the expected result from -1 (a loss) to 1 (a win) of the player to move; None where the
            evaluator has no opinion.
    """

    logits: np.ndarray
    value: np.ndarray | None


class Evaluator(Protocol):
    """Interface of what evaluates positions, such as a policy network."""

    def __call__(self, boards: Sequence[Board]) -> Evaluation:
        """Evaluate positions, each for the player to move.

        Args:
            boards: positions of one size, at least one; not changed.

        Returns:
            Logits and values.
        """
        ...


class UniformPolicy:
    """An evaluator to which all moves are alike, and which does not know who wins."""

    def __call__(self, boards: Sequence[Board]) -> Evaluation:
        """Return equal logits.

        Args:
            boards: positions of one size.

        Returns:
            Zeros, and no value.
        """
        return Evaluation(np.zeros((len(boards), boards[0].size ** 2)), None)


class PlayoutValue:
    """A policy whose values are the mean results of random games.

    Args:
        policy: gives the logits.
        games: random games for each position.
        seed: of their random choices.
    """

    def __init__(self, policy: Evaluator, games: int = 16, seed: int = 0) -> None:
        self.policy, self.games, self.seed = policy, games, seed

    def __call__(self, boards: Sequence[Board]) -> Evaluation:
        """Evaluate positions.

        Args:
            boards: positions of one size.

        Returns:
            The policy's logits, and for each position won less lost games, as a share of all.
        """
        values = []
        for board in boards:
            self.seed += 1
            margins, _ = play_out(board, self.games, self.seed)
            results = np.sign(margins - board.rules.komi).mean()
            values.append(results if board.to_play == 1 else -results)
        return Evaluation(self.policy(boards).logits, np.array(values))


def move_probabilities(logits: np.ndarray, allowed: np.ndarray, passing: bool) -> np.ndarray:
    """Return the probabilities of moves, among those that are allowed.

    Where the logits have none for the pass, it gets the share of an average point: 1 of points + 1.

    Args:
        logits: `[points]` or `[points + 1]`, the pass last.
        allowed: `[points]` bool.
        passing: whether a pass is allowed.

    Returns:
        `[points + 1]`, the pass last; sums to 1. The pass has all where nothing is allowed.
    """
    points = len(allowed)
    wanted = np.append(allowed, passing)
    found = np.zeros(points + 1)
    if not allowed.any():
        found[points] = 1
        return found
    scores = np.full(points + 1, -np.inf)
    scores[: len(logits)] = logits
    scores[~wanted] = -np.inf
    if not np.isfinite(scores).any():  # a policy that is certain of what is not allowed
        found[wanted] = 1 / wanted.sum()
        return found
    found = np.exp(scores - scores.max())
    found /= found.sum()
    if passing and len(logits) == points:
        found *= points / (points + 1)
        found[points] = 1 / (points + 1)
    return found
