"""Go: the page keeps the game, and sends it whole with every question."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.go import (
    Compiling,
    LoadedGame,
    Position,
    Reply,
    SavedGame,
    Score,
    Searched,
)
from convscope.lab.web.state import Lab

router = APIRouter(prefix="/go", tags=["go"])
Vertex = Annotated[str, Field(max_length=6)]
MAX_RECORD = 1_000_000
"""Characters of a game record in base64, below the limit of a request's body."""


class Game(BaseModel):
    """A game: the moves, and what was on the board before."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    size: int = Field(9, ge=2, le=25)
    komi: float = Field(7.5, ge=-400, le=400)
    superko: bool = False
    handicap: int = Field(0, ge=0, le=9)
    black: list[Vertex] = Field([], max_length=625)
    white: list[Vertex] = Field([], max_length=625)
    first: Literal["", "black", "white"] = ""
    moves: list[Vertex] = Field([], max_length=2000)


class Question(BaseModel):
    """A question about a game."""

    model_config = ConfigDict(extra="forbid")
    game: Game = Field(default_factory=lambda: Game.model_validate({}))
    net: str | None = Field(None, max_length=300)


class State(Question):
    """Which position it is; with the policy's probabilities, and with the planes that the network sees."""

    hints: bool = False
    planes: bool = False


class Search(Question):
    """How many positions are searched; 0 asks the policy alone."""

    visits: int = Field(0, ge=0, le=20_000)


class Analysis(Question):
    """How many positions are searched until the analysis stops."""

    visits: int = Field(400, ge=1, le=20_000)


class Record(BaseModel):
    """A game record, its bytes in base64."""

    model_config = ConfigDict(extra="forbid")
    sgf: str = Field(max_length=MAX_RECORD)


async def _ask(lab: Lab, action: str, question: BaseModel) -> dict[str, Any]:
    options = question.model_dump()
    game = options.pop("game", {})
    return (await lab.workers["live"].ask("go", action=action, game=game, **options)).result


@router.post("/state")
@answers(Position | Compiling)
async def state(question: State, lab: Lab) -> dict[str, Any]:
    """Return a position: stones, legal points, hints if they are requested.

    Args:
        question: the game.
        lab: the server's state.

    Returns:
        The position.
    """
    return await _ask(lab, "state", question)


@router.post("/reply")
@answers(Reply | Compiling)
async def reply(question: Search, lab: Lab) -> dict[str, Any]:
    """Return the network's move; ask again until it is `done`.

    Args:
        question: the game, and how long to think.
        lab: the server's state.

    Returns:
        The move.
    """
    return await _ask(lab, "reply", question)


@router.post("/analysis")
@answers(Searched | Compiling)
async def analysis(question: Analysis, lab: Lab) -> dict[str, Any]:
    """Return what a search has found so far; it stops by itself, and what it found stays.

    Args:
        question: the game, and how many positions to search.
        lab: the server's state.

    Returns:
        The moves that were searched.
    """
    return await _ask(lab, "analysis", question)


@router.post("/score")
@answers(Score | Compiling)
async def score(question: Question, lab: Lab) -> dict[str, Any]:
    """Return the area score, and the stones that random games call dead.

    Args:
        question: the game.
        lab: the server's state.

    Returns:
        The score.
    """
    return await _ask(lab, "score", question)


@router.post("/save")
@answers(SavedGame | Compiling)
async def save(question: Question, lab: Lab) -> dict[str, Any]:
    """Return the game as SGF.

    Args:
        question: the game.
        lab: the server's state.

    Returns:
        `sgf`, in base64.
    """
    return await _ask(lab, "save", question)


@router.post("/load")
@answers(LoadedGame)
async def load(record: Record, lab: Lab) -> dict[str, Any]:
    """Read a game record.

    Args:
        record: its bytes.
        lab: the server's state.

    Returns:
        The game, as other questions take it, and warnings.
    """
    return await _ask(lab, "load", record)
