"""Figures and sections of a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    """One figure with its texts, and the command that reproduces it.

    The texts are in `text/`: `<key>.title` states the finding and `<key>.caption` how to read it; optional
    are `<key>.prose` before the figure and `<key>.note` after it.

    Attributes:
        key: prefix of the keys of the texts.
        body: the drawing as markup.
        command: reproduces the result: a terminal command of `convscope`, or Python that runs as it stands.
        source: the literature or lecture it follows.
        values: numbers and names that the texts quote, by placeholder.
        wide: whether the figure takes the full width of the page.
    """

    key: str
    body: Markup
    command: str
    source: str
    values: Mapping[str, object] = field(default_factory=dict)
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A chapter of a report: `<key>.title`, `<key>.lead`, then its figures.

    Attributes:
        key: prefix of the keys of the texts.
        figures: in reading order.
        values: numbers and names that the lead quotes, by placeholder.
    """

    key: str
    figures: tuple[Figure, ...]
    values: Mapping[str, object] = field(default_factory=dict)
