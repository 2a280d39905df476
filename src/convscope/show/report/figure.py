"""What a figure of the report is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    """One finding, drawn.

    The words are in `text/`: `<key>.title` says the finding and `<key>.caption` how to read it; optional are
    `<key>.prose` before the figure and `<key>.note` after it.
    """

    key: str
    body: Markup
    command: str
    """Makes the same thing: a terminal line of `convscope`, or Python that runs as it stands."""
    source: str
    values: Mapping[str, object] = field(default_factory=dict)
    """Numbers that the words quote."""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A chapter: `<key>.title`, `<key>.lead`, then its figures."""

    key: str
    figures: tuple[Figure, ...]
    values: Mapping[str, object] = field(default_factory=dict)
