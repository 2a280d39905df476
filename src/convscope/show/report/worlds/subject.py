"""What a tour of a world follows: a network that ships, one input, and inputs to compare it with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from convscope.nets import Net
from convscope.show.report.figure import Section
from convscope.show.report.recipe import TourRecipe
from convscope.worlds import LabelledDataset, Sample


@dataclass(frozen=True)
class Subject:
    """What the chapters of a tour read.

    Attributes:
        net: the trained network.
        sample: the input that is followed through it.
        data: inputs that ship with the package, in which the units' best examples are searched; None where
            there are none.
        recipe: all settings.
        file: the followed input as a file beside the page, for the commands under the figures.
    """

    net: Net
    sample: Sample
    data: LabelledDataset | None
    recipe: TourRecipe
    file: Path


Chapter = Callable[[Subject], Section]


@dataclass(frozen=True)
class WorldTour:
    """The tour of one world.

    Attributes:
        key: prefix of its texts, and name of their file in `text/worlds`: `<key>.title`, `.standfirst`,
            `.made`, `.partial`, perhaps `.data`.
        prepare: loads network and inputs, and writes the followed input into the folder of the page.
        chapters: compute the sections, in reading order.
    """

    key: str
    prepare: Callable[[TourRecipe, Path], Subject]
    chapters: tuple[Chapter, ...]
