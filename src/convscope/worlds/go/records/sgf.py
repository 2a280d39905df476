"""Read and write games as SGF: repaired where that is safe, refused with a reason where it is not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from convscope.errors import DataError, MissingError
from convscope.system.files import read_bytes
from convscope.worlds.go.board import Board, Move, Rules
from convscope.worlds.go.points import BLACK, WHITE, Colour, IllegalMove
from convscope.worlds.go.records.encodings import decode
from convscope.worlds.go.rules import engine

MOST_BYTES = 2**22
"""Bytes of the largest SGF file that is read."""
HEADLESS = re.compile(r"\(\s*(?=(?:[A-Z]{1,2}\s*\[))")
"""The beginning of a game whose first node lacks its semicolon."""
HINT = "Open it in a Go editor and save it again."


@dataclass(frozen=True)
class SgfGame:
    """The main line of one game.

    Attributes:
        size: side of the board.
        moves: the moves in order.
        black: points set up for black before the first move.
        white: points set up for white.
        komi: points that white gets.
        to_play: who is to move after the last move.
        black_name: of the player of black; may be empty.
        white_name: of the player of white; may be empty.
        result: as the file has it, such as `B+3.5` or `W+R`; may be empty.
        encoding: Python's name of the encoding that the file was read in.
        warnings: what was repaired or left out, as sentences.
    """

    size: int
    moves: tuple[Move, ...] = ()
    black: tuple[tuple[int, int], ...] = ()
    white: tuple[tuple[int, int], ...] = ()
    komi: float = 0.0
    to_play: Colour = BLACK
    black_name: str = ""
    white_name: str = ""
    result: str = ""
    encoding: str = "utf-8"
    warnings: tuple[str, ...] = ()

    @property
    def winner(self) -> int:
        """1 black, 2 white, 0 unknown or nobody."""
        return {"B+": BLACK, "W+": WHITE}.get(self.result.strip()[:2].upper(), 0)

    def board(self, moves: int | None = None, rules: Rules | None = None) -> Board:
        """Play the game.

        Args:
            moves: how many moves; all if left out.
            rules: by default the file's komi, with suicide.

        Returns:
            The board, with the history.

        Raises:
            DataError: a move is illegal, or there are not so many.
        """
        count = len(self.moves) if moves is None else moves
        if not 0 <= count <= len(self.moves):
            raise DataError(
                f"a move from 0 to {len(self.moves)}",
                received=str(count),
                hint="Name a move of the game: game.sgf@57.",
            )
        board = Board(self.size, rules or Rules(self.komi, suicide=True))
        if self.black or self.white:
            board.set_up(self.black, self.white)
        for number, move in enumerate(self.moves[:count], start=1):
            try:
                board.play(move.point, move.colour)
            except IllegalMove as error:
                raise DataError(
                    f"a legal move {number}",
                    received=error.received,
                    hint=f"The position before it: @{number - 1}",
                ) from None
        board.to_play = self.moves[count].colour if count < len(self.moves) else self.to_play
        return board


def read_sgf(source: str | PathLike[str] | bytes) -> SgfGame:
    """Read the main line of the first game in an SGF file.

    A missing semicolon before the first property is put there; moves after what cannot be read, and stones
    that are set up in the middle of a game, are left out. Each is said in `warnings`.

    Args:
        source: the file, or its bytes.

    Returns:
        The game.

    Raises:
        DataError: the file is missing, too large, or no game of Go on a board of 2 to 25 points a side.
        MissingError: sgfmill is not installed.
    """
    where = "these bytes" if isinstance(source, bytes) else str(source)
    try:
        content = source if isinstance(source, bytes) else read_bytes(source, MOST_BYTES)
    except (OSError, ValueError) as error:
        raise DataError(
            f"an SGF file at {where}",
            received=str(error),
            hint="Name a file that a Go program has saved as SGF.",
        ) from None
    text, encoding = decode(content)
    warnings: list[str] = []
    opening = text.find("(")
    headless = HEADLESS.match(text, opening) if opening >= 0 else None
    if headless:
        text = f"{text[:opening]}(;{text[headless.end() :]}"
        warnings.append("The semicolon before the first property was missing.")
    tree = _parsed(text, where)
    return _game(tree, encoding, warnings, where)


def _parsed(text: str, where: str):
    """Return sgfmill's tree of a text."""
    try:
        from sgfmill.sgf import Sgf_game
    except ImportError as error:
        raise MissingError(
            "the package sgfmill, which reads SGF files",
            received=str(error),
            hint="Install them: pip install numba sgfmill",
        ) from None
    try:
        return Sgf_game.from_bytes(text.encode("utf-8", "replace"), override_encoding="UTF-8")
    except (ValueError, RecursionError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"a game of Go as SGF in {where}", received=str(error)[:120], hint=HINT) from None


