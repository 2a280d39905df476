"""What was taken for what."""

from collections.abc import Sequence

from markupsafe import Markup

from convscope.errors import DataError
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element, join

Counts = Sequence[Sequence[int]]
MNIST = "Yann LeCun, Corinna Cortes, Christopher Burges, the MNIST database of handwritten digits"


def table(counts: Counts, classes: Sequence[str], caption: Markup | str = "") -> Markup:
    """Rows are the truth, columns the answer. Right answers are written plainly, wrong ones on orange.

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
    """The confusion matrix, with the commonest mistake in its title."""
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
    if right:
        return element("td", f"{count}", class_="right")
    style = f"background-color:rgb(224 96 16 / {0.15 + 0.5 * count / most:.2f})" if count else None
    return element("td", f"{count}" if count else "·", style=style)
