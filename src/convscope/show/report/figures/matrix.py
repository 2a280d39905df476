"""Small tables of numbers, tinted by sign and magnitude."""

from collections.abc import Collection

from markupsafe import Markup

from convscope.show.images.draw import BLUE, ORANGE
from convscope.show.report.worked_examples import Rows
from convscope.show.svg import element, join, number

Cells = Collection[tuple[int, int]]


def tint(value: float, limit: float) -> str | None:
    """Return the CSS background of a number: orange above zero, blue below, stronger with the magnitude.

    Args:
        value: the number.
        limit: the magnitude of the full tint.

    Returns:
        A CSS declaration; None for 0, or where `limit` is 0.
    """
    if not value or not limit:
        return None
    hue = ORANGE if value > 0 else BLUE
    strength = min(abs(value) / limit, 1) * 0.6
    return f"background-color:rgb({hue[0]} {hue[1]} {hue[2]} / {number(strength)})"


def written(value: float) -> str:
    """Format a number with up to two decimals and a true minus sign.

    Args:
        value: a finite number.

    Returns:
        The text, without trailing zeros.
    """
    return number(value).replace("-", "\u2212")


def fixed(value: float) -> str:
    """Format a number with exactly two decimals unless it is whole, and a true minus sign.

    Args:
        value: a finite number.

    Returns:
        The text.
    """
    return written(value) if value == round(value) else f"{value:.2f}".replace("-", "\u2212")


def matrix(rows: Rows, *, limit: float | None = None, ring: Cells = (), faded: Cells = ()) -> Markup:
    """Build an HTML table of numbers, tinted by sign and magnitude.

    Args:
        rows: the numbers.
        limit: the magnitude of the full tint; the largest in the table if left out.
        ring: cells (row, column) with an outline.
        faded: cells (row, column) drawn pale.

    Returns:
        The `<table>` element.
    """
    top = limit or max(abs(value) for row in rows for value in row)
    lines = []
    for y, row in enumerate(rows):
        cells = []
        for x, value in enumerate(row):
            kind = "ring" if (y, x) in ring else "faded" if (y, x) in faded else None
            cells.append(element("td", written(value), class_=kind, style=tint(value, top)))
        lines.append(element("tr", join(cells)))
    return element("table", element("tbody", join(lines)), class_="matrix")


def captioned(caption: Markup | str, body: Markup, class_: str = "") -> Markup:
    """Put a short caption above a block.

    Args:
        caption: the caption.
        body: what stands below it.
        class_: further CSS class of the surrounding `<div>`.

    Returns:
        The `<div>` element.
    """
    return element("div", element("p", caption, class_="mini"), body, class_=f"captioned {class_}".strip())
