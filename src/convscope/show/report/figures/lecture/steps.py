"""The interactive figure of one convolution, position by position."""

from markupsafe import Markup

from convscope.show.report import worked_examples
from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import captioned, matrix, tint, written
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.report.worked_examples import Rows
from convscope.show.svg import drawing, element, join

CELL = 30


def figure() -> Figure:
    """Build the figure that steps through a convolution of the lecture's image with its filter 1.

    Choosing an output value outlines the window it is computed from and writes out the sum.

    Returns:
        The figure.
    """
    out = worked_examples.correlate(worked_examples.IMAGE, worked_examples.DIAGONAL)
    body = element(
        "div",
        captioned(bilingual("convolution.steps.image"), _image(worked_examples.IMAGE, out)),
        captioned(bilingual("convolution.steps.filter"), matrix(worked_examples.DIAGONAL)),
        captioned(bilingual("convolution.steps.output"), _choices(out)),
        _sums(worked_examples.IMAGE, worked_examples.DIAGONAL, out),
        element("button", bilingual("convolution.steps.play"), type="button", class_="play", hidden="hidden"),
        class_="stepper",
    )
    return Figure(
        "convolution.steps",
        body,
        'python -c "from convscope.show.report import worked_examples as l; '
        'print(l.correlate(l.IMAGE, l.DIAGONAL))"',
        "Hung-yi Lee, Machine Learning, lecture “Convolutional Neural Network” (National Taiwan University)",
        {"count": sum(len(row) for row in out), "first": written(out[0][0])},
    )


def _image(image: Rows, out: Rows) -> Markup:
    """Draw the image, with one hidden outline for each window."""
    cells = [
        element(
            "text",
            written(value),
            x=x * CELL + CELL / 2,
            y=y * CELL + CELL / 2 + 5,
            class_="strong number" if value else "number",
        )
        for y, row in enumerate(image)
        for x, value in enumerate(row)
    ]
    side = len(image) * CELL
    lines = [
        element("path", d=f"M{i * CELL} 0V{side}M0 {i * CELL}H{side}", class_="hair")
        for i in range(len(image) + 1)
    ]
    windows = [
        element(
            "rect",
            x=x * CELL + 1,
            y=y * CELL + 1,
            width=3 * CELL - 2,
            height=3 * CELL - 2,
            rx=4,
            class_=f"window at at-{y * len(out[0]) + x}",
        )
        for y in range(len(out))
        for x in range(len(out[0]))
    ]
    return drawing(side, side, join(lines), join(windows), join(cells), label=spoken("convolution.steps.alt"))


def _choices(out: Rows) -> Markup:
    """Build the table of output values as radio buttons."""
    top = max(abs(value) for row in out for value in row)
    lines = []
    for y, row in enumerate(out):
        cells = []
        for x, value in enumerate(row):
            index = y * len(row) + x
            pick = element(
                "input",
                type="radio",
                name="step",
                class_=f"pick-{index}",
                checked="checked" if index == 0 else None,
            )
            choice = element("label", pick, element("span", written(value)), style=tint(value, top))
            cells.append(element("td", choice))
        lines.append(element("tr", join(cells)))
    return element("table", element("tbody", join(lines)), class_="matrix choices")


def _sums(image: Rows, kernel: Rows, out: Rows) -> Markup:
    """Write out the sum of products of each output value; all but the chosen one are hidden."""
    sums = []
    for y, row in enumerate(out):
        for x, value in enumerate(row):
            terms = " + ".join(
                f"{written(image[y + i][x + j])}·{_bracketed(kernel[i][j])}"
                for i in range(3)
                for j in range(3)
            )
            result = element("strong", written(value))
            sums.append(element("p", terms, " = ", result, class_=f"sum at at-{y * len(row) + x}"))
    return element("div", join(sums), class_="sums")


def _bracketed(value: float) -> str:
    return f"({written(value)})" if value < 0 else written(value)
