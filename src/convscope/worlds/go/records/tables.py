"""Many games in memory: their moves as flat arrays, read from tables, SGF files, folders and zips."""

import io
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Self

import numpy as np

from convscope.errors import DataError, UsageError
from convscope.system.files import read_bytes
from convscope.worlds.dataset import Problem
from convscope.worlds.go import symmetry
from convscope.worlds.go.board import Board, Rules
from convscope.worlds.go.points import BLACK, WHITE, Colour
from convscope.worlds.go.records.sgf import MOST_BYTES, SgfGame, read_sgf
from convscope.worlds.go.rules import engine, features

MOST_TABLE_BYTES = 2**28
"""Bytes of the largest table that is read."""
PACKAGED = "go-9x9"
"""Name of the games that ship: GNU Go with itself on 9x9, made by scripts/make_go9_games.py."""
SIZES = (9, 13, 19)
"""Sizes that are tried for tables, which do not say theirs."""
WINNERS = {"B": BLACK, "W": WHITE}


@dataclass(frozen=True)
class GameRecord:
    """One game.

    Attributes:
        size: side of the board.
        moves: int16, each a flat point (`rules.engine`; 0 a pass) and the colour, shifted by
            `features.WHITE_BIT`.
        komi: points that white gets.
        winner: 1 black, 2 white, 0 unknown or nobody.
        stones: `[size, size]` int8 set up before the first move; None for an empty board.
        opening: number of moves at the beginning that are not to be learned from, such as random ones.
        name: of the game, for messages.
    """

    size: int
    moves: np.ndarray
    komi: float = 0.0
    winner: int = 0
    stones: np.ndarray | None = None
    opening: int = 0
    name: str = ""


@dataclass(frozen=True, eq=False)
class GameRecords:
    """Many games on boards of one size.

    Attributes:
        size: side of the board.
        moves: int16 `[moves of all games]`, one game after the other, as `GameRecord.moves`.
        starts: int64 `[games + 1]`, where each begins.
        komi: float32 `[games]`.
        winners: int8 `[games]`: 1 black, 2 white, 0 unknown or nobody.
        openings: int32 `[games]`, moves that are not to be learned from.
        stones: int8 `[games, size, size]` set up before; `[0, size, size]` where no game has any.
        name: of the collection.
        problems: games that were cut or left out, with the reason.
    """

    size: int
    moves: np.ndarray
    starts: np.ndarray
    komi: np.ndarray
    winners: np.ndarray
    openings: np.ndarray
    stones: np.ndarray
    name: str = "games"
    problems: tuple[Problem, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, games: Sequence[GameRecord], name: str = "games", problems: Iterable[Problem] = ()) -> Self:
        """Collect games; illegal moves end a game, and games that came before are left out.

        Two games are the same if their moves are, in any of the eight symmetries: on both sides of a split,
        they would be tested on what was learned. Both are noted among the problems.

        Args:
            games: games of one size.
            name: of the collection.
            problems: what is wrong already.

        Returns:
            The collection.

        Raises:
            DataError: there are no games with a legal move, or boards of several sizes.
        """
        found, kept, seen = list(problems), [], dict[bytes, str]()
        for game in games:
            state = engine.empty_state(game.size)
            if game.stones is not None:
                state = engine.set_up(game.stones, game.size)
            legal = int(features.first_illegal(state, game.size, game.moves, True))
            if legal < len(game.moves):
                found.append(Problem(game.name, "damaged", f"move {legal + 1} is illegal: the game is cut"))
            key = _canonical(game, legal)
            if legal and key in seen:
                found.append(Problem(game.name, "duplicate", f"the same game as {seen[key]}: left out"))
            elif legal:
                seen[key] = game.name
                kept.append((game, game.moves[:legal]))
        sizes = {game.size for game, _ in kept}
        if len(sizes) != 1:
            received = f"boards of {', '.join(map(str, sorted(sizes)))}" if sizes else "none"
            raise DataError(
                "games with moves, on boards of one size",
                received=f"{received}, in {name}",
                hint="Give games of one size, each with a move.",
            )
        (size,) = sizes
        blank = np.zeros((size, size), np.int8)
        stones = [game.stones if game.stones is not None else blank for game, _ in kept]
        some = any(game.stones is not None for game, _ in kept)
        return cls(
            size,
            np.concatenate([moves for _, moves in kept]).astype(np.int16),
            np.cumsum([0, *(len(moves) for _, moves in kept)]).astype(np.int64),
            np.array([game.komi for game, _ in kept], np.float32),
            np.array([game.winner for game, _ in kept], np.int8),
            np.array([game.opening for game, _ in kept], np.int32),
            np.stack(stones).astype(np.int8) if some else np.empty((0, size, size), np.int8),
            name,
            tuple(found),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __repr__(self) -> str:
        extent = f"{self.size}x{self.size}"
        return f"GameRecords({self.name}: {len(self):,} games of {len(self.moves):,} moves, {extent})"

    def board(self, game: int, moves: int) -> Board:
        """Play the moves of a game.

        Args:
            game: its number, from 0.
            moves: how many moves; all where there are fewer.

        Returns:
            The board, with its history; whose turn it is follows from the next move.
        """
        first, last = self.starts[game], self.starts[game + 1]
        board = Board(self.size, Rules(float(self.komi[game]), suicide=True))
        if len(self.stones) and self.stones[game].any():
            stones = (list(map(tuple, np.argwhere(self.stones[game] == colour))) for colour in (1, 2))
            board.set_up(*stones)
        for move in self.moves[first : min(first + moves, last)].tolist():
            point = move & features.POINT
            row, column = divmod(point, self.size + 1)
            board.play((row - 1, column - 1) if point else None, _colour(move))
        if first + moves < last:
            board.to_play = _colour(int(self.moves[first + moves]))
        return board

    def take(self, games: Sequence[int] | np.ndarray) -> Self:
        """Return some of the games.

        Args:
            games: their numbers, from 0; this becomes their order.

        Returns:
            A collection of the same kind.
        """
        chosen = np.asarray(games, np.int64)
        lengths = self.starts[chosen + 1] - self.starts[chosen]
        parts = [self.moves[self.starts[game] : self.starts[game + 1]] for game in chosen]
        return type(self)(
            self.size,
            np.concatenate(parts) if parts else self.moves[:0],
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            self.komi[chosen],
            self.winners[chosen],
            self.openings[chosen],
            self.stones[chosen] if len(self.stones) else self.stones,
            self.name,
        )

    def split(self, share: float = 0.1, seed: int = 0) -> tuple[Self, Self]:
        """Divide the collection by game: no position of a game to test on is learned from.

        Args:
            share: of the games to test on, 0 to 1.
            seed: of the order in which they are drawn.

        Returns:
            Games to learn from, and games to test on.

        Raises:
            UsageError: one of the parts would be empty.
        """
        held_out = round(len(self) * share)
        if not 0 < held_out < len(self):
            raise UsageError(
                "games for both parts",
                received=f"a share of {share} of {len(self)} games to test on",
                hint="Take more games, or another share.",
            )
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(self))
        return self.take(np.sort(order[held_out:])), self.take(np.sort(order[:held_out]))


