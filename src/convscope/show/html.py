"""HTML pages from the package's templates, self-contained: no other file and no network access."""

from collections.abc import Sequence
from datetime import date
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import convscope
from convscope.show.report.i18n import bilingual, plain, spoken, texts
from convscope.show.svg import named


def render(
    template: str,
    *,
    page: str,
    parts: Sequence[str] = (),
    contents: Sequence[tuple[str, Markup]] = (),
    **values: object,
) -> str:
    """Render a template of a page with its style sheets and scripts inside the page.

    Every page has the shell of `templates/page/page.html.j2`: title, language switch, contents, facts and how
    it was made, all in English and Chinese.

    Args:
        template: a file in `templates/` that extends the shell; values are escaped.
        page: prefix of the page's own texts: `<page>.title`, `.standfirst`, `.made`, perhaps `.data`.
        parts: further folders in `templates/` whose `style.css` and `script.js`, where present, belong to the
            page.
        contents: anchor and title of each entry of the table of contents; none is shown for fewer than two.
        **values: what the template shows; the shell needs `values` (by placeholder of the page's texts),
            `facts`, `unfinished` and `command`.

    Returns:
        The HTML document.
    """
    folders = ("page", *parts)
    return (
        _environment()
        .get_template(template)
        .render(
            css=_joined([f"{folder}/style.css" for folder in folders]),
            script=_joined([f"{folder}/script.js" for folder in folders]),
            version=convscope.__version__,
            page=page,
            contents=contents,
            both=bilingual,
            plain=plain,
            names=_names,
            has=texts().__contains__,
            **values,
        )
    )


def made_with() -> dict[str, object]:
    """Return what pages state about their making: versions of this package and of torch, and the date."""
    import torch

    return {
        "version": convscope.__version__,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }


def _names(key: str, attribute: str = "", **values: object) -> Markup:
    """Return the attributes that hold a text in every language, for the script that switches them."""
    attributes = named(attribute, spoken(key, **values))
    return Markup("").join(Markup(' {}="{}"').format(name, text) for name, text in attributes.items())


def _joined(names: Sequence[str]) -> Markup:
    """Concatenate those of some files of `templates/` that exist."""
    known = set(_environment().list_templates(extensions=("css", "js")))
    return Markup("\n".join(_environment().get_template(name).render() for name in names if name in known))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("convscope.show"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
