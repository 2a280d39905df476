"""A Go board for Python: moves by the rules, undo, liberties, ladders, scores, in the vertices of GTP."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self, cast

import numpy as np

from convscope.errors import UsageError
from convscope.worlds.go.points import (
    BLACK,
    LETTERS,
    WHITE,
    Colour,
    IllegalMove,
    handicap_points,
    parse_vertex,
    vertex,
)
from convscope.worlds.go.rules import engine, ladders

ZOBRIST_SEED = 20160127


@dataclass(frozen=True)
class Rules:
    """What differs between rules of Go.

    Attributes:
        komi: points that white gets.
        suicide: whether a chain of several stones may take its own last liberty. That of a single stone is
            always forbidden: it would be a pass.
        superko: whether no position of the whole board may come again (positional superko); else only a
            single stone may not be taken back at once (simple ko).
    """

    komi: float = 7.5
    suicide: bool = False
    superko: bool = False


@dataclass(frozen=True)
class Move:
    """One move of a game.

    Attributes:
        colour: 1 black, 2 white.
        point: row and column from the top left, from 0; None for a pass.
    """

    colour: Colour
    point: tuple[int, int] | None


@dataclass(frozen=True)
class Score:
    """An area score: stones and surrounded points, where every stone counts as alive.

    Attributes:
        black: points of black.
        white: points of white, without komi.
        komi: points that white gets.
        owner: `[size, size]`: 1 black, 2 white, 0 neither.
    """

    black: int
    white: int
    komi: float
    owner: np.ndarray

    @property
    def margin(self) -> float:
        """By how much black is ahead; negative where white is."""
        return self.black - self.white - self.komi

    def __str__(self) -> str:
        return "0" if not self.margin else f"{'B' if self.margin > 0 else 'W'}+{abs(self.margin):g}"


@lru_cache
def _zobrist(size: int) -> np.ndarray:
    """Return the random numbers of a size's hashes, `[2, points]`, the same in each process."""
    draw = np.random.Generator(np.random.PCG64(ZOBRIST_SEED + size))
    return draw.integers(0, 2**64, (2, engine.points(size)), np.uint64)


