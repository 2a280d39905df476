"""A small builder of safe SVG and HTML: every value is escaped, nothing can run, nothing can be fetched."""

import math
import re
from collections.abc import Callable, Iterable, Mapping

from markupsafe import Markup, escape

from convscope.errors import DataError, UsageError

Child = str | int | float | None
INSIDE = ("#", "data:image/png;base64,", "data:image/webp;base64,")
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_VOID = frozenset({"img", "br", "input", "meta", "hr"})
_REFUSED = frozenset({"script", "iframe", "object", "embed", "foreignObject", "link", "base"})


def number(value: float, digits: int = 2) -> str:
    """A coordinate as short text: `3`, `2.5`, never `1e-05`.

    Raises:
        DataError: the value is not finite.
    """
    if not math.isfinite(value):
        raise DataError("finite numbers to draw", received=str(value))
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """One element. Children that are not `Markup` are escaped; `class_` and `stroke_width` become `class` and
    `stroke-width`; attributes that are None are left out.

    Raises:
        UsageError: the name could run or fetch something, or is no name.
    """  # noqa: D205
    if not _NAME.fullmatch(name) or name in _REFUSED:
        raise UsageError("the name of an element that only draws", received=name)
    opening = Markup(name) + Markup("").join(
        _attribute(key, value) for key, value in attributes.items() if value is not None
    )
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(children)}</{name}>")  # every part is escaped already


def join(children: Iterable[Child]) -> Markup:
    """Children side by side, escaped where they are plain."""
    return Markup("").join(escape(child) for child in children if child is not None)


def drawing(
    width: float, height: float, *children: Child, label: str | Mapping[str, str] = "", class_: str = ""
) -> Markup:
    """An `<svg>` that scales with its column.

    Without a `label` readers of the screen skip it; one in several languages follows that of the page.
    """
    hidden = None if label else "true"
    spoken = {} if isinstance(label, str) else {f"data_{language}": text for language, text in label.items()}
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        class_=class_ or None,
        role="img" if label else None,
        aria_label=spoken.get("data_en", label) or None,
        aria_hidden=hidden,
        style=f"max-width:{number(width)}px",
        **spoken,
    )


def responsive(draw: Callable[[float], Markup], narrow: float = 340, wide: float = 680) -> Markup:
    """One drawing made for a phone and once more for a desk; the style sheet shows the one that fits."""
    return element("div", draw(narrow), class_="narrow") + element("div", draw(wide), class_="wide")


def _attribute(key: str, value: object) -> Markup:
    name = key.rstrip("_").replace("_", "-")
    text = number(value) if isinstance(value, float) else str(value)
    if not _NAME.fullmatch(name) or name.lower().startswith("on"):
        raise UsageError("an attribute that only draws", received=name)
    if name in ("href", "src") and not text.startswith(INSIDE):
        raise UsageError("an address inside this page", received=text[:80])
    return Markup(f' {name}="{escape(text)}"')
