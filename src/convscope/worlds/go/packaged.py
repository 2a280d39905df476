"""The games that ship, GNU Go with itself on 9x9, as positions to learn from and to test on."""

from convscope.worlds.dataset import LabelledDataset

NAME = "go-9x9"
TESTED, SEED = 0.1, 0
"""Share of the games that is tested on, and what draws them: the same ones in every training."""


def train() -> LabelledDataset:
    """Return the positions to learn from, in the planes for small networks.

    Returns:
        `GoPositions`.
    """
    return _part(0)


def test() -> LabelledDataset:
    """Return the positions to test on: of other games.

    Returns:
        `GoPositions`.
    """
    return _part(1)


def _part(number: int) -> LabelledDataset:
    """Return one part of the games; numba is imported here, not where data sets are listed."""
    from convscope.worlds.go.positions import GoPositions
    from convscope.worlds.go.records.tables import read_games

    return GoPositions(read_games(NAME).split(TESTED, SEED)[number])
