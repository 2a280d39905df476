"""Positions of recorded games as a data set: planes, the move that was played, and who won."""

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.graph.spec import GO, TensorSpec
from convscope.worlds.dataset import Indices, LabelledDataset, Problem, checked
from convscope.worlds.go.board import Board
from convscope.worlds.go.planes import ALPHAGO_PLANES, SMALL_PLANES, channels
from convscope.worlds.go.points import vertex
from convscope.worlds.go.records.tables import GameRecords
from convscope.worlds.go.rules import features

PLANES = {
    len(SMALL_PLANES): SMALL_PLANES,
    **{count: ALPHAGO_PLANES[:count] for count in (3, 4, 12, len(ALPHAGO_PLANES))},
}
"""Planes of an input that does not name them, by their number: 3 and 4 are stones, 12 also their ages."""


def plane_names(spec: TensorSpec) -> tuple[str, ...]:
    """Return the planes of an input.

    Args:
        spec: specification of the input; its `vocabulary` names them, else their number decides.

    Returns:
        Names, in the order of the channels.

    Raises:
        UsageError: no choice of planes has that number.
    """
    if len(spec.vocabulary) == spec.channels:
        return spec.vocabulary
    if spec.channels not in PLANES:
        raise UsageError(
            f"a board of {', '.join(map(str, sorted(PLANES)))} planes, or a vocabulary that names them",
            received=f"{spec.channels} planes",
            hint="TensorSpec((2, 9, 9), kind='go', vocabulary=('own', 'opponent'))",
        )
    return PLANES[spec.channels]


class GoPositions(LabelledDataset):
    """The positions of recorded games in which a stone was set, without those of random openings.

    Planes are computed when a batch is asked for, from the moves of the game: nothing of the size of planes
    is kept. Passes are not learned from, and not counted.

    Args:
        games: the records.
        planes: names of planes, in the order of the channels.
        rows: which positions, of all; None for all.

    Attributes:
        games: the records.
        classes: names of the points, row by row from the top.
        labels: the point that was played in each position, an index into `classes`.
        spec: specification of the planes.
    """

    def __init__(
        self, games: GameRecords, planes: Sequence[str] = SMALL_PLANES, rows: np.ndarray | None = None
    ) -> None:
        self.games, self.planes, self.name = games, tuple(planes), games.name
        lengths = np.diff(games.starts)
        game = np.repeat(np.arange(len(games)), lengths)
        ply = np.arange(len(games.moves)) - np.repeat(games.starts[:-1], lengths)
        point = games.moves & features.POINT
        all_rows = np.flatnonzero((point > 0) & (ply >= games.openings[game]))
        chosen = all_rows if rows is None else rows
        self._rows, self._game, self._ply = chosen, game[chosen], ply[chosen]
        n = games.size
        self.classes = tuple(vertex((k // n, k % n), n) for k in range(n * n))
        self.labels: Int64[Tensor, " n"] = torch.from_numpy(self._labels_of(games.moves[chosen]))
        self.spec = TensorSpec((len(self.planes), n, n), kind=GO, vocabulary=self.planes)

    @property
    @override
    def problems(self) -> tuple[Problem, ...]:
        return self.games.problems

    def __repr__(self) -> str:
        return f"GoPositions({len(self):,} of {self.games!r}, {len(self.planes)} planes)"

    def _labels_of(self, moves: np.ndarray) -> np.ndarray:
        """Return the points of moves, row by row from the top; -1 for a pass."""
        point = (moves & features.POINT).astype(np.int64)
        row, column = np.divmod(point, self.games.size + 1)
        return np.where(point > 0, (row - 1) * self.games.size + column - 1, -1)

    def last_moves(self) -> Int64[Tensor, " n"]:
        """Return the move before each position.

        Returns:
            Indices into `classes`; -1 where there is none, or it was a pass.
        """
        before = np.where(self._ply > 0, self.games.moves[np.maximum(self._rows - 1, 0)], 0)
        return torch.from_numpy(self._labels_of(before))

    @cached_property
    def outcomes(self) -> Float[Tensor, " n"]:
        """Who won the game of each position, as the player to move sees it.

        1 where that player won, -1 where the other did, 0 where nobody did, or it is not known.
        """
        winner = self.games.winners[self._game].astype(np.int64)
        of = self.games.moves[self._rows].astype(np.int64) >> features.WHITE_BIT
        value = np.where(winner == 0, 0, np.where(winner == of, 1, -1))
        return torch.from_numpy(value.astype(np.float32))

    def board(self, index: int) -> Board:
        """Return one of the positions with its game.

        Args:
            index: which one, from 0 to `len(self) - 1`.

        Returns:
            The board, before the move that was played.
        """
        return self.games.board(int(self._game[index]), int(self._ply[index]))

    def encoded(self, indices: Indices, planes: Sequence[str] = ()) -> np.ndarray:
        """Compute the planes of some positions.

        Args:
            indices: which ones, from 0 to `len(self) - 1`.
            planes: names of planes; those of the data set if left out.

        Returns:
            `[b, planes, size, size]` uint8 of 0 and 1.
        """
        rows = checked(indices, len(self)).numpy()
        n, planes = self.games.size, tuple(planes) or self.planes
        out = np.empty((len(rows), len(planes), n, n), np.uint8)
        features.fill_batch(
            self.games.moves,
            self.games.starts,
            self.games.stones,
            self._game[rows],
            self._ply[rows],
            n,
            channels(planes),
            out,
        )
        return out

    @override
    def inputs(self, indices: Indices, spec: TensorSpec | None = None) -> Float[Tensor, "b c h w"]:
        """Return the planes of some positions: those of the data set, or of the input of a network."""
        planes = self.planes if spec is None else plane_names(spec)
        return torch.from_numpy(self.encoded(indices, planes)).float()

    @override
    def take(self, indices: Indices) -> Self:
        """Return the subset of some positions."""
        return type(self)(self.games, self.planes, self._rows[checked(indices, len(self)).numpy()])
