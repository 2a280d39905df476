"""A game against a player, in words: a line in, what happened out. It reads and writes no terminal."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from convscope.errors import ConvscopeError, UsageError, nearest
from convscope.system.files import create_file
from convscope.use.go.evaluators import move_probabilities
from convscope.use.go.moves import sensible_moves, without_dead
from convscope.use.go.players import Player, choose_move
from convscope.use.go.playouts import dead_stones
from convscope.worlds.go import Board, IllegalMove, SgfGame, parse_vertex, read_sgf, vertex, write_sgf
from convscope.worlds.go.records.sgf import game_of

NAMES = {1: "Black", 2: "White"}
SHOWN = 5
"""Hints that are listed with their probabilities."""
ILLEGAL = {
    "occupied": "there is a stone already",
    "ko": "that would take back the ko at once: play elsewhere first",
    "superko": "the whole board would be as it was before",
    "suicide": "the stone would have no liberty there",
    "off the board": "that is not on the board",
}
"""Reasons of illegal moves, for players."""


@dataclass(frozen=True)
class BoardView:
    """What a player sees of a position.

    Attributes:
        size: side of the board.
        rows: a text for each row from the top: `.` empty, `X` black, `O` white.
        last: the last move, such as `D4` or `pass`; empty at the beginning.
        to_play: `Black` or `White`.
        moves: how many moves were made.
        taken: stones taken by black and by white.
        heat: probability of each point by the policy, row by row; None where hints are hidden.
    """

    size: int
    rows: tuple[str, ...]
    last: str
    to_play: str
    moves: int
    taken: tuple[int, int]
    heat: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class Turn:
    """What is told after a line.

    Attributes:
        said: lines for the player.
        view: the board, where it is to be shown.
    """

    said: tuple[str, ...] = ()
    view: BoardView | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields, JSON-ready."""
        view = None if self.view is None else dict(vars(self.view))
        return {"said": list(self.said), "view": view}