def _canonical(game: GameRecord, moves: int) -> bytes:
    """Return what is the same for a game in all eight symmetries."""
    size, played = game.size, game.moves[:moves].astype(np.int64)
    point, colour = played & features.POINT, played >> features.WHITE_BIT
    row, column = np.divmod(point, size + 1)
    place, passes = (row - 1) * size + column - 1, point == engine.PASS
    stones = np.zeros(size * size, np.int8) if game.stones is None else game.stones.astype(np.int8).ravel()
    views, board = [], np.empty_like(stones)
    for table in symmetry.point_map(size).numpy():
        turned = np.where(passes, -1, table[np.where(passes, 0, place)])
        board[table] = stones
        views.append(board.tobytes() + (turned * 4 + colour).astype(np.int16).tobytes())
    return min(views)


def _colour(move: int) -> Colour:
    """Return who made a recorded move."""
    return WHITE if move >> features.WHITE_BIT == WHITE else BLACK


def read_table(path: str | Path, size: int | None = None, name: str = "") -> GameRecords:
    """Read games from a table: one game a line, with tabs between label, komi, result and moves.

    Moves are two letters each as SGF has them, black first, `tt` for a pass. A fifth column may hold the
    number of moves at the beginning that are not to be learned from.

    Args:
        path: the file, plain or compressed (`.xz`).
        size: side of the board; by default the smallest of 9, 13 and 19 that holds all moves.
        name: of the collection; the file's name if left out.

    Returns:
        The games.

    Raises:
        DataError: the file is missing or no such table; lines that cannot be read are left out, and noted.
    """
    path = Path(path)
    try:
        content = read_bytes(path, MOST_TABLE_BYTES)
        if path.suffix == ".xz":
            content = lzma.LZMADecompressor().decompress(content, MOST_TABLE_BYTES)
        lines = content.decode("utf-8").splitlines()
    except (OSError, ValueError, lzma.LZMAError, EOFError) as error:
        raise DataError(
            f"a table of games at {path}",
            received=str(error)[:200],
            hint="One game a line, with tabs: label, komi, result, moves.",
        ) from None
    rows = [line.split("\t") for line in lines]
    if size is None:
        letters = {ord(c) - 97 for row in rows if len(row) > 3 for c in set(row[3].strip().replace("tt", ""))}
        size = next((s for s in SIZES if all(0 <= k < s for k in letters)), SIZES[-1])
    games, problems = [], []
    for number, row in enumerate(rows, start=1):
        try:
            games.append(_game_of_row(row, size, f"{path.name}:{number}"))
        except (ValueError, IndexError) as error:
            problems.append(Problem(f"{path.name}:{number}", "damaged", str(error)[:100]))
    return GameRecords.of(games, name or path.name, problems)


