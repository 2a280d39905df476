"""Answers about what can be trained on: sets by name, uploads, folders that were handed over."""

from typing import Literal

from typing_extensions import TypedDict

from convscope.lab.web.routes.answers.common import closed

World = Literal["image", "sound", "text", "go", "vector"]


@closed
class Uploaded(TypedDict):
    """A file that was handed over."""

    id: str
    """By which other requests name it."""
    bytes: int
    name: str


@closed
class Correction(TypedDict):
    """A file of a folder that was moved to another class, or removed."""

    number: int
    name: str
    """The file, as the user named it."""
    action: Literal["move", "remove"]
    to: str
    undone: bool
    file: str | None
    """Where it lay in the training that is looked at; null where it was not in its data."""


@closed
class CorrectedSet(TypedDict):
    """A folder that was handed over, as it is corrected."""

    id: str
    version: int
    """Number of entries: corrections, and those that took one back."""
    count: int
    """Files that count."""
    classes: dict[str, int]
    corrections: list[Correction]


@closed
class DataSet(TypedDict):
    """A set by name."""

    name: str
    published: bool
    """Whether its files are published elsewhere, rather than in the package."""
    ready: bool
    """Whether they are there."""
    root: str
    """The folder in which the files of a published set lie; empty for none."""


@closed
class FittingRecipe(TypedDict):
    """A named recipe, and what it fits."""

    name: str
    title: str
    summary: str
    source: str
    task: str
    world: World
    data: str
    sets: list[str]
    """The sets that it learns from."""
    files: bool
    """Whether it learns from files of the user, too."""


@closed
class WorldChoices(TypedDict):
    """What can be trained on in one world."""

    world: World
    sets: list[DataSet]
    recipes: list[FittingRecipe]
    start: str
    """The recipe that is proposed; empty for none."""
