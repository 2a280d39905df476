"""What a page may say on its WebSocket."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from convscope.lab.web.routes.go import Game

MAX_LENGTH = 2**20
"""Characters of a message, which uvicorn limits to as many bytes."""


class Message(BaseModel):
    """A message; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Layers = Annotated[list[Annotated[str, Field(max_length=300)]] | None, Field(max_length=2000)]


class Compared(Message):
    """A network that is compared with the one that is watched, and its layers."""

    net: str = Field(max_length=300)
    layers: Layers = None


class Watch(Message):
    """Choose the network and the layers that are watched; None for those that fit into a frame."""

    type: Literal["watch"]
    net: str = Field(max_length=300)
    layers: Layers = None
    compared: Compared | None = None


class Input(Message):
    """Give an input; the newest one counts.

    `example` is the number of a packaged example, `sample` an index in the bundled data, as on unit cards.
    """

    type: Literal["input"]
    seq: int = Field(ge=0, lt=2**32)
    data: str | None = Field(None, max_length=MAX_LENGTH)
    upload: str | None = Field(None, max_length=64)
    text: str | None = Field(None, max_length=20_000)
    game: Game | None = None
    example: int | None = Field(None, ge=0, lt=2**31)
    sample: int | None = Field(None, ge=0, lt=2**31)


class Scale(Message):
    """A unit and the factor by which it is multiplied."""

    address: str = Field(max_length=300)
    scale: float = Field(ge=-1000, le=1000)


class Steer(Message):
    """Multiply units while the rest of the network runs on; an empty list ends it."""

    type: Literal["steer"]
    units: list[Scale] = Field(max_length=1000)


class Inspect(Message):
    """Ask for the numbers behind one unit at one position of the present input."""

    type: Literal["inspect"]
    address: str = Field(max_length=300)


class WordAttributions(Message):
    """Ask what each word of the present text adds to an answer: of the likeliest class, or another."""

    type: Literal["word_attributions"]
    target: int | None = Field(None, ge=0, lt=2**31)


class Follow(Message):
    """Ask for the events of a job, or of all, after a sequence number; of those to come if it is left out."""

    type: Literal["follow"]
    stream: int = Field(ge=0, lt=2**31)
    """Number that the page gives to these events: each of them carries it."""
    id: str | None = Field(None, max_length=40)
    after: int | None = Field(None, ge=0, lt=2**63)


class Unfollow(Message):
    """End the events of a stream."""

    type: Literal["unfollow"]
    stream: int = Field(ge=0, lt=2**31)


AnyMessage = Annotated[
    Watch | Input | Steer | Inspect | WordAttributions | Follow | Unfollow, Field(discriminator="type")
]
MESSAGES: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)
"""Reads a message from its JSON text."""
