"""The figures of images, numbers and points that a task shows of its test."""

from collections.abc import Mapping

from markupsafe import Markup
from torch import Tensor

from convscope.learn import ImageRows, NumberTable, Plot
from convscope.show.report.figure import Figure
from convscope.show.report.figures.plot import legend, plot
from convscope.show.report.figures.training.worst_examples import picture
from convscope.show.report.i18n import bilingual_of
from convscope.show.svg import element, join, number

MOST_ROWS = 12
"""Most rows that are shown."""


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
    drawn = element("div", heads, *body, class_="image-rows")
    return Figure("trained.rows", drawn, "", "", _texts(found))


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
    body = element("div", table, class_="scrolled")
    return Figure("trained.numbers", body, "", "", _texts(found))


def points(found: Plot) -> Figure:
    """Build the figure of a plot, such as generated points beside those that they imitate.

    Args:
        found: the points with their names.

    Returns:
        The figure.
    """
    body = join([legend(found), plot(found)])
    return Figure("trained.plot", body, "", "", _texts(found))


def _texts(found: ImageRows | NumberTable | Plot) -> Mapping[str, object]:
    """Return what the heading and the caption of the figure say."""
    return {"title": found.title, "caption": found.caption}


def _outlined(polygon: Tensor | None) -> Markup | None:
    """Draw a polygon over an image whose box it shares; None where there is none."""
    if polygon is None:
        return None
    corners = " ".join(f"{number(100 * x)},{number(100 * y)}" for x, y in polygon.tolist())
    line = element("polygon", points=corners, class_="outline", vector_effect="non-scaling-stroke")
    return element("svg", line, viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true")
