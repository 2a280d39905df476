"""What a network that predicts moves has to beat: frequencies, and a linear rule of 3x3 points."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn import functional

from convscope.worlds.go import GoPositions

MOST = 20_000
"""Positions that the linear rule learns from, at most."""
BATCH = 128
NAMES = ("most frequent point", "near the last move", "linear 3x3")


@dataclass(frozen=True)
class TopMoves:
    """How often the move that was played is among the first of a ranking.

    Attributes:
        top1: share of the positions where it is the first, 0 to 1.
        top5: share where it is among the first five.
    """

    top1: float
    top5: float

    @classmethod
    def of(cls, scores: Float[Tensor, "n points"], moves: Int64[Tensor, " n"]) -> "TopMoves":
        """Measure scores.

        Args:
            scores: higher is more likely.
            moves: the points that were played.

        Returns:
            The shares. Points that are no legal move are not left out.
        """
        ranked = scores.topk(min(5, scores.shape[1]), 1).indices == moves[:, None]
        return cls(float(ranked[:, 0].double().mean()), float(ranked.any(1).double().mean()))


def measure_baselines(train: GoPositions, test: GoPositions, seed: int) -> Mapping[str, TopMoves]:
    """Fit the baselines on positions to learn from, and measure them on others.

    Most frequent point: how often each point was played, of those that are empty. Near the last move: how
    often each displacement from the last move was played, of the empty points. Linear 3x3: the softmax of one
    3x3 convolution of the planes, trained by Adam.

    Args:
        train: positions to learn from.
        test: positions to measure on.
        seed: of the linear rule's samples.

    Returns:
        The shares by `NAMES`.
    """
    size = train.games.size
    empty = torch.from_numpy(test.encoded(torch.arange(len(test)), ("empty",))).flatten(1).bool()
    frequency = torch.bincount(train.labels, minlength=size * size).float()
    scores = (
        frequency.expand(len(test), -1),
        _displacement_scores(train, test),
        _linear_scores(train, test, seed),
    )
    barred = (scores[0].masked_fill(~empty, -1), scores[1].masked_fill(~empty, -1), scores[2])
    return {name: TopMoves.of(one, test.labels) for name, one in zip(NAMES, barred, strict=True)}


def _displacement_scores(train: GoPositions, test: GoPositions) -> Float[Tensor, "n points"]:
    """Score points by how often their displacement from the last move was played."""
    size = train.games.size
    span = 2 * size - 1

    def displacement(points: Tensor, last: Tensor) -> Tensor:
        rows = torch.div(points, size, rounding_mode="floor") - torch.div(last, size, rounding_mode="floor")
        return (rows + size - 1) * span + (points % size - last % size + size - 1)

    last = train.last_moves()
    known = last >= 0
    counts = torch.bincount(displacement(train.labels[known], last[known]), minlength=span * span).float()
    before = test.last_moves()
    points = torch.arange(size * size)
    scores = counts[displacement(points[None], before.clamp_min(0)[:, None])]
    first = torch.bincount(train.labels, minlength=size * size).float()
    return torch.where((before >= 0)[:, None], scores, first[None])


def _linear_scores(train: GoPositions, test: GoPositions, seed: int) -> Float[Tensor, "n points"]:
    """Train one 3x3 convolution on some positions, and score the points of others."""
    generator = Generator().manual_seed(seed)
    weight = torch.zeros(1, len(train.planes), 3, 3, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.03)
    order = torch.randperm(len(train), generator=generator)[:MOST]
    for chosen in order.split(BATCH) if len(order) else ():
        scores = functional.conv2d(train.inputs(chosen), weight, padding=1).flatten(1)
        loss = functional.cross_entropy(scores, train.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rows = torch.arange(len(test)).split(1000)
    with torch.no_grad():
        return torch.cat([functional.conv2d(test.inputs(r), weight, padding=1).flatten(1) for r in rows])