class Board:
    """A position with the game that led to it, by the rules.

    Points are `(row, column)` from the top left, from 0, or texts such as `D4` where a move is given. Colours
    are 1 for black and 2 for white. Moves of one colour in a row are accepted, as GTP has them.

    Args:
        size: side of the board, 2 to 25.
        rules: komi, suicide and superko.

    Attributes:
        size: side of the board.
        rules: as given.
        warnings: what was repaired or left out of the record that it was read from, as sentences.

    Raises:
        UsageError: the size is out of range.
    """

    def __init__(self, size: int = 19, rules: Rules | None = None) -> None:
        if not engine.SMALLEST <= size <= engine.LARGEST:
            raise UsageError(
                f"a board of {engine.SMALLEST} to {engine.LARGEST} points a side",
                received=str(size),
                hint="Most games are on 9, 13 or 19.",
            )
        self.size, self.rules = size, rules or Rules()
        self._state: np.ndarray = engine.empty_state(size)
        self._numbers = engine.SECTIONS * engine.points(size)
        self._before: list[np.ndarray] = []
        self._moves: list[Move] = []
        self._hashes: list[int] = [0]
        self.warnings: tuple[str, ...] = ()

    @classmethod
    def from_stones(cls, colours: np.ndarray, rules: Rules | None = None, to_play: Colour = BLACK) -> Self:
        """Make a board of given stones, without a history.

        Args:
            colours: `[size, size]`: 0 empty, 1 black, 2 white.
            rules: komi, suicide and superko.
            to_play: whose turn it is.

        Returns:
            The board.

        Raises:
            UsageError: it is no square of such numbers, or a chain has no liberty.
        """
        array = np.asarray(colours)
        if array.ndim != 2 or array.shape[0] != array.shape[1] or not np.isin(array, (0, 1, 2)).all():
            raise UsageError(
                "a square of 0, 1 and 2",
                received=f"an array of {array.shape}",
                hint="0 is empty, 1 black, 2 white; rows from the top.",
            )
        board = cls(len(array), rules)
        state = engine.set_up(np.ascontiguousarray(array, np.int8), board.size)
        board._state = state
        for row, column in zip(*np.nonzero(array), strict=True):
            if board.liberties((int(row), int(column))) == 0:
                place = vertex((int(row), int(column)), board.size)
                raise UsageError(
                    "chains with a liberty each",
                    received=f"one without at {place}",
                    hint="Take those stones off: they would have been captured.",
                )
        board.to_play = to_play
        board._hashes = [board._hash()]
        return board

    def __repr__(self) -> str:
        return f"Board({self.size}x{self.size}, {len(self._moves)} moves, {'BW'[self.to_play - 1]} to play)"

    def __str__(self) -> str:
        letters = ".XO"
        rows = [
            f"{self.size - row:2d} " + " ".join(letters[stone] for stone in line)
            for row, line in enumerate(self.stones)
        ]
        return "\n".join([*rows, "   " + " ".join(LETTERS[: self.size])])

    # Positions

    @property
    def state(self) -> np.ndarray:
        """The flat state as `rules.engine` describes it; a view, not to be written to."""
        return self._state

    @property
    def stones(self) -> np.ndarray:
        """The stones, `[size, size]` int8: 0 empty, 1 black, 2 white."""
        step = self.size + 1
        rows = self._state[: step * step].reshape(step, step)[1:, 1:]
        return rows.astype(np.int8)

    @property
    def to_play(self) -> Colour:
        """Whose turn it is; can be set."""
        return cast("Colour", int(self._state[self._numbers + engine.TO_PLAY]))

    @to_play.setter
    def to_play(self, colour: Colour) -> None:
        self._state[self._numbers + engine.TO_PLAY] = colour

    @property
    def ko(self) -> tuple[int, int] | None:
        """The point that may not be taken back at once; None if there is none."""
        return self._point(int(self._state[self._numbers + engine.KO]))

    @property
    def history(self) -> tuple[Move, ...]:
        """The moves so far, passes included."""
        return tuple(self._moves)

    @property
    def last_move(self) -> Move | None:
        """The last move; None at the beginning."""
        return self._moves[-1] if self._moves else None

    @property
    def is_over(self) -> bool:
        """Whether the last two moves were passes."""
        return int(self._state[self._numbers + engine.PASSES]) >= 2

    def prisoners(self, colour: Colour) -> int:
        """Return how many stones a colour has taken.

        Args:
            colour: 1 black, 2 white.

        Returns:
            The number; it contains stones that the other colour lost by suicide.
        """
        place = engine.BLACK_PRISONERS if colour == BLACK else engine.WHITE_PRISONERS
        return int(self._state[self._numbers + place])

    # Moves

    def play(self, move: str | tuple[int, int] | None, colour: Colour | None = None) -> int:
        """Make a move.

        Args:
            move: a vertex such as `D4`, a point, or None or `pass`.
            colour: who moves; by default whose turn it is.

        Returns:
            How many stones of the opponent were taken; -n where n own stones were (suicide).

        Raises:
            IllegalMove: the rules forbid it; the board is as it was.
        """
        of, point = colour or self.to_play, self._given(move)
        index = self._index(point)
        if point is not None:
            self._check(point, of)
        before = self._state.copy()
        taken = engine.place(self._state, self.size, index, of)
        self._before.append(before)
        self._moves.append(Move(of, point))
        self._hashes.append(self._hash())
        return taken

    def undo(self) -> Move:
        """Take the last move back.

        Returns:
            The move.

        Raises:
            UsageError: there is none.
        """
        if not self._moves:
            raise UsageError(
                "a move to take back",
                received="a board at its beginning",
                hint="Make a move first: board.play('E5').",
            )
        self._state = self._before.pop()
        self._hashes.pop()
        return self._moves.pop()

    def is_legal(self, move: str | tuple[int, int] | None, colour: Colour | None = None) -> bool:
        """Return whether the rules allow a move.

        Args:
            move: as for `play`.
            colour: who would move; by default whose turn it is.

        Returns:
            True for every pass.

        Raises:
            IllegalMove: it is no point of the board.
        """
        point = self._given(move)
        return point is None or not self._forbidden(point, colour or self.to_play)

    def legal_moves(self, colour: Colour | None = None) -> np.ndarray:
        """Find every legal point of a colour; passing is always legal, too.

        Args:
            colour: who would move; by default whose turn it is.

        Returns:
            `[size, size]` bool.
        """
        of, n = colour or self.to_play, self.size
        found = np.empty(n * n, np.int16)
        if self.rules.superko:
            seen = np.array(self._hashes, np.uint64)
            count = engine.legal_by_superko(self._state, n, of, self.rules.suicide, _zobrist(n), seen, found)
        else:
            count = engine.legal_points(self._state, n, of, self.rules.suicide, found)
        legal = np.zeros((n, n), bool)
        rows, columns = np.divmod(found[:count] - (n + 2), n + 1)
        legal[rows, columns] = True
        return legal

    def copy(self) -> Self:
        """Return a board that shares nothing that changes, with the same history."""
        twin = type(self).__new__(type(self))
        twin.size, twin.rules, twin._numbers = self.size, self.rules, self._numbers
        twin._state = self._state.copy()
        twin._before, twin._moves, twin._hashes = self._before[:], self._moves[:], self._hashes[:]
        twin.warnings = self.warnings
        return twin

    def set_up(
        self,
        black: Iterable[tuple[int, int]] = (),
        white: Iterable[tuple[int, int]] = (),
        empty: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Change stones without moves, as SGF's AB, AW and AE do; the history begins anew.

        Args:
            black: points that become black.
            white: points that become white.
            empty: points that become empty.

        Raises:
            UsageError: a chain would have no liberty; the board is as it was.
            IllegalMove: a point is not on the board.
        """
        stones = self.stones
        for value, chosen in ((0, empty), (1, black), (2, white)):
            for point in chosen:
                self._index(point)
                stones[point] = value
        other = type(self).from_stones(stones, self.rules, self.to_play)
        kept = self._state[self._numbers :][[engine.BLACK_PRISONERS, engine.WHITE_PRISONERS]]
        self._state, self._hashes = other._state, other._hashes
        self._state[self._numbers :][[engine.BLACK_PRISONERS, engine.WHITE_PRISONERS]] = kept
        self._before, self._moves = [], []

    def place_handicap(self, stones: int) -> tuple[tuple[int, int], ...]:
        """Set a fixed handicap on the star points of an empty board, as GTP orders it; white is to move.

        Args:
            stones: 2 to 9 on boards of 9 or more with an odd side, else 2 to 4; none below 7.

        Returns:
            The points.

        Raises:
            UsageError: there are stones, or not so many star points.
        """
        points = handicap_points(self.size, stones)
        if self._moves or self.stones.any():
            raise UsageError(
                "an empty board for a handicap",
                received=repr(self),
                hint="Set it before the first move, on a new Board.",
            )
        self.set_up(black=points)
        self.to_play = WHITE
        return points

    # Chains

    def chain(self, point: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Return the stones that are connected with one.

        Args:
            point: where a stone is.

        Returns:
            The points of the chain; empty where there is no stone.
        """
        index = self._index(point)
        if self._state[index] not in (BLACK, WHITE):
            return ()
        n, found, stone = engine.points(self.size), [], index
        while True:
            found.append(self._point(stone))
            stone = int(self._state[2 * n + stone])
            if stone == index:
                return tuple(sorted(found))

    def liberties(self, point: tuple[int, int]) -> int:
        """Return the number of liberties of the chain at a point.

        Args:
            point: where a stone is.

        Returns:
            The number; 0 where there is no stone.
        """
        index = self._index(point)
        if self._state[index] not in (BLACK, WHITE):
            return 0
        n = engine.points(self.size)
        return int(self._state[3 * n + self._state[n + index]])

    def ladder_attack(self, point: tuple[int, int]) -> tuple[int, int] | None:
        """Find an atari that catches a chain of two liberties in a ladder.

        Args:
            point: a stone of the chain.

        Returns:
            Where to begin; None where no ladder catches it, or it has not two liberties.
        """
        return self._ladder(point, 2, ladders.ladder_captures)

    def ladder_escape(self, point: tuple[int, int]) -> tuple[int, int] | None:
        """Find a move that saves a chain in atari from a ladder: an extension, or a take of an attacker.

        Args:
            point: a stone of the chain.

        Returns:
            The move; None where there is none, or the chain is not in atari.
        """
        return self._ladder(point, 1, ladders.ladder_escapes)

    def _ladder(self, point: tuple[int, int], liberties: int, works) -> tuple[int, int] | None:
        """Return the first of the moves of a ladder that works."""
        if self.liberties(point) != liberties:
            return None
        stone, out = self._index(point), np.empty(ladders.MOST, np.int16)
        head = self._state[engine.points(self.size) + stone]
        find = ladders.attacks if liberties == 2 else ladders.defences
        rows = ladders.room_to_read(self._state)
        for index in out[: find(self._state, self.size, head, out)]:
            if works(self._state, self.size, stone, index, rows):
                return self._point(int(index))
        return None

    def score(self) -> Score:
        """Count the area as Tromp and Taylor do: every stone counts as alive.

        Returns:
            Points, komi and who owns each point.
        """
        owner = np.zeros((self.size, self.size), np.int8)
        black, white = engine.area(self._state, self.size, owner)
        return Score(int(black), int(white), self.rules.komi, owner)

    # Points

    def _given(self, move: str | tuple[int, int] | None) -> tuple[int, int] | None:
        """Return a move as a point."""
        return parse_vertex(move, self.size) if isinstance(move, str) else move

    def _index(self, point: tuple[int, int] | None) -> int:
        """Return a point's place in the flat state."""
        if point is None:
            return engine.PASS
        row, column = point
        if not (0 <= row < self.size and 0 <= column < self.size):
            raise IllegalMove(
                f"row and column from 0 to {self.size - 1}", "off the board", received=f"{point}"
            )
        return (row + 1) * (self.size + 1) + column + 1

    def _point(self, index: int) -> tuple[int, int] | None:
        """Return the point of a place in the flat state."""
        if index == engine.PASS:
            return None
        row, column = divmod(index, self.size + 1)
        return row - 1, column - 1

    def _hash(self) -> int:
        """Return the hash of the stones."""
        return int(engine.position_hash(self._state, self.size, _zobrist(self.size)))

    def _forbidden(self, point: tuple[int, int], of: Colour) -> str:
        """Return why a move is illegal; empty where it is not."""
        index = self._index(point)
        if self._state[index] != engine.EMPTY:
            return "occupied"
        values = self._state[self._numbers :]
        if index == values[engine.KO] and of == values[engine.KO_COLOUR]:
            return "ko"
        if not engine.is_legal(self._state, self.size, index, of, self.rules.suicide):
            return "suicide"
        if self.rules.superko:
            after = engine.hash_after(
                self._state, self.size, index, of, _zobrist(self.size), np.uint64(self._hashes[-1])
            )
            if int(after) in self._hashes:
                return "superko"
        return ""

    def _check(self, point: tuple[int, int], of: Colour) -> None:
        """Refuse an illegal move."""
        reason = self._forbidden(point, of)
        if reason:
            name = f"{'BW'[of - 1]} {vertex(point, self.size)}"
            raise IllegalMove("a legal move", reason, received=f"{name}: {REASONS[reason]}")


REASONS = {
    "occupied": "there is a stone",
    "ko": "it would take back the ko at once",
    "superko": "it would repeat an earlier position of the whole board",
    "suicide": "its stones would have no liberty",
}
"""Why a move is illegal, in words."""
