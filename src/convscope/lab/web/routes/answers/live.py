"""What comes over the WebSocket of a tab, but for the events of jobs: see `jobs`."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from convscope.lab.web.routes.answers.common import Number, closed
from convscope.lab.web.routes.answers.networks import Layer


@closed
class Piece(TypedDict):
    """A word or a character of an input, as the network divides it."""

    text: str
    first: int
    """Its first position of the input."""
    last: int
    """The one after its last."""
    gap: str
    """What stands between it and the next one."""


@closed
class AttributedPiece(Piece):
    """A word or a character, and what it adds to an answer."""

    value: Number


@closed
class FrameLayer(TypedDict):
    """Where the maps of a layer are in a frame: see `convscope.lab.live.frames`."""

    name: str
    shape: tuple[int, int, int]
    """Maps, rows, columns."""
    offset: int


@closed
class FrameHeader(TypedDict):
    """What stands before the maps of a frame."""

    type: Literal["maps"]
    seq: int
    """Number of the input."""
    part: NotRequired[Literal["first", "second", "difference"]]
    """Which of the three frames it is, where networks are compared; a difference is second minus first."""
    probabilities: list[Number] | None
    """Of the classes; null for a network that is no classifier."""
    steered_probabilities: NotRequired[list[Number] | None]
    """Those with scaled units, where any are."""
    pieces: NotRequired[list[Piece]]
    said: NotRequired[list[str]]
    """How much of a photograph the network sees, where edges are cropped away."""
    said_zh: NotRequired[list[str]]
    ms: NotRequired[Number]
    """What the forward pass took in the worker."""
    layers: list[FrameLayer]


@closed
class Watching(TypedDict):
    """A network is watched from now on."""

    type: Literal["watching"]
    net: str
    layers: list[Layer]


@closed
class Following(TypedDict):
    """A function behind a layer, and what it returns."""

    layer: str
    kind: str
    value: Number


@closed
class Inspection(TypedDict):
    """The numbers behind one unit at one position: those of `see.unit_terms`."""

    type: Literal["inspected"]
    requested_address: str
    seq: int
    address: str
    """The one that was inspected: with its position."""
    kind: str
    shape: list[int]
    """Of window and weights: channels, then the kernel's axes."""
    window: list[Number]
    weights: list[Number] | None
    bias: Number | None
    sum: Number | None
    value: Number
    taps: list[list[int]]
    """For each axis the positions that are read; those outside the layer are padding."""
    channels: tuple[int, int]
    following: list[Following]


@closed
class AttributedWords(TypedDict):
    """What each word of a sentence adds to the score of a class."""

    type: Literal["word_attributions"]
    seq: int
    target: str
    """Name of the class."""
    probability: Number
    pieces: list[AttributedPiece]


@closed
class Refusal(TypedDict):
    """Why a message has no answer."""

    type: Literal["error"]
    question: NotRequired[Literal["watch", "maps", "inspect", "word_attributions"]]
    """What was asked; left out for a message that could not be read."""
    detail: NotRequired[str | int | None]
    """The address, where an inspection was asked for; the class, where word attributions were."""
    expected: str
    received: str
    hint: str


LiveAnswer = Watching | Inspection | AttributedWords | Refusal
"""An answer in JSON."""
