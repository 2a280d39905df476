"""Rendering of sections and figures as one self-contained HTML page: no other file, no network access."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from convscope.show import html
from convscope.show.report.figure import Section
from convscope.show.report.i18n import bilingual, plain, texts


@dataclass(frozen=True)
class Report:
    """Contents of a page.

    Attributes:
        sections: in reading order.
        command: the terminal command that makes the page again; printed on it.
        facts: numbers for the head of the page: the key of a text, and the formatted number.
        values: numbers and names that the page's own texts quote, by placeholder.
        unfinished: whether the page says that chapters are missing.
        page: prefix of the page's own texts: `<page>.title`, `.standfirst`, `.made`, perhaps `.data`.
    """

    sections: tuple[Section, ...]
    command: str
    facts: Sequence[tuple[str, str]] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    unfinished: bool = False
    page: str = "page"


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
        "report.html.j2",
        styles=("report.css",),
        script="report.js",
        sections=report.sections,
        facts=report.facts,
        values=report.values,
        command=report.command,
        unfinished=report.unfinished,
        page=report.page,
        both=bilingual,
        plain=plain,
        has=texts().__contains__,
    )
