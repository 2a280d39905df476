"""Small tables of numbers: tinted by sign, the number always written out."""

from collections.abc import Collection

from markupsafe import Markup

from convscope.show.images.draw import BLUE, ORANGE
from convscope.show.report.worked_examples import Rows
from convscope.show.svg import element, join, number

Cells = Collection[tuple[int, int]]


def tint(value: float, limit: float) -> str | None:
    """A background as strong as the value: orange above zero, blue below."""
    if not value or not limit:
        return None
    hue = ORANGE if value > 0 else BLUE
    strength = min(abs(value) / limit, 1) * 0.6
    return f"background-color:rgb({hue[0]} {hue[1]} {hue[2]} / {number(strength)})"


def written(value: float) -> str:
    """A number with a true minus sign."""
    return number(value).replace("-", "\u2212")


def fixed(value: float) -> str:
    """A number with a true minus sign; two decimals unless it is whole."""
    return written(value) if value == round(value) else f"{value:.2f}".replace("-", "\u2212")


def matrix(rows: Rows, *, limit: float | None = None, ring: Cells = (), faded: Cells = ()) -> Markup:
    """A table of numbers; cells in `ring` are outlined, cells in `faded` recede."""
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
    """A body with a short line of words above it."""
    return element("div", element("p", caption, class_="mini"), body, class_=f"captioned {class_}".strip())
