"""Sections and figures as one page that needs nothing else: no network, no fonts, no other file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import convscope
from convscope.show.report.figure import Section
from convscope.show.report.i18n import bilingual, plain, texts


@dataclass(frozen=True)
class Report:
    """What the page says; `facts` are numbers for its head: the key of a text, and the number as written."""

    sections: tuple[Section, ...]
    command: str
    facts: Sequence[tuple[str, str]] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    unfinished: bool = False
    page: str = "page"
    """Where the page's own words are: `<page>.title`, `.standfirst`, `.made`, perhaps `.data`."""


def render(report: Report) -> str:
    """The page as HTML, in English and Chinese.

    Raises:
        UsageError: a figure has no words.
    """
    environment = Environment(
        loader=PackageLoader("convscope.show"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = environment.get_template("report.css").render()
    script = environment.get_template("report.js").render()
    return environment.get_template("report.html.j2").render(
        sections=report.sections,
        facts=report.facts,
        values=report.values,
        command=report.command,
        unfinished=report.unfinished,
        page=report.page,
        both=bilingual,
        plain=plain,
        has=texts().__contains__,
        version=convscope.__version__,
        css=Markup(css),
        script=Markup(script),
    )