class GameSession:
    """A game in words, between a person and a player, or between two people.

    Args:
        player_for: returns the player for a size of board, or raises `UsageError` where there is none.
        board: the position to begin with.
        people: colours whose moves are typed: 1 black, 2 white.
        hints: whether the policy's probabilities are shown from the beginning.

    Attributes:
        board: the game.
        hints: whether the policy's probabilities are shown.
        ended: whether no further lines are expected.
        result: such as `B+3.5` or `W+R`; empty while nobody has won.
        earlier: games that were left for others.
    """

    def __init__(
        self,
        player_for: Callable[[int], Player],
        board: Board,
        people: frozenset[int] = frozenset({1}),
        hints: bool = False,
    ) -> None:
        self._player_for, self.board, self.people, self.hints = player_for, board, people, hints
        self.player = player_for(board.size)
        self.ended, self.result = False, ""
        self.earlier: list[SgfGame] = []

    @property
    def prompt(self) -> str:
        """What is asked for."""
        return f"{NAMES[self.board.to_play]}, move {len(self.board.history) + 1}>"

    def begin(self) -> Iterator[Turn]:
        """Show the board, and have the player move where it is its turn.

        Yields:
            What there is to tell.
        """
        who = {1: "You are black.", 2: "You are white."}
        mine = "Both colours are yours." if len(self.people) == 2 else who[next(iter(self.people))]
        yield Turn((f"{mine} Type a point such as {self._example()}, pass, or help.",), self.view())
        yield from self._replies()

    def answer(self, line: str) -> Iterator[Turn]:
        """Do what a line says.

        Args:
            line: a point, `pass`, or one of `WORDS` with what it takes. Wrong ones are explained.

        Yields:
            What there is to tell, as it happens.
        """
        name, _, rest = line.strip().partition(" ")
        name, rest = ALIASES.get(name.lower(), name.lower()), rest.strip()
        if not name:
            return
        try:
            if name in WORDS:
                yield from WORDS[name][0](self, rest)
            else:
                yield from self._moved(line)
        except IllegalMove as error:
            yield Turn((f"{line.strip()[:40]}: {ILLEGAL.get(error.reason, error.reason)}.",))
        except (ConvscopeError, OSError) as error:
            yield Turn((str(error),))

    def view(self, *, heat: bool | None = None) -> BoardView:
        """Return what a player sees.

        Args:
            heat: whether with the policy's probabilities; as `hints` says if left out.

        Returns:
            The board.
        """
        board, wanted = self.board, self.hints if heat is None else heat
        rows = tuple("".join(".XO"[stone] for stone in row) for row in board.stones)
        last = board.last_move
        shares = self._shares() if wanted and not self.ended else None
        return BoardView(
            board.size,
            rows,
            "" if last is None else vertex(last.point, board.size),
            NAMES[board.to_play],
            len(board.history),
            (board.prisoners(1), board.prisoners(2)),
            None if shares is None else tuple(tuple(map(float, row)) for row in shares),
        )

    def game(self) -> SgfGame:
        """Return the game so far as a record."""
        names = ["you" if colour in self.people else self.player.name for colour in (1, 2)]
        return replace(game_of(self.board), black_name=names[0], white_name=names[1], result=self.result)

    def games(self) -> list[SgfGame]:
        """Return all games with a move, this one last."""
        return [game for game in (*self.earlier, self.game()) if game.moves]

    # Moves

    def _moved(self, line: str) -> Iterator[Turn]:
        """Make a typed move, and let the player answer."""
        board = self.board
        try:
            point = parse_vertex(line, board.size)
        except IllegalMove:
            if _is_point(line):
                raise
            close = nearest(line.strip().partition(" ")[0], WORDS, most=1)
            hint = close if close.startswith("Did") else "Type help to see the words."
            raise UsageError(
                f"a point such as {self._example()}, pass, or a word", received=line.strip()[:40], hint=hint
            ) from None
        board.play(point)
        yield from self._after() if board.is_over else self._replies(shown=len(self.people) == 2)

    def _replies(self, *, shown: bool = False) -> Iterator[Turn]:
        """Let the player move as long as it is its turn; show the board after that."""
        while self.board.to_play not in self.people and not self.board.is_over:
            colour = self.board.to_play
            choice = choose_move(self.player, self.board)
            if choice.resigns:
                self.result = f"{'BW'[2 - colour]}+R"
                self.ended = True
                yield Turn((f"{NAMES[colour]} resigns: {self.result}.",), self.view())
                return
            self.board.play(choice.point)
            chance = "" if choice.winrate is None else f" (gives itself {choice.winrate:.0%})"
            said = f"{NAMES[colour]} plays {vertex(choice.point, self.board.size)}{chance}."
            if self.board.is_over:
                yield Turn((said,))
                yield from self._after()
                return
            yield Turn((said, *self._listed()), self.view())
            shown = False
        if shown:
            yield Turn(self._listed(), self.view())

    def _after(self) -> Iterator[Turn]:
        """End a game that both have passed."""
        said = self._score_text()
        self.result = self._final()
        self.ended = True
        yield Turn(("Both have passed.", *said, f"Result: {self.result}."), self.view())

    def _final(self) -> str:
        """Return the area score without the stones that are estimated to be dead."""
        return str(without_dead(self.board).score())

    # Words

    def _pass(self, rest: str) -> Iterator[Turn]:
        yield from self._moved("pass")

    def _undo(self, rest: str) -> Iterator[Turn]:
        """Take back moves until it is a person's turn again."""
        board = self.board
        taken = [board.undo()]  # an error where there is none
        while board.history and board.to_play not in self.people:
            taken.append(board.undo())
        words = ", ".join(vertex(move.point, board.size) for move in taken)
        yield Turn((f"Taken back: {words}.",), self.view())
        yield from self._replies()

    def _resign(self, rest: str) -> Iterator[Turn]:
        self.result, self.ended = f"{'BW'[2 - self.board.to_play]}+R", True
        yield Turn((f"{NAMES[self.board.to_play]} resigns: {self.result}.",))

    def _hint(self, rest: str) -> Iterator[Turn]:
        if rest.lower() not in ("", "on", "off"):
            raise UsageError(
                "hint, hint on or hint off", received=f"hint {rest[:40]}", hint="hint alone shows them once."
            )
        self.hints = self.hints if not rest else rest.lower() == "on"
        if rest.lower() == "off":
            yield Turn(("Hints are hidden.",), self.view())
        else:
            yield Turn(self._listed(heat=True), self.view(heat=True))

    def _score(self, rest: str) -> Iterator[Turn]:
        yield Turn(self._score_text())

    def _score_text(self) -> tuple[str, ...]:
        """Return the area score as the board stands, and without the stones that seem to be dead."""
        board, dead = self.board, dead_stones(self.board)
        as_is = f"Area, every stone alive: {board.score()} (komi {board.rules.komi:g})."
        if not dead.any():
            return (as_is,)
        points = [vertex((int(r), int(c)), board.size) for r, c in np.argwhere(dead)]
        few = " ".join(points[:20]) + (f" and {len(points) - 20} more" if len(points) > 20 else "")
        return (as_is, f"Without what random games call dead ({few}): {without_dead(board).score()}.")

    def _save(self, rest: str) -> Iterator[Turn]:
        if not rest:
            raise UsageError("a name for the file", received="save", hint="Such as: save game.sgf")
        path = Path(rest).expanduser()
        try:
            with create_file(path) as part:
                part.write_bytes(write_sgf(self.game()))
        except FileExistsError:
            raise UsageError(
                "a file that does not exist yet", received=str(path), hint="Choose another name."
            ) from None
        except (OSError, ValueError) as error:
            raise UsageError(
                "a file that can be written", received=str(error), hint="Name another file."
            ) from None
        yield Turn((f"Saved {path}.",))

    def _load(self, rest: str) -> Iterator[Turn]:
        if not rest:
            raise UsageError("the name of an SGF file", received="load", hint="Such as: load game.sgf")
        game = read_sgf(Path(rest).expanduser())
        board, player = (
            game.board(rules=replace(self.board.rules, komi=game.komi)),
            self._player_for(game.size),
        )
        self._leave()
        self.board, self.player = board, player
        yield Turn((f"Move {len(board.history)} of {rest}.", *game.warnings), self.view())
        yield from self._replies()

    def _new(self, rest: str) -> Iterator[Turn]:
        self._leave()
        self.board = Board(self.board.size, self.board.rules)
        yield Turn(("A new game.",), self.view())
        yield from self._replies()

    def _leave(self) -> None:
        """Keep the game, for another is to come."""
        if self.board.history:
            self.earlier.append(self.game())
        self.result = ""

    def _board(self, rest: str) -> Iterator[Turn]:
        yield Turn(self._listed(), self.view())

    def _help(self, rest: str) -> Iterator[Turn]:
        width = max(len(usage) for _, usage, _ in WORDS.values())
        lines = [f"{usage:{width}}  {text}" for _, usage, text in WORDS.values()]
        yield Turn((f"{self._example():{width}}  set a stone", *lines))

    def _quit(self, rest: str) -> Iterator[Turn]:
        self.ended = True
        yield Turn()

    # Hints

    def _example(self) -> str:
        return vertex(
            (self.board.size - min(4, self.board.size), min(3, self.board.size - 1)), self.board.size
        )

    def _shares(self) -> np.ndarray:
        """Return the policy's probability of each sensible point, `[size, size]`."""
        logits, _ = self.player.search.evaluator([self.board])
        shares = move_probabilities(
            np.asarray(logits[0], float), sensible_moves(self.board).ravel(), passing=False
        )
        return shares[:-1].reshape(self.board.size, self.board.size)

    def _listed(self, *, heat: bool | None = None) -> tuple[str, ...]:
        """Return the best hints as a line, where hints are shown."""
        if not (self.hints if heat is None else heat) or self.ended:
            return ()
        shares = self._shares()
        order = np.argsort(-shares, axis=None, kind="stable")[:SHOWN]
        best = [divmod(int(index), self.board.size) for index in order]
        words = [f"{vertex(point, self.board.size)} {shares[point]:.0%}" for point in best if shares[point]]
        return (f"Hints: {', '.join(words) or 'pass'}.",)


