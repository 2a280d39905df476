"""The figures of images, numbers and points that a task shows of its test."""

from collections.abc import Sequence
from math import ceil, floor, log10

from markupsafe import Markup
from torch import Tensor

from convscope.learn import ImageRows, NumberTable, Points
from convscope.show.report.figure import Figure
from convscope.show.report.figures.training.worst_examples import picture
from convscope.show.report.i18n import bilingual_of
from convscope.show.svg import drawing, element, join, number

MOST_ROWS = 12
"""Most rows that are shown."""
MOST_TICKS = 8
"""Most intervals of an axis."""
WIDE, TALL, LEFT, BOTTOM = 460, 380, 44, 30
"""Sides of a drawing of points, and the room for the numbers of its axes, in pixels."""


def images(found: ImageRows) -> Figure:
    """Build the figure of rows of images, such as inputs beside what a network makes of them.

    Args:
        found: the images with the titles of their columns.

    Returns:
        The figure.
    """
    cells: list[Markup] = [bilingual_of(head, tag="span") for head in found.heads]
    rows = found.rows[:MOST_ROWS]
    outlines = found.outlines or [(None,) * len(found.heads)] * len(rows)
    heads = element("div", *(element("div", cell) for cell in cells), class_="image-row")
    body = [
        element(
            "div",
            *(
                element("div", picture(one, found.spec, head), _outlined(outline), class_="outlined")
                for one, head, outline in zip(row, found.heads, marked, strict=True)
            ),
            class_="image-row",
        )
        for row, marked in zip(rows, outlines, strict=False)
    ]
    title = bilingual_of(found.title, tag="p", class_="mini")
    return Figure("trained.rows", element("div", title, heads, *body, class_="image-rows"), "", "", {})


def numbers(found: NumberTable) -> Figure:
    """Build the figure of a table, such as a network's numbers beside those of simpler methods.

    Args:
        found: the numbers with the names of rows and columns.

    Returns:
        The figure.
    """
    heads = [element("th"), *(element("th", bilingual_of(head)) for head in found.heads)]
    rows = [
        element(
            "tr", element("th", bilingual_of(name), scope="row"), *(element("td", cell) for cell in cells)
        )
        for name, cells in found.rows
    ]
    table = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        class_="exact numbers",
    )
    body = Markup("").join(
        [
            bilingual_of(found.title, tag="p", class_="mini"),
            element("div", table, class_="scrolled"),
            bilingual_of(found.caption, tag="p"),
        ]
    )
    return Figure("trained.numbers", body, "", "", {})


def points(found: Points) -> Figure:
    """Build the figure of points: two numbers of each sample against each other.

    Args:
        found: the points with the names of the axes; those that are not finite are left out.

    Returns:
        The figure.
    """
    kept = found.values[found.values.isfinite().all(1)]
    ends = [_ticks(column.tolist()) for column in kept.T]
    across, up = (
        lambda value, low=low, high=high, size=size: (value - low) / (high - low) * size
        for (low, *_, high), size in zip(ends, (WIDE - LEFT - 8, TALL - 8 - BOTTOM), strict=True)
    )
    x, y = (lambda v: LEFT + across(v)), (lambda v: TALL - BOTTOM - up(v))
    marks = [element("circle", cx=x(a), cy=y(b), r=2.2, class_="mark-above") for a, b in kept.tolist()]
    grid = [
        *(element("path", d=f"M{LEFT} {number(y(t))}H{WIDE - 8}", class_="hair") for t in ends[1]),
        *(element("path", d=f"M{number(x(t))} 8V{TALL - BOTTOM}", class_="hair") for t in ends[0]),
        *(element("text", f"{t:g}", x=LEFT - 6, y=y(t) + 4, class_="end tiny muted") for t in ends[1]),
        *(
            element("text", f"{t:g}", x=x(t), y=TALL - BOTTOM + 16, class_="middle tiny muted")
            for t in ends[0]
        ),
    ]
    names = element(
        "p",
        *(
            element("span", bilingual_of({k: f"{sign} {v}" for k, v in axis.items()}), class_="tiny")
            for sign, axis in zip(("→", "↑"), found.axes, strict=True)
        ),
        class_="legend",
    )
    body = join(
        [
            bilingual_of(found.title, tag="p", class_="mini"),
            drawing(WIDE, TALL, join(grid), join(marks), label=found.title),
            names,
            bilingual_of(found.caption, tag="p"),
        ]
    )
    return Figure("trained.points", body, "", "", {})


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers from below the least value to above the largest."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = max(high - low, 1e-6)
    step = 10 ** floor(log10(room))
    step = next(step * share for share in (0.2, 0.5, 1.0, 2.0) if room / (step * share) <= MOST_TICKS)
    first, last = floor(low / step), ceil(high / step)
    return [round(k * step, 10) for k in range(first, max(last, first + 1) + 1)]


def _outlined(polygon: Tensor | None) -> Markup | None:
    """Draw a polygon over an image whose box it shares; None where there is none."""
    if polygon is None:
        return None
    corners = " ".join(f"{number(100 * x)},{number(100 * y)}" for x, y in polygon.tolist())
    line = element("polygon", points=corners, class_="outline", vector_effect="non-scaling-stroke")
    return element("svg", line, viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true")
