"""The document of a job that has embedded inputs: what the atlas shows."""

from typing import Literal

from typing_extensions import TypedDict

from convscope.lab.web.routes.answers.common import Number, closed


@closed
class DataPart(TypedDict):
    """A part of the data."""

    name: str
    count: int


@closed
class EmbeddedClass(TypedDict):
    """A class of the data."""

    name: str
    count: int
    right: int | None
    """How many are classified rightly; null where the network does not know the class."""


@closed
class ThumbnailLevel(TypedDict):
    """Thumbnails of one size, on sheets."""

    side: int
    columns: int
    """Thumbnails in a row of a sheet, and rows of it."""
    sheets: int


@closed
class Thumbnails(TypedDict):
    """The pictures of all inputs."""

    ink: bool
    format: Literal["png", "webp"]
    levels: list[ThumbnailLevel]
    """The largest size first."""


class Embedding(TypedDict):
    """What all have in common that were embedded; its other fields are those of every document."""

    net: str
    world: str
    """The kind of the network's inputs."""
    place: str
    units: int
    """Number of the layer's units."""
    inputs: int
    data: str
    parts: list[DataPart]
    classes: list[EmbeddedClass]
    predicted: list[str]
    """Names of the classes of the network."""
    layouts: list[str]
    spread: Number
    """Share of the variance that the axes of PCA hold."""
    grid: tuple[int, int]
    """Rows and columns."""
    thumbnails: Thumbnails
