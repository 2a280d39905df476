"""The figures of learning curves: those of two networks, and those of one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from markupsafe import Markup

from convscope.show.report.figure import Figure
from convscope.show.report.figures.chart import STYLES, chart, key
from convscope.show.report.i18n import LANGUAGES, bilingual, bilingual_of, spoken
from convscope.show.svg import Label, element, join
from convscope.system.counting import percent_wrong

OF_PART: dict[str, str] = dict(zip(("train", "test", "validation"), STYLES, strict=True))
"""Style of the curve of each part of the data."""


@dataclass(frozen=True)
class History:
    """Training history of one network.

    Attributes:
        losses: mean training loss of each epoch, in nats.
        errors: error rate on the test digits after each epoch, 0 to 1.
    """

    losses: Sequence[float]
    errors: Sequence[float]


@dataclass(frozen=True)
class Curve:
    """One metric of a run over its epochs.

    Attributes:
        name: of the metric, as it is shown.
        series: `train`, `test` and `validation` -> values, None where there is none.
        span: epochs of the first and of the last value; from 1 to their number if left out.
    """

    name: Label
    series: Mapping[str, Sequence[float | None]]
    span: tuple[float, float] | None = None


def of_run(found: Sequence[Curve], values: Mapping[str, object], sentences: Sequence[Markup]) -> Figure:
    """Build the figure of all curves of one run, one panel for each metric.

    Args:
        found: the curves, at least one.
        values: for the texts `trained.curves`.
        sentences: what follows from the curves, below them.

    Returns:
        The figure.
    """
    legend = element(
        "div",
        *(
            element("span", key(style), bilingual(f"trained.curves.{name}"))
            for name, style in OF_PART.items()
            if any(name in curve.series for curve in found)
        ),
        class_="legend",
    )
    panels = [
        element(
            "div",
            bilingual_of(_spoken(curve.name), tag="p", class_="mini"),
            chart(
                curve.series,
                label=_spoken(curve.name),
                span=curve.span,
                styles=[OF_PART[name] for name in curve.series],
            ),
        )
        for curve in found
    ]
    body = join([legend, element("div", *panels, class_="pair"), *sentences])
    return Figure("trained.curves", body, "", "", values)


def _spoken(name: Label) -> Mapping[str, str]:
    """Return a name in every language."""
    return dict.fromkeys(LANGUAGES, name) if isinstance(name, str) else name


def figure(printed: History, relu: History, tested: int, command: str) -> Figure:
    """Build the figure of training loss and test error over epochs, for the network without and with ReLU.

    The text quotes the final errors, and two standard deviations of their difference as the size of chance;
    the title says so where the difference is not larger.

    Args:
        printed: history of the network as the lecture prints it, without activation functions.
        relu: history of the network with a ReLU after each convolution.
        tested: number of test digits.
        command: reproduces both histories.

    Returns:
        The figure.
    """
    runs = {"printed": printed, "relu": relu}
    losses = {name: run.losses for name, run in runs.items()}
    errors = {name: [100 * e for e in run.errors] for name, run in runs.items()}
    legend = element(
        "div",
        *(
            element("span", key(style), bilingual(f"training.curves.{name}"))
            for style, name in zip(STYLES, runs, strict=False)
        ),
        class_="legend",
    )
    body = join(
        [legend, element("div", _panel("loss", losses, ""), _panel("error", errors, "%"), class_="pair")]
    )
    plain, better = printed.errors[-1], relu.errors[-1]
    chance = _spread(plain, better, tested)
    return Figure(
        "training.curves",
        body,
        command,
        "Vinod Nair, Geoffrey Hinton, Rectified linear units improve restricted Boltzmann machines "
        "(ICML 2010)",
        {
            "printed": percent_wrong(1 - plain),
            "relu": percent_wrong(1 - better),
            "epochs": len(printed.errors),
            "tested": f"{tested:,}",
            "chance": f"{100 * chance:.1f}",
        },
        finding="title" if abs(plain - better) > chance else "alike",
    )


def _spread(first: float, second: float, tested: int) -> float:
    """Return two standard deviations of the difference of two error rates, for independent samples."""
    return 2 * sqrt((first * (1 - first) + second * (1 - second)) / tested)


def _panel(name: str, series: Mapping[str, Sequence[float]], unit: str) -> Markup:
    drawn = chart(series, unit=unit, label=spoken(f"training.curves.{name}"))
    return element("div", bilingual(f"training.curves.{name}", tag="p", class_="mini"), drawn)
