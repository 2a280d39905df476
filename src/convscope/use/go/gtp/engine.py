"""A Go engine that speaks GTP: a line in, text out. It reads and writes nothing itself."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from convscope.errors import ConvscopeError, UsageError
from convscope.use.go.gtp.analysis import AnalysisRequest, parse_request, report
from convscope.use.go.gtp.clock import Clock, TimeControl
from convscope.use.go.gtp.protocol import (
    SYNTAX,
    GtpError,
    colour_of,
    parse_command,
    point_of,
    real_of,
    response,
    whole_of,
)
from convscope.use.go.moves import without_dead
from convscope.use.go.players import Choice, MoveSearch, Player
from convscope.use.go.playouts import dead_stones
from convscope.use.go.search import analysis_of
from convscope.worlds.go import Board, IllegalMove, Rules, handicap_points, read_sgf, vertex, write_sgf
from convscope.worlds.go.board import Colour
from convscope.worlds.go.rules.engine import LARGEST, SMALLEST

MOST_VISITS = 20_000
"""An analysis stops growing here, and waits for the next command."""
PATIENCE = 0.5
"""Seconds between two looks at the input, once an analysis no longer grows."""
SIZES = range(SMALLEST, LARGEST + 1)
SIGNS: tuple[tuple[Colour, str], ...] = ((1, "X"), (2, "O"))
"""Colours and their signs in diagrams."""


def _never(_seconds: float) -> bool:
    return False


class GtpEngine:
    """An engine for the Go Text Protocol, version 2.

    A board is there from the beginning; `boardsize` empties it, so that `clear_board` may come before or
    after. Moves of one colour in a row are accepted.

    Args:
        player_for: returns the player for a size of board, or raises `UsageError` where there is none.
        name: of the engine.
        version: of the engine.
        rules: komi, suicide and superko at the beginning.
        size: side of the first board.

    Attributes:
        board: the game.
        player: chooses moves on it.
        closed: whether `quit` was received.
        input_waits: returns whether input has come, after at most so many seconds; it ends an analysis. By
            default none comes.
    """

    def __init__(
        self,
        player_for: Callable[[int], Player],
        *,
        name: str = "convscope",
        version: str = "",
        rules: Rules | None = None,
        size: int = 19,
    ) -> None:
        self.name, self.version = name, version
        self.board, self.player = Board(size, rules), player_for(size)
        self.closed = False
        self.input_waits: Callable[[float], bool] = _never
        self._player_for, self._clock = player_for, Clock()

    def respond(self, line: str) -> Iterator[str]:
        """Execute the command of a line.

        Args:
            line: the line.

        Yields:
            The response in pieces, each to be written and flushed at once; nothing for lines without a
            command.
        """
        command = parse_command(line)
        if command is None:
            return
        try:
            handler = COMMANDS.get(command.name)
            if handler is None:
                raise GtpError("unknown command")
            answer = handler(self, command.arguments)
            if isinstance(answer, str):
                yield response(command, answer)
                return
            yield f"={command.id}\n"  # what is wrong has been noticed before
            for text in answer:
                yield f"{text}\n"
            yield "\n"
        except GtpError as error:
            yield response(command, str(error), failed=True)
        except (ConvscopeError, OSError) as error:
            yield response(command, str(error).replace("\n", " "), failed=True)

    # Administration

    def _protocol_version(self, words: tuple[str, ...]) -> str:
        return "2"

    def _name(self, words: tuple[str, ...]) -> str:
        return self.name

    def _version(self, words: tuple[str, ...]) -> str:
        return self.version

    def _known_command(self, words: tuple[str, ...]) -> str:
        return "true" if _one(words) in COMMANDS else "false"

    def _list_commands(self, words: tuple[str, ...]) -> str:
        return "\n".join(COMMANDS)

    def _quit(self, words: tuple[str, ...]) -> str:
        self.closed = True
        return ""

    # Setting up

    def _boardsize(self, words: tuple[str, ...]) -> str:
        size = whole_of(_one(words))
        if size not in SIZES:
            raise GtpError("unacceptable size")
        try:
            self.player = self._player_for(size)
        except UsageError:
            raise GtpError("unacceptable size") from None
        self._begin(size)
        return ""

    def _clear_board(self, words: tuple[str, ...]) -> str:
        self._begin(self.board.size)
        return ""

    def _begin(self, size: int) -> None:
        """Empty the board, and set the clocks to the beginning."""
        self.board = Board(size, self.board.rules)
        self.player.search.clear()
        self._clock.begin()

    def _komi(self, words: tuple[str, ...]) -> str:
        self.board.rules = replace(self.board.rules, komi=real_of(_one(words)))
        return ""

    def _get_komi(self, words: tuple[str, ...]) -> str:
        return f"{self.board.rules.komi:g}"

    def _query_boardsize(self, words: tuple[str, ...]) -> str:
        return str(self.board.size)

    def _fixed_handicap(self, words: tuple[str, ...]) -> str:
        return self._handicap(whole_of(_one(words)))

    def _place_free_handicap(self, words: tuple[str, ...]) -> str:
        wanted = whole_of(_one(words))
        if wanted < 2 or wanted >= self.board.size**2:
            raise GtpError("invalid number of stones")
        return self._handicap(next((n for n in range(min(wanted, 9), 1, -1) if self._has_handicap(n)), 0))

    def _has_handicap(self, stones: int) -> bool:
        try:
            return bool(handicap_points(self.board.size, stones))
        except UsageError:
            return False

    def _handicap(self, stones: int) -> str:
        self._require_empty()
        if not self._has_handicap(stones):
            raise GtpError("invalid number of stones")
        return " ".join(vertex(point, self.board.size) for point in self.board.place_handicap(stones))

    def _set_free_handicap(self, words: tuple[str, ...]) -> str:
        self._require_empty()
        try:
            points = [point for point in (point_of(word, self.board.size) for word in words) if point]
        except GtpError:
            raise GtpError("bad vertex list") from None
        if not 2 <= len(points) < self.board.size**2 or len({*points}) < len(words):
            raise GtpError("bad vertex list")
        self.board.set_up(black=points)
        self.board.to_play = 2
        return ""

    def _require_empty(self) -> None:
        if self.board.history or self.board.stones.any():
            raise GtpError("board not empty")

    # Playing

    def _play(self, words: tuple[str, ...]) -> str:
        if len(words) != 2:
            raise GtpError(SYNTAX)
        colour, point = colour_of(words[0]), point_of(words[1], SIZES[-1])  # is it a point of any board?
        try:
            self.board.play(words[1] if point else None, colour)
        except IllegalMove:
            raise GtpError("illegal move") from None
        return ""

    def _genmove(self, words: tuple[str, ...]) -> str:
        *_, (_, choice) = self._thoughts(colour_of(_one(words)))
        return self._made(choice.decide(), colour_of(words[0]))

    def _reg_genmove(self, words: tuple[str, ...]) -> str:
        *_, (_, choice) = self._thoughts(colour_of(_one(words)))
        return self._text(choice.decide())

    def _loadsgf(self, words: tuple[str, ...]) -> str:
        if not words:
            raise GtpError(SYNTAX)
        *first, last = words
        numbered = bool(first) and last.isdigit()
        try:
            game = read_sgf(" ".join(first if numbered else words))
            player = self._player_for(game.size)
            count = min(len(game.moves), max(0, whole_of(last) - 1)) if numbered else None
            board = game.board(count, replace(self.board.rules, komi=game.komi))
        except (ConvscopeError, OSError, ValueError):
            raise GtpError("cannot load file") from None
        self.player = player
        self._begin(game.size)
        self.board = board
        return ""

    def _printsgf(self, words: tuple[str, ...]) -> str:
        return write_sgf(self.board).decode()

    def _undo(self, words: tuple[str, ...]) -> str:
        try:
            self.board.undo()
        except UsageError:
            raise GtpError("cannot undo") from None
        return ""

    def _thoughts(self, colour: Colour) -> Iterator[tuple[Board, MoveSearch]]:
        """Have the player think about the position with a colour to move; its clock runs."""
        board, started = self._position(colour), time.monotonic()
        limit = self._clock.seconds(colour, int((board.stones == 0).sum()))
        for thoughts in self.player.iter_search(board, limit):
            yield board, thoughts
        self._clock.spend(colour, time.monotonic() - started)

    def _position(self, colour: Colour) -> Board:
        """Return a copy of the board with a colour to move."""
        board = self.board.copy()
        if board.to_play != colour:
            board.to_play = colour
        return board

    def _made(self, choice: Choice, colour: Colour) -> str:
        """Make a chosen move, unless the player resigns, and return it as text."""
        if not choice.resigns:
            self.board.play(choice.point, colour)
        return self._text(choice)

    def _text(self, choice: Choice) -> str:
        return "resign" if choice.resigns else vertex(choice.point, self.board.size)

    # Time and results

    def _time_settings(self, words: tuple[str, ...]) -> str:
        if len(words) != 3:
            raise GtpError(SYNTAX)
        main, overtime, stones = (whole_of(word) for word in words)
        unlimited = (stones == 0) if overtime else (main == 0)
        self._clock.begin(TimeControl() if unlimited else TimeControl(main, overtime, stones))
        return ""

    def _kgs_time_settings(self, words: tuple[str, ...]) -> str:
        kind, numbers = words[0].lower() if words else "", [whole_of(word) for word in words[1:]]
        controls = {
            ("none", 0): lambda: TimeControl(),
            ("absolute", 1): lambda: TimeControl(numbers[0]),
            ("byoyomi", 3): lambda: TimeControl(numbers[0], numbers[1], 1, periods=True),
            ("canadian", 3): lambda: TimeControl(numbers[0], numbers[1], numbers[2]),
        }
        if (kind, len(numbers)) not in controls:
            raise GtpError(SYNTAX)
        self._clock.begin(controls[kind, len(numbers)]())
        return ""

    def _time_left(self, words: tuple[str, ...]) -> str:
        if len(words) != 3:
            raise GtpError(SYNTAX)
        self._clock.tell(colour_of(words[0]), whole_of(words[1]), whole_of(words[2]))
        return ""

    def _final_score(self, words: tuple[str, ...]) -> str:
        return str(without_dead(self.board).score())

    def _final_status_list(self, words: tuple[str, ...]) -> str:
        wanted = _one(words)
        if wanted not in ("alive", "dead", "seki"):
            raise GtpError(SYNTAX)
        dead = dead_stones(self.board)
        chosen = {"alive": ~dead, "dead": dead, "seki": dead & ~dead}[wanted] & (self.board.stones > 0)
        lines, size = [], self.board.size
        while chosen.any():
            row, column = (int(places[0]) for places in chosen.nonzero())
            chain = self.board.chain((row, column))
            lines.append(" ".join(vertex(point, size) for point in chain))
            for point in chain:
                chosen[point] = False
        return "\n".join(lines)

    # Looking

    def _showboard(self, words: tuple[str, ...]) -> str:
        colour = "black" if self.board.to_play == 1 else "white"
        taken = [f"{name} has taken {self.board.prisoners(of)}" for of, name in SIGNS]
        return f"\n{self.board}\n{colour} to play; {', '.join(taken)}; komi {self.board.rules.komi:g}"

    def _is_legal(self, words: tuple[str, ...]) -> str:
        if len(words) != 2:
            raise GtpError(SYNTAX)
        point = point_of(words[1], self.board.size)
        return str(int(self.board.is_legal(point, colour_of(words[0]))))

    def _all_legal(self, words: tuple[str, ...]) -> str:
        legal = self.board.legal_moves(colour_of(_one(words)))
        return self._listed(legal.nonzero())

    def _list_stones(self, words: tuple[str, ...]) -> str:
        return self._listed((self.board.stones == colour_of(_one(words))).nonzero())

    def _listed(self, places: tuple) -> str:
        return " ".join(vertex((int(r), int(c)), self.board.size) for r, c in zip(*places, strict=True))

    def _captures(self, words: tuple[str, ...]) -> str:
        return str(self.board.prisoners(colour_of(_one(words))))

    def _cputime(self, words: tuple[str, ...]) -> str:
        return f"{time.process_time():.3f}"

    # Analysis

    def _analyze(self, words: tuple[str, ...], *, kata: bool = False) -> Iterator[str]:
        asked = parse_request(words, self.board.to_play, self.board.size)
        return self._reports(asked, kata=kata)

    def _reports(self, asked: AnalysisRequest, *, kata: bool) -> Iterator[str]:
        """Search and report until there is input."""
        board, last = self._position(asked.colour), time.monotonic()
        for root in self.player.search.iter_search(board, MOST_VISITS, asked.allowed):
            if self.input_waits(0):
                return
            if time.monotonic() - last >= asked.interval and root.visits.any():
                last = time.monotonic()
                yield report(analysis_of(root), board, asked, kata=kata)
        while not self.input_waits(PATIENCE):
            pass

    def _genmove_analyze(self, words: tuple[str, ...], *, kata: bool = False) -> Iterator[str]:
        asked = parse_request(words, self.board.to_play, self.board.size)
        return self._reported_move(asked, kata=kata)

    def _reported_move(self, asked: AnalysisRequest, *, kata: bool) -> Iterator[str]:
        """Choose a move as `genmove` does, and report what the player thinks meanwhile and at the end."""
        last, board, thoughts = time.monotonic(), self.board, None
        for board, thoughts in self._thoughts(asked.colour):
            if time.monotonic() - last >= asked.interval:
                last = time.monotonic()
                yield report(thoughts.analysis(), board, asked, kata=kata)
        if thoughts is None:
            raise RuntimeError("a player thinks at least once")
        found = thoughts.analysis()
        yield report(found, board, replace(asked, least=max(1, asked.least)), kata=kata)
        yield f"play {self._made(thoughts.decide(), asked.colour)}"


Handler = Callable[[GtpEngine, tuple[str, ...]], str | Iterator[str]]
COMMANDS: dict[str, Handler] = {
    "protocol_version": GtpEngine._protocol_version,
    "name": GtpEngine._name,
    "version": GtpEngine._version,
    "known_command": GtpEngine._known_command,
    "list_commands": GtpEngine._list_commands,
    "quit": GtpEngine._quit,
    "boardsize": GtpEngine._boardsize,
    "query_boardsize": GtpEngine._query_boardsize,
    "clear_board": GtpEngine._clear_board,
    "komi": GtpEngine._komi,
    "get_komi": GtpEngine._get_komi,
    "fixed_handicap": GtpEngine._fixed_handicap,
    "place_free_handicap": GtpEngine._place_free_handicap,
    "set_free_handicap": GtpEngine._set_free_handicap,
    "play": GtpEngine._play,
    "genmove": GtpEngine._genmove,
    "reg_genmove": GtpEngine._reg_genmove,
    "undo": GtpEngine._undo,
    "loadsgf": GtpEngine._loadsgf,
    "printsgf": GtpEngine._printsgf,
    "time_settings": GtpEngine._time_settings,
    "kgs-time_settings": GtpEngine._kgs_time_settings,
    "time_left": GtpEngine._time_left,
    "final_score": GtpEngine._final_score,
    "final_status_list": GtpEngine._final_status_list,
    "showboard": GtpEngine._showboard,
    "is_legal": GtpEngine._is_legal,
    "all_legal": GtpEngine._all_legal,
    "list_stones": GtpEngine._list_stones,
    "captures": GtpEngine._captures,
    "cputime": GtpEngine._cputime,
    "analyze": GtpEngine._analyze,
    "lz-analyze": GtpEngine._analyze,
    "kata-analyze": partial(GtpEngine._analyze, kata=True),
    "genmove_analyze": GtpEngine._genmove_analyze,
    "lz-genmove_analyze": GtpEngine._genmove_analyze,
    "kata-genmove_analyze": partial(GtpEngine._genmove_analyze, kata=True),
}
"""The commands, in the order of `list_commands`."""


def _one(words: tuple[str, ...]) -> str:
    """Return the only argument.

    Raises:
        GtpError: there are none or several.
    """
    if len(words) != 1:
        raise GtpError(SYNTAX)
    return words[0]