def _is_point(line: str) -> bool:
    """Return whether a line is a letter and a number."""
    word = line.strip()
    return word[:1].isalpha() and word[:1].isascii() and word[1:].isdigit()


WORDS: dict[str, tuple[Callable[[GameSession, str], Iterator[Turn]], str, str]] = {
    "pass": (GameSession._pass, "pass", "set no stone; two passes end the game"),
    "undo": (GameSession._undo, "undo", "take your last move back"),
    "hint": (GameSession._hint, "hint [on|off]", "show where the policy would play"),
    "score": (GameSession._score, "score", "count the board"),
    "board": (GameSession._board, "board", "show the board"),
    "save": (GameSession._save, "save FILE", "write the game as SGF"),
    "load": (GameSession._load, "load FILE", "go on with the game in an SGF file"),
    "new": (GameSession._new, "new", "begin another game"),
    "resign": (GameSession._resign, "resign", "give up"),
    "help": (GameSession._help, "help", "show these words"),
    "quit": (GameSession._quit, "quit", "end; the game is saved"),
}
"""What can be typed besides points: what it does, how it is written, what it is for."""
ALIASES = {"exit": "quit", "q": "quit", "?": "help", "h": "help", "u": "undo", "p": "pass", "hints": "hint"}
"""Other words for them."""