def _game(tree, encoding: str, warnings: list[str], where: str) -> SgfGame:
    """Read what is used of sgfmill's tree."""
    root, size = tree.get_root(), tree.get_size()
    if not engine.SMALLEST <= size <= engine.LARGEST:
        raise DataError(
            f"a board of {engine.SMALLEST} to {engine.LARGEST} points a side in {where}",
            received=str(size),
            hint="Other boards cannot be played on here.",
        )
    setup, moves = ([], []), []
    to_play: Colour | None = None
    for number, node in enumerate(tree.main_sequence_iter()):
        try:
            if node.has_setup_stones():
                if moves:
                    warnings.append(f"Stones are set up after move {len(moves)}: the rest is left out.")
                    break
                black, white, _ = node.get_setup_stones()
                setup[0].extend(sorted((size - 1 - row, column) for row, column in black))
                setup[1].extend(sorted((size - 1 - row, column) for row, column in white))
            if node.has_property("PL"):
                to_play = BLACK if node.get("PL") == "b" else WHITE
            colour, point = node.get_move()
        except (ValueError, KeyError, IndexError, TypeError) as error:
            warnings.append(f"Node {number} cannot be read ({str(error)[:60]}): the rest is left out.")
            break
        if colour is not None:
            place = None if point is None else (size - 1 - point[0], point[1])
            moves.append(Move(BLACK if colour == "b" else WHITE, place))
            to_play = None
    if to_play is None:
        to_play = _next(moves, setup)
    texts = {name: _text(root, name, warnings) for name in ("PB", "PW", "RE")}
    return SgfGame(
        size,
        tuple(moves),
        tuple(setup[0]),
        tuple(setup[1]),
        _komi(root, warnings),
        to_play,
        texts["PB"],
        texts["PW"],
        texts["RE"],
        encoding,
        tuple(warnings),
    )


def _next(moves: Sequence[Move], setup: tuple[list, list]) -> Colour:
    """Return who is to move where the file does not say: the other colour, white after a handicap."""
    if moves:
        return WHITE if moves[-1].colour == BLACK else BLACK
    return WHITE if setup[0] and not setup[1] else BLACK


def _text(root, name: str, warnings: list[str]) -> str:
    """Return a text of the first node; empty where there is none."""
    try:
        return str(root.get(name)).strip() if root.has_property(name) else ""
    except (ValueError, KeyError, IndexError, TypeError):
        warnings.append(f"{name} cannot be read.")
        return ""


def _komi(root, warnings: list[str]) -> float:
    """Return the komi; 0 where there is none or it is no number."""
    try:
        komi = float(root.get("KM")) if root.has_property("KM") else 0.0
    except (ValueError, KeyError, IndexError, TypeError):
        komi = float("nan")
    if not abs(komi) <= 1000:
        warnings.append("The komi cannot be read: it counts as 0.")
        return 0.0
    return komi


def write_sgf(game: SgfGame | Board) -> bytes:
    """Write a game as SGF, in UTF-8, which it says (`CA[UTF-8]`).

    Args:
        game: a game, or a board with its history.

    Returns:
        The bytes of the file.

    Raises:
        MissingError: sgfmill is not installed.
    """
    found = game if isinstance(game, SgfGame) else game_of(game)
    tree = _parsed(f"(;SZ[{found.size}])", "a new game")
    root = tree.get_root()
    root.set("AP", ("convscope", ""))
    root.set("KM", found.komi)
    for name, text in (("PB", found.black_name), ("PW", found.white_name), ("RE", found.result)):
        if text:
            root.set(name, text)
    if found.black or found.white:
        root.set_setup_stones(
            *([_flipped(point, found.size) for point in side] for side in (found.black, found.white))
        )
        if not found.moves:
            root.set("PL", "bw"[found.to_play - 1])
    for move in found.moves:
        node = tree.extend_main_sequence()
        node.set_move("bw"[move.colour - 1], None if move.point is None else _flipped(move.point, found.size))
    return tree.serialise()


def game_of(board: Board) -> SgfGame:
    """Return the game that led to a board.

    Args:
        board: with the moves since the beginning, or since stones were set up.

    Returns:
        The game, without names and result.
    """
    first = board.copy()
    while first.history:
        first.undo()
    black, white = (
        tuple((int(row), int(column)) for row, column in np.argwhere(first.stones == colour))
        for colour in (1, 2)
    )
    return SgfGame(board.size, board.history, black, white, board.rules.komi, board.to_play)


def _flipped(point: tuple[int, int], size: int) -> tuple[int, int]:
    """Return a point with rows from below, as sgfmill has them."""
    return size - 1 - point[0], point[1]
