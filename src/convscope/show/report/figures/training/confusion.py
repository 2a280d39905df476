"""The confusion matrix."""

from collections.abc import Collection, Sequence

from markupsafe import Markup

from convscope.errors import DataError
from convscope.learn import Evaluation
from convscope.show.report.figure import Figure
from convscope.show.report.figures.training.cell_images import Cell, anchor, choose, galleries
from convscope.show.report.figures.training.worst_examples import MNIST
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element, join
from convscope.worlds import LabelledDataset

Counts = Sequence[Sequence[int]]
LARGEST, LISTED = 16, 12
"""Most classes of a matrix that is drawn, and most confusions that are listed for more classes."""


def table(
    counts: Counts, classes: Sequence[str], caption: Markup | str = "", linked: Collection[Cell] = ()
) -> Markup:
    """Build the confusion matrix as an HTML table.

    Counts off the diagonal are tinted orange in proportion to the largest of them.

    Args:
        counts: `counts[truth][prediction]`, one row and one column for each class.
        classes: names of the classes.
        caption: caption of the table; none if empty.
        linked: cells whose images are on the page, by true class and prediction; each links to them.

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
            "tr",
            element("th", classes[y], scope="row"),
            *(_cell(c, most, (y, x), linked=(y, x) in linked) for x, c in enumerate(row)),
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
    """Build the figure of the confusion matrix; its title quotes the most frequent one, unless tied.

    Args:
        counts: `counts[truth][prediction]`, one row and one column for each class; at least two classes.
        classes: names of the classes.
        command: reproduces the matrix.

    Returns:
        The figure.
    """
    wrong = [(c, y, x) for y, row in enumerate(counts) for x, c in enumerate(row) if x != y]
    count, truth, answer = max(wrong)
    ties = sum(other == count for other, _, _ in wrong)
    values = {
        "count": count,
        "ties": ties,
        "truth": classes[truth],
        "answer": classes[answer],
        "wrong": f"{sum(c for c, _, _ in wrong):,}",
        "total": f"{sum(map(sum, counts)):,}",
    }
    body = table(counts, classes, bilingual("training.confusion.axes"))
    finding = "title" if ties == 1 else "tied"
    return Figure("training.confusion", body, command, MNIST, values, finding=finding)


def of_run(found: Evaluation, command: str, images: LabelledDataset | None = None) -> Figure:
    """Build the figure of the mistakes of any classifier.

    Up to `LARGEST` classes that is the matrix, for more the most frequent confusions. The title names the
    most frequent one, or says how many are equally frequent.

    Args:
        found: predictions for labelled images, of which at least one is wrong.
        command: reproduces the numbers.
        images: the images; where they are given, each cell of a matrix opens some of its own.

    Returns:
        The figure.
    """
    confusions, classes = found.confusions, found.classes
    truth, answer, count = confusions[0]
    ties = sum(other == count for _, _, other in confusions)
    values = {
        "count": count,
        "truth": classes[truth],
        "answer": classes[answer],
        "ties": ties,
        "wrong": f"{sum(c for _, _, c in confusions):,}",
        "total": f"{len(found.labels):,}",
        "shown": min(len(confusions), LISTED),
        "kinds": f"{len(confusions):,}",
    }
    small = len(classes) <= LARGEST
    chosen = choose(found) if small and images is not None else {}
    body = (
        table(found.confusion.tolist(), classes, bilingual("trained.axes"), chosen)
        if small
        else _list(found, confusions[:LISTED])
    )
    key = "trained.confusion" if ties == 1 else "trained.tied"
    note = bilingual("trained.matrix" if small else "trained.list", tag="p", class_="mini", **values)
    opened = bilingual("trained.cell.hint", tag="p", class_="mini") if chosen else None
    shown = galleries(found, images, chosen) if images is not None else None
    return Figure(
        key, join([note, element("div", body, class_="scrolled"), opened, shown]), command, "", values
    )


def _list(found: Evaluation, confusions: Sequence[tuple[int, int, int]]) -> Markup:
    """Build a table of confusions, each with its count and the number of images of the true class."""
    members = found.labels.bincount(minlength=len(found.classes)).tolist()
    heads = [element("th", bilingual(f"trained.{head}")) for head in ("truth", "answer", "times")]
    lines = [
        element(
            "tr",
            element("td", found.classes[truth]),
            element("td", found.classes[answer]),
            element("td", bilingual("trained.of", count=count, all=members[truth])),
        )
        for truth, answer, count in confusions
    ]
    return element("table", element("thead", element("tr", *heads)), element("tbody", *lines), class_="exact")


def _cell(count: int, most: int, cell: Cell, *, linked: bool) -> Markup:
    """Build one cell; `most` is the largest count off the diagonal."""
    right = cell[0] == cell[1]
    text = element("a", f"{count}", href=f"#{anchor(cell)}") if linked else f"{count}"
    if right:
        return element("td", text, class_="right")
    style = f"background-color:rgb(224 96 16 / {0.15 + 0.5 * count / most:.2f})" if count else None
    return element("td", text if count else "·", style=style)
