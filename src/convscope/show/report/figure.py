"""Figures and sections of a report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

_ASIDE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Figure:
    """One figure with its texts, and the command that reproduces it.

    The texts are in `text/`: `<key>.title` states the finding and `<key>.caption` how to read it;
    `<key>.prose` stands before the figure and `<key>.note` after it. Those that do not exist are left out.

    Attributes:
        key: prefix of the keys of the texts.
        body: the drawing as markup.
        command: reproduces the result: a terminal command of `convscope`, or Python that runs as it stands;
            empty if it is that of the whole page.
        source: the literature or lecture it follows.
        values: numbers and names that the texts quote, by placeholder.
        wide: whether the figure takes the full width of the page.
        name: distinguishes figures of one key, such as a method's name; part of the id on the page.
        finding: which text is the title, `<key>.<finding>`: texts that claim different things are chosen by
            the numbers.
    """

    key: str
    body: Markup
    command: str
    source: str
    values: Mapping[str, object] = field(default_factory=dict)
    wide: bool = False
    name: str = ""
    finding: str = "title"

    @property
    def title(self) -> str:
        """Key of the text that states the finding."""
        return f"{self.key}.{self.finding}"

    @property
    def anchor(self) -> str:
        """The id of the figure on the page."""
        return _anchor(self.key, self.name)


@dataclass(frozen=True)
class Section:
    """A chapter of a report: `<key>.title`, `<key>.lead` if there is such a text, then its figures.

    Attributes:
        key: prefix of the keys of the texts.
        figures: in reading order.
        values: numbers and names that title and lead quote, by placeholder.
        name: distinguishes sections of one key, such as a layer's name; part of the id on the page.
        folded: whether the section is folded at first; None for one that cannot be folded.
    """

    key: str
    figures: tuple[Figure, ...]
    values: Mapping[str, object] = field(default_factory=dict)
    name: str = ""
    folded: bool | None = None

    @property
    def title(self) -> str:
        """Key of the title."""
        return f"{self.key}.title"

    @property
    def anchor(self) -> str:
        """The id of the section on the page."""
        return _anchor(self.key, self.name)


def _anchor(key: str, name: str) -> str:
    """Join key and name to an id without dots in the key, and without spaces."""
    return "-".join(filter(None, (key.replace(".", "-"), _ASIDE.sub("-", name).strip("-"))))
