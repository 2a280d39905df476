"""A small builder of SVG and HTML that escapes every value and refuses scripts and external resources."""

import math
import re
from collections.abc import Callable, Iterable, Mapping

from markupsafe import Markup, escape

from convscope.errors import DataError, UsageError

Child = str | int | float | None
Label = str | Mapping[str, str]
"""A text, or one for each language: `{"en": ..., "zh": ...}`."""
INSIDE = ("#", "data:image/png;base64,", "data:image/webp;base64,", "data:audio/wav;base64,")
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_VOID = frozenset({"img", "br", "input", "meta", "hr", "wbr"})
_REFUSED = frozenset({"script", "iframe", "object", "embed", "foreignObject", "link", "base"})


def number(value: float, digits: int = 2) -> str:
    """Format a coordinate as short fixed-point text: `3`, `2.5`, never `1e-05`.

    Args:
        value: a finite number.
        digits: decimals before trailing zeros are dropped.

    Returns:
        The text; negative zero is written `0`.

    Raises:
        DataError: the value is not finite.
    """
    if not math.isfinite(value):
        raise DataError("finite numbers to draw", received=str(value))
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """Build one SVG or HTML element.

    Args:
        name: name of the element; names that run or fetch something (`script`, `iframe`, ...) are refused.
        *children: what the element holds. `Markup` is taken as it is, all else is escaped; None is left out.
        **attributes: attributes by name. A trailing underscore is dropped and others become hyphens, so
            `class_` is written `class` and `stroke_width` is written `stroke-width`. Floats are written with
            two decimals at most; None is left out.

    Returns:
        The element as safe markup.

    Raises:
        UsageError: the name could run or fetch something or is no name, an attribute is an event handler, or
            `href` or `src` points outside of the page.
        DataError: an attribute is a float that is not finite.
    """
    if not _NAME.fullmatch(name) or name in _REFUSED:
        raise UsageError("the name of an element that only draws", received=name)
    opening = Markup(name) + Markup("").join(
        _attribute(key, value) for key, value in attributes.items() if value is not None
    )
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(children)}</{name}>")  # every part is escaped already


def join(children: Iterable[Child]) -> Markup:
    """Concatenate children to one piece of markup.

    Args:
        children: `Markup` is taken as it is, all else is escaped; None is left out.

    Returns:
        The children one after another, without separators.
    """
    return Markup("").join(escape(child) for child in children if child is not None)


def drawing(width: float, height: float, *children: Child, label: Label = "", class_: str = "") -> Markup:
    """Build an `<svg>` element that scales with the width of its column.

    Args:
        width: width of the view box, and the largest width on the page in CSS pixels.
        height: height of the view box.
        *children: the elements drawn.
        label: the accessible name for screen readers, or one for each language (`{"en": ..., "zh": ...}`),
            from which the page's script takes that of the shown language. Without it the drawing is hidden
            from screen readers.
        class_: CSS class.

    Returns:
        The `<svg>` element.
    """
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        class_=class_ or None,
        role="img" if label else None,
        **(named("aria-label", label) if label else {"aria-hidden": "true"}),
        style=f"max-width:{number(width)}px",
    )


def named(attribute: str, label: Label) -> dict[str, str]:
    """Return the attributes of an element whose `alt`, `aria-label` or `placeholder` is in every language.

    The page's script takes the text of the shown language from `data-en` and `data-zh`.

    Args:
        attribute: name of the attribute; empty for elements whose whole content it is (`<title>`).
        label: the text, or one for each language.

    Returns:
        Attributes by name, for `element`; the English text is in the attribute itself.
    """
    if isinstance(label, str):
        return {attribute: label}
    spoken = {f"data-{language}": text for language, text in label.items()}
    return {attribute: label["en"], **spoken} if attribute else spoken


def responsive(draw: Callable[[float], Markup], narrow: float = 340, wide: float = 680) -> Markup:
    """Draw the same figure twice, for narrow and for wide screens; the style sheet shows the one that fits.

    Args:
        draw: makes the figure for a width in pixels.
        narrow: width for phones, in pixels.
        wide: width for larger screens, in pixels.

    Returns:
        Two `<div>` elements, of class `narrow` and `wide`.
    """
    return element("div", draw(narrow), class_="narrow") + element("div", draw(wide), class_="wide")


def _attribute(key: str, value: object) -> Markup:
    name = key.rstrip("_").replace("_", "-")
    text = number(value) if isinstance(value, float) else str(value)
    if not _NAME.fullmatch(name) or name.lower().startswith("on"):
        raise UsageError("an attribute that only draws", received=name)
    if name in ("href", "src") and not text.startswith(INSIDE):
        raise UsageError("an address inside this page", received=text[:80])
    return Markup(f' {name}="{escape(text)}"')
