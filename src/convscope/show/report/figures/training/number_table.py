"""The figure of numbers side by side that a task shows of its test."""

from markupsafe import Markup

from convscope.learn import NumberTable
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual_of
from convscope.show.svg import element


def of_run(found: NumberTable) -> Figure:
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