def _game_of_row(row: list[str], size: int, name: str) -> GameRecord:
    """Read one line of a table."""
    if len(row) not in (4, 5):
        raise ValueError(f"{len(row)} columns in place of 4 or 5")
    moves = flat_moves(row[3].strip(), size)
    winner = WINNERS.get(row[2].strip()[:1].upper(), 0)
    opening = int(row[4]) if len(row) == 5 else 0
    return GameRecord(size, moves, float(row[1] or 0), winner, None, opening, name)


def flat_moves(letters: str, size: int) -> np.ndarray:
    """Read alternating moves, black first.

    Args:
        letters: two for each move, column then row from the top left; `tt` is a pass.
        size: side of the board.

    Returns:
        int16, as `GameRecord.moves`.

    Raises:
        ValueError: a move is not on the board.
    """
    pairs = np.frombuffer(letters.encode("ascii"), np.uint8).astype(np.int64)
    if len(pairs) % 2:
        raise ValueError("an odd number of letters")
    columns, rows = pairs[::2] - 97, pairs[1::2] - 97
    passes = (columns == 19) & (rows == 19)
    if not (passes | ((columns >= 0) & (columns < size) & (rows >= 0) & (rows < size))).all():
        raise ValueError(f"a move that is not on a board of {size}x{size}")
    points = np.where(passes, engine.PASS, (rows + 1) * (size + 1) + columns + 1)
    colours = np.where(np.arange(len(points)) % 2, WHITE, BLACK)
    return (points | (colours << features.WHITE_BIT)).astype(np.int16)


def read_games(source: str | Path) -> GameRecords:
    """Read games by name or from files.

    Args:
        source: `go-9x9`, the games that ship; a table (`.tsv`, `.tsv.xz`); an SGF file; a folder or zip of
            SGF files. Of several sizes of boards, games of the most frequent one are taken.

    Returns:
        The games; files that cannot be read are left out, and noted.

    Raises:
        DataError: the source is missing, or holds no games.
    """
    if str(source) == PACKAGED:
        with as_file(files("convscope.worlds.go") / "data" / "gnugo_9x9.tsv.xz") as path:
            return read_table(path, 9, PACKAGED)
    path = Path(source)
    if path.suffix.lower() in (".tsv", ".xz"):
        return read_table(path)
    found, problems = [], []
    for name, content in _sgf_files(path):
        try:
            if isinstance(content, Exception):
                raise DataError("a readable file", received=str(content), hint="Check its permissions.")
            found.append(record_of(read_sgf(content), name))
        except DataError as error:
            problems.append(Problem(name, "damaged", str(error)[:200]))
    sizes = Counter(record.size for record in found)
    if not sizes:
        raise DataError(
            f"SGF files, or a table of games (.tsv, .tsv.xz), at {path}",
            received="no game",
            hint="Name a file, folder or zip that holds some.",
        )
    (size, _), *_ = sizes.most_common()
    problems += [
        Problem(
            record.name, "damaged", f"a board of {record.size}x{record.size}, where most have {size}x{size}"
        )
        for record in found
        if record.size != size
    ]
    return GameRecords.of([record for record in found if record.size == size], path.name, problems)


def record_of(game: SgfGame, name: str = "") -> GameRecord:
    """Return a game as flat moves.

    Args:
        game: the game.
        name: of it, for messages.

    Returns:
        The record.
    """
    size, stones = game.size, None
    if game.black or game.white:
        stones = np.zeros((size, size), np.int8)
        for colour, points in ((BLACK, game.black), (WHITE, game.white)):
            for point in points:
                stones[point] = colour
    moves = [
        (0 if move.point is None else (move.point[0] + 1) * (size + 1) + move.point[1] + 1)
        | (move.colour << features.WHITE_BIT)
        for move in game.moves
    ]
    return GameRecord(size, np.array(moves, np.int16), game.komi, game.winner, stones, 0, name)


def _sgf_files(path: Path) -> Iterator[tuple[str, bytes | Exception]]:
    """Yield name and content of the SGF files at a place: one file, those of a folder, those in a zip."""
    if path.is_dir():
        paths = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".sgf")
    elif path.suffix.lower() != ".zip":
        paths = [path]
    else:
        yield from _zipped(path)
        return
    for one in paths:
        try:
            yield str(one), read_bytes(one, MOST_BYTES)
        except (OSError, ValueError) as error:
            yield str(one), error


def _zipped(path: Path) -> Iterator[tuple[str, bytes | Exception]]:
    """Yield name and content of the SGF files in a zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path, MOST_TABLE_BYTES))) as archive:
            for entry in archive.infolist():
                if not entry.filename.lower().endswith(".sgf"):
                    continue
                with archive.open(entry) as stream:
                    content = stream.read(MOST_BYTES + 1)
                too_large = ValueError(f"more than {MOST_BYTES:,} bytes")
                yield entry.filename, too_large if len(content) > MOST_BYTES else content
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        raise DataError(
            f"a readable zip of SGF files at {path}",
            received=str(error)[:200],
            hint="Unpack it, and name the folder.",
        ) from None
