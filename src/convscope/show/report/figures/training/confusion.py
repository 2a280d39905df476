"""The confusion matrix."""

from collections.abc import Sequence

from markupsafe import Markup

from convscope.errors import DataError
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element, join

Counts = Sequence[Sequence[int]]
MNIST = "Yann LeCun, Corinna Cortes, Christopher Burges, the MNIST database of handwritten digits"


def table(counts: Counts, classes: Sequence[str], caption: Markup | str = "") -> Markup:
    """Build the confusion matrix as an HTML table.

    Counts off the diagonal are tinted orange in proportion to the largest of them.

    Args:
        counts: `counts[truth][prediction]`, one row and one column for each class.
        classes: names of the classes.
        caption: caption of the table; none if empty.

    Returns:
        The `<table>` element.

    Raises:
        DataError: the table is not square or has another size than the classes.
    """
    if len(counts) != len(classes) or any(len(row) != len(classes) for row in counts):
        raise DataError(f"{len(classes)} rows and columns of counts", received=f"{len(counts)} rows")
    most = max((c for y, row in enumerate(counts) for x, c in enumerate(row) if x != y), default=0)
    head = element("tr", element("th"), *(element("th", name, scope="col") for name in classes))
    lines = [
        element(
            "tr", element("th", classes[y], scope="row"), *(_cell(c, x == y, most) for x, c in enumerate(row))
        )
        for y, row in enumerate(counts)
    ]
    return element(
        "table",
        element("caption", caption) if caption else None,
        element("thead", head),
        element("tbody", join(lines)),
        class_="confusion",
    )


def figure(counts: Counts, classes: Sequence[str], command: str) -> Figure:
    """Build the figure of the confusion matrix; its title quotes the most frequent confusion.

    Args:
        counts: `counts[truth][prediction]`, one row and one column for each class; at least two classes.
        classes: names of the classes.
        command: reproduces the matrix.

    Returns:
        The figure.
    """
    wrong = [(c, y, x) for y, row in enumerate(counts) for x, c in enumerate(row) if x != y]
    count, truth, answer = max(wrong)
    values = {
        "count": count,
        "truth": classes[truth],
        "answer": classes[answer],
        "wrong": sum(c for c, _, _ in wrong),
        "total": sum(map(sum, counts)),
    }
    body = table(counts, classes, bilingual("training.confusion.axes"))
    return Figure("training.confusion", body, command, MNIST, values)


def _cell(count: int, right: bool, most: int) -> Markup:
    """Build one cell; `most` is the largest count off the diagonal."""
    if right:
        return element("td", f"{count}", class_="right")
    style = f"background-color:rgb(224 96 16 / {0.15 + 0.5 * count / most:.2f})" if count else None
    return element("td", f"{count}" if count else "·", style=style)
