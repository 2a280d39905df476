"""The world of Go: positions of games as planes, and planes as boards."""

import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.graph.spec import GO, TensorSpec
from convscope.system.files import read_text
from convscope.worlds.arrays import SUFFIX, is_array_file, load_array, open_array
from convscope.worlds.dataset import Dataset
from convscope.worlds.world import Placement, Sample, World

if TYPE_CHECKING:
    from convscope.worlds.images.checking.check import DatasetReport

MOVE_SUFFIX = re.compile(r"^(.*\.sgf)@(\d{1,4})$", re.IGNORECASE)
"""A path with the number of moves: `game.sgf@57`."""
STONES = {".": 0, "+": 0, ",": 0, "X": 1, "#": 1, "●": 1, "O": 2, "○": 2}
"""Signs of diagrams: empty (`+` and `,` on star points), black, white."""
EXAMPLE = 40
"""Moves of the packaged game that `example` shows."""


class GoWorld(World):
    """Read game records (SGF), diagrams, boards and planes; draw boards.

    Of a record the position after its last move is read, or after move N: `game.sgf@57`. A diagram is a text
    of rows from the top: `.` empty, `X` or `#` black, `O` white, with or without coordinates; a line
    `white to play` says whose turn it is, else it is black's where the numbers of stones are equal.
    """

    kind = GO
    thing = "a Go position"
    things = "Go positions"
    suffixes = (".sgf", ".txt", SUFFIX)
    collected = (".sgf",)
    draws_channels = True

    @override
    def open(self, source: Any, spec: TensorSpec) -> Sample:
        from convscope.worlds.go import encode, plane_names

        if isinstance(source, str | PathLike) and is_array_file(source):
            source = load_array(source, spec)
        if isinstance(source, np.ndarray | Tensor):
            return open_array(source, spec)
        board = open_board(source)
        if spec.size != (board.size, board.size):
            raise DataError(
                f"a position on {spec.size[0]}x{spec.size[0]}",
                received=f"{source if isinstance(source, str | Path) else 'a board'} on "
                f"{board.size}x{board.size}",
                hint="Networks are for one size: go-9x9, go-19x19.",
            )
        planes = torch.from_numpy(encode(board, plane_names(spec))).float()
        return Sample(planes, board, _in_place(board.size))

    @override
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw stones as solid as their planes are, and a ring on the last move; one cell for each point.

        A tensor of another size than the spec's is drawn as a part of a board.
        """
        from convscope.worlds.go import plane_names
        from convscope.worlds.go.render import draw_board

        planes = dict(zip(plane_names(spec), tensor.detach().cpu().float().clamp(0, 1), strict=True))
        none = torch.zeros(tensor.shape[-2:])
        own, other = planes.get("own", none), planes.get("opponent", none)
        white = float(planes.get("white", none).mean()) > 0.5
        black_stones, white_stones = (other, own) if white else (own, other)
        strength, stones = torch.stack([black_stones, white_stones]).max(0)
        shown = torch.where(strength > 0.05, stones + 1, 0).numpy()
        age = planes.get("age1", none)
        marked = np.argwhere((age > 0.5).numpy())
        last = tuple(int(k) for k in marked[0]) if len(marked) == 1 else None
        part = tuple(tensor.shape[-2:]) != spec.size
        return draw_board(shown, last=last, strength=strength.numpy(), margin=False, part=part)  # pyright: ignore[reportArgumentType]

    @override
    def example(self, spec: TensorSpec, index: int = 0) -> Sample | None:
        """Return a position of one of the packaged games, on 9x9."""
        if spec.size != (9, 9):
            return None
        from convscope.worlds.go import read_games

        games = read_games("go-9x9")
        return self.open(games.board(index % len(games), EXAMPLE), spec)

    @override
    def has_example(self, spec: TensorSpec) -> bool:
        """Return whether the board is that of the packaged games; the rules need not be compiled."""
        return spec.size == (9, 9)

    @override
    def bundled_data(self, spec: TensorSpec) -> str | None:
        """Return the packaged games, on 9x9."""
        return "go-9x9" if spec.size == (9, 9) else None

    @override
    def first_use(self) -> str:
        """Return that the rules have to be compiled, until they are."""
        from convscope.worlds.go.rules.compiled import is_cached

        return "" if is_cached() else "The rules of Go are compiled now, once; that takes about a minute"

    @override
    def notes(self, sample: Sample) -> tuple[str, ...]:
        """Return what was repaired or left out of the record that a position was read from."""
        return tuple(warning.rstrip(".") for warning in getattr(sample.original, "warnings", ()))

    @override
    def check(self, root: str | Path, *, duplicates: bool = True) -> "DatasetReport":
        from convscope.worlds.go.checking import check_games

        return check_games(root, duplicates=duplicates)

    @override
    def open_folder(self, root: str | Path, split: str | None, spec: TensorSpec) -> Dataset:
        """Open the positions of a folder of SGF files, to be divided by game where parts are named."""
        from convscope.worlds.go import GoPositions, plane_names, read_games

        if split not in (None, "train", "test"):
            raise UsageError(
                "a split of game records: train or test",
                received=str(split),
                hint="Leave the split out for all games.",
            )
        games = read_games(root)
        if split is not None:
            games = games.split()[split == "test"]
        return GoPositions(games, plane_names(spec))


def open_board(source: Any):
    """Read a position.

    Args:
        source: the path of an SGF file, with `@N` for the position after N moves, or of a text file with a
            diagram; a diagram itself (a text of several lines); the bytes of an SGF file; a board.

    Returns:
        The board.

    Raises:
        DataError: it is none of these, or the file is missing or damaged.
    """
    from convscope.worlds.go import Board, read_sgf

    if isinstance(source, Board):
        return source
    if isinstance(source, str) and "\n" in source:
        return parse_diagram(source)
    if isinstance(source, bytes):
        return _of_record(read_sgf(source))
    if not isinstance(source, str | PathLike):
        raise DataError(
            "a Go position: an SGF file, a diagram or a Board",
            received=type(source).__name__,
            hint="Name a file, or give a Board.",
        )
    path = str(source)
    at = MOVE_SUFFIX.match(path)
    if at and not Path(path).exists():
        return _of_record(read_sgf(at[1]), int(at[2]))
    if path.lower().endswith(".txt"):
        try:
            return parse_diagram(read_text(path, 1 << 16))
        except (OSError, ValueError) as error:
            raise DataError(
                f"a text file with a diagram at {path}",
                received=str(error),
                hint="Write the rows of the board there, from the top.",
            ) from None
    return _of_record(read_sgf(path))


def _of_record(game, moves: int | None = None):
    """Return a position of a record, with what was repaired or left out of the record."""
    board = game.board() if moves is None else game.board(moves)
    board.warnings = game.warnings
    return board


def parse_diagram(text: str):
    """Read a position from a diagram.

    Args:
        text: rows from the top, as `str(board)` writes them.

    Returns:
        The board.

    Raises:
        DataError: it is no square of stones, or a chain has no liberties.
    """
    from convscope.worlds.go import Board

    rows, to_play = [], None
    for line in text.splitlines():
        words = line.replace("|", " ").strip()
        said = re.fullmatch(r"(black|white) to (?:play|move)\.?", words, re.IGNORECASE)
        if said:
            to_play = 1 if said[1].lower() == "black" else 2
        signs = re.sub(r"^\d+\s*|\s*\d+$", "", words).replace(" ", "").upper()
        if signs and all(sign in STONES for sign in signs):
            rows.append([STONES[sign] for sign in signs])
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or lengths != {len(rows)}:
        received = f"{len(rows)} rows of {', '.join(map(str, sorted(lengths))) or 'none'}"
        raise DataError(
            "a diagram: as many rows of . X O as columns",
            received=received,
            hint="One line for each row, as print(board) writes them.",
        )
    stones = np.array(rows, np.int8)
    if to_play is None:
        to_play = 2 if (stones == 1).sum() > (stones == 2).sum() else 1
    try:
        return Board.from_stones(stones, to_play=to_play)
    except UsageError as error:
        raise DataError(
            error.expected,
            received=error.received,
            hint="Take those stones off: they would have been captured.",
        ) from None


def _in_place(size: int) -> Placement:
    """Return the placement of a board in itself."""
    return Placement((1.0, 1.0), (0.0, 0.0), (float(size), float(size)))
