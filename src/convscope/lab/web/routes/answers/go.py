"""Answers about games of Go."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from convscope.lab.web.routes.answers.common import Number, closed

Colour = Literal["black", "white"]


@closed
class Compiling(TypedDict):
    """What is waited for; ask again later."""

    compiling: str


@closed
class Suggestion(TypedDict):
    """A point and its probability."""

    point: str
    probability: Number


@closed
class Plane(TypedDict):
    """One plane that a network sees."""

    name: str
    values: list[int]


@closed
class Prisoners(TypedDict):
    """Stones that each side has captured."""

    black: int
    white: int


@closed
class Position(TypedDict):
    """A position; stones are 0 empty, 1 black and 2 white, row by row from the top."""

    size: int
    stones: list[list[int]]
    to_play: Colour
    legal: list[str]
    last: str | None
    ko: str | None
    prisoners: Prisoners
    move: int
    over: bool
    net: str
    policy: NotRequired[list[Number]]
    suggested: NotRequired[list[Suggestion]]
    planes: NotRequired[list[Plane]]


@closed
class Reply(TypedDict):
    """The network's move, once it is found."""

    done: bool
    fraction: Number
    move: NotRequired[str]
    resigns: NotRequired[bool]
    winrate: NotRequired[Number | None]


@closed
class SearchedMove(TypedDict):
    """A move that was searched."""

    point: str
    visits: int
    winrate: Number | None
    prior: Number
    line: list[str]


@closed
class Searched(TypedDict):
    """What a search has found so far."""

    done: bool
    visits: int
    max_visits: int
    winrate: Number | None
    moves: list[SearchedMove]


@closed
class Score(TypedDict):
    """The area score, and the stones that random games call dead."""

    score: str
    margin: Number
    komi: Number
    dead: list[str]


@closed
class SavedGame(TypedDict):
    """A game record, in base64."""

    sgf: str


@closed
class ReadGame(TypedDict):
    """A game as questions take it."""

    size: int
    komi: Number
    superko: bool
    handicap: int
    black: list[str]
    white: list[str]
    first: Colour
    moves: list[str]


@closed
class Players(TypedDict):
    """Who played."""

    black: str
    white: str


@closed
class LoadedGame(TypedDict):
    """A game record that was read."""

    game: ReadGame
    names: Players
    result: str
    warnings: list[str]
