"""Rendering of sections and figures as one self-contained HTML page: no other file, no network access."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from convscope.show import html
from convscope.show.report.figure import Figure, Section
from convscope.show.report.i18n import Text, bilingual_of, spoken, texts


@dataclass(frozen=True)
class Report:
    """Contents of a page.

    Attributes:
        sections: in reading order.
        command: the terminal command that makes the page again; printed on it.
        facts: numbers for the head of the page: the key of a text, and the formatted number.
        values: numbers and names that the page's own texts quote, by placeholder.
        unfinished: whether the page says that chapters are missing.
        page: prefix of the page's own texts: `<page>.title`, `.standfirst`, `.made`, perhaps `.data`, and
            `.partial` if it can be unfinished.
        deep: whether the contents list the figures of each section too.
        parts: further folders in `templates/` with the style sheet and script of figures of this page.
        tools: markup of controls of the whole page, above its sections.
        notes: sentences on what was read, below the page's first paragraph.
    """

    sections: tuple[Section, ...]
    command: str
    page: str
    facts: Sequence[tuple[str, Markup | str]] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    unfinished: bool = False
    deep: bool = False
    parts: Sequence[str] = ()
    tools: str = ""
    notes: Sequence[Text] = ()

    @property
    def contents(self) -> list[tuple[str, Markup]]:
        """Anchor and title of each section; of each figure where there is only one section."""
        if len(self.sections) > 1:
            return [(s.anchor, _title(s)) for s in self.sections]
        return [entry for section in self.sections for entry in _figures(section)]

    @property
    def inner_contents(self) -> dict[str, list[tuple[str, Markup]]]:
        """Anchor and title of the figures of each section, by its anchor; empty where not listed."""
        if not self.deep or len(self.sections) < 2:
            return {}
        return {section.anchor: _figures(section) for section in self.sections}


def render(report: Report) -> str:
    """Render a report as an HTML page in English and Chinese.

    Args:
        report: sections, figures and facts.

    Returns:
        The HTML document.

    Raises:
        UsageError: a figure has no texts, or they have a placeholder without a value.
    """
    return html.render(
        "page/sections.html.j2",
        page=report.page,
        parts=report.parts,
        contents=report.contents,
        inner_contents=report.inner_contents,
        sections=report.sections,
        tools=report.tools,
        facts=report.facts,
        values=report.values,
        command=report.command,
        unfinished=report.unfinished,
        notes=[bilingual_of(line, tag="p") for line in report.notes],
    )


def _figures(section: Section) -> list[tuple[str, Markup]]:
    """Return anchor and title of the figures of a section that have one."""
    return [(figure.anchor, _title(figure)) for figure in section.figures if figure.title in texts()]


def _title(part: Section | Figure) -> Markup:
    return bilingual_of(spoken(part.title, **part.values))
