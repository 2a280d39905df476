"""Validation of game records: games that are damaged, doubled, or on boards of another size."""

from pathlib import Path

from convscope.worlds.go.packaged import TESTED
from convscope.worlds.go.positions import GoPositions
from convscope.worlds.go.records.tables import read_games
from convscope.worlds.images.checking.check import BadFile, DatasetReport
from convscope.worlds.images.listing import in_text


def check_games(root: str | Path, *, duplicates: bool = True) -> DatasetReport:
    """Validate game records: read every game, play its moves, and compare it with all others.

    Two games are the same if their moves are, in any of the eight symmetries.

    Args:
        root: as for `read_games`.
        duplicates: whether to list games that are there twice; they are left out either way.

    Returns:
        Counts by the size of the board, problems and remarks.

    Raises:
        DataError: there is nothing, or no game.
        MissingError: numba, which compiles the rules, is not installed.
    """
    games = read_games(root)
    problems = [one for one in games.problems if duplicates or one.kind != "duplicate"]
    size, base = f"{games.size}x{games.size}", Path(root)
    faults = []
    if not 0 < round(len(games) * TESTED) < len(games):
        faults.append(
            f"too few games, {len(games)}: of fewer than {_fewest()} none is left to test on by default"
        )
    won = {name: int((games.winners == colour).sum()) for name, colour in (("black", 1), ("white", 2))}
    positions = len(GoPositions(games))
    return DatasetReport(
        folder=in_text(root),
        pictures={"": {size: len(games)}},
        problems=tuple(BadFile(_below(one.path, base), one.kind, one.reason) for one in problems),
        sizes={size: len(games)},
        faults=tuple(faults),
        remarks=(
            f"{positions:,} positions to learn from and to test on",
            f"black won {won['black']:,} games and white {won['white']:,}",
        ),
        thing="game",
        things="games",
    )


def _fewest() -> int:
    """Return the smallest number of games of which one is tested on."""
    return next(count for count in range(2, 1000) if 0 < round(count * TESTED) < count)


def _below(path: str, root: Path) -> str:
    """Return the path of a file below the folder that was checked; of anything else its name."""
    found = Path(path)
    return in_text(found.relative_to(root)) if found.is_relative_to(root) and found != root else in_text(path)
