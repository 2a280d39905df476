"""HTML pages from the package's templates, self-contained: no other file and no network access."""

from collections.abc import Sequence
from datetime import date
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import convscope


def render(template: str, *, styles: Sequence[str], script: str = "", **values: object) -> str:
    """Render a template with its style sheets and its script inside the page.

    Args:
        template: name of a file in `templates/`; values are escaped.
        styles: names of CSS files there, in order.
        script: name of a JavaScript file there; none if empty.
        values: what the template shows, besides `css`, `script` and `version`, which it always has.

    Returns:
        The HTML document.
    """
    css = "".join(_environment().get_template(name).render() for name in styles)
    code = _environment().get_template(script).render() if script else ""
    return (
        _environment()
        .get_template(template)
        .render(css=Markup(css), script=Markup(code), version=convscope.__version__, **values)
    )


def made_with() -> dict[str, object]:
    """Return what pages state about their making: versions of this package and of torch, and the date."""
    import torch

    return {
        "version": convscope.__version__,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("convscope.show"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
