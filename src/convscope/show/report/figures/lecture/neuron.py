"""Figures of backpropagation: a sigmoid neuron with the lecture's rounded numbers, and another expression."""

from markupsafe import Markup

from convscope.graph import computation
from convscope.show.report.figure import Figure
from convscope.show.report.figures.lecture.computation import drawn
from convscope.show.report.figures.matrix import written
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element, join, responsive

NEURON = "1/(1+exp(-(w0*x0+w1*x1+w2)))"
VALUES = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
SLIDE = {"w0": "−0.20", "x0": "0.40", "w1": "−0.40", "x1": "−0.60", "w2": "0.20"}
"""The gradients as printed on the slides."""
OTHER, OTHER_VALUES = "max(a*b, sqrt(c)) * a", {"a": 2.0, "b": 3.0, "c": 16.0}
CS231N = "Stanford CS231n, course notes on backpropagation, cs231n.github.io/optimization-2"


def sigmoid() -> Figure:
    """Build the figure of the lectures' sigmoid neuron as a computation graph.

    A table compares the exact gradients with those printed on the slides.

    Returns:
        The figure.
    """
    made = computation(NEURON, VALUES)
    gradients = {node.name: node.gradient for node in made.nodes}
    body = join(
        [
            responsive(lambda width: drawn(made, width, spoken("neuron.sigmoid.alt")), wide=760),
            _table(gradients),
        ]
    )
    return Figure(
        "neuron.sigmoid",
        body,
        _command(NEURON, VALUES),
        CS231N,
        {
            "value": f"{made.value:.2f}",
            "exact": f"{made.value:.4f}",
            "times": f"{abs(gradients['x1'] / gradients['w2']):.2g}",
        },
        wide=True,
    )


def other() -> Figure:
    """Build the figure of an expression with a maximum, a square root, and a variable that is used twice.

    Returns:
        The figure.
    """
    made = computation(OTHER, OTHER_VALUES)
    gradients = {node.name: node.gradient for node in made.nodes}
    body = responsive(lambda width: drawn(made, width, spoken("neuron.other.alt")), wide=560)
    return Figure(
        "neuron.other",
        body,
        _command(OTHER, OTHER_VALUES),
        "Andreas Griewank, Evaluating Derivatives (SIAM, 2000)",
        {"expression": OTHER, "a": written(gradients["a"]), "c": written(gradients["c"])},
    )


def _command(expression: str, values: dict[str, float]) -> str:
    """Write the terminal command that computes an expression and its gradients."""
    given = ", ".join(f"'{name}': {value:g}" for name, value in values.items())
    imported = "from convscope.graph.expression import computation"
    return f"python -c \"{imported}; print(computation('{expression}', {{{given}}}))\""


def _table(gradients: dict[str, float]) -> Markup:
    """Build the table of exact, rounded and printed gradients; printed ones that differ are marked."""
    head = element(
        "tr",
        *(
            element("th", bilingual(f"neuron.sigmoid.{c}"), scope="col")
            for c in ("by", "exact", "two", "slide")
        ),
    )
    lines = []
    for name, printed in SLIDE.items():
        two = f"{gradients[name]:.2f}".replace("-", "−")
        off = two != printed
        lines.append(
            element(
                "tr",
                element("th", name, scope="row"),
                element("td", f"{gradients[name]:.4f}".replace("-", "−")),
                element("td", two),
                element("td", printed + (" ≠" if off else ""), class_="off" if off else None),
            )
        )
    return element("table", element("thead", head), element("tbody", join(lines)), class_="exact")
