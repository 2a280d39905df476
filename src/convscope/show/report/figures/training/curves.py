"""The figure of the learning curves of two networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from markupsafe import Markup

from convscope.show.report.figure import Figure
from convscope.show.report.figures.chart import STYLES, chart, key
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element, join


@dataclass(frozen=True)
class History:
    """Training history of one network.

    Attributes:
        losses: mean training loss of each epoch, in nats.
        errors: error rate on the test digits after each epoch, 0 to 1.
    """

    losses: Sequence[float]
    errors: Sequence[float]


def figure(printed: History, relu: History, tested: int, command: str) -> Figure:
    """Build the figure of training loss and test error over epochs, for the network without and with ReLU.

    The text quotes the final errors, and two standard deviations of their difference as the size of chance.

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
            for style, name in zip(STYLES, runs, strict=True)
        ),
        class_="legend",
    )
    body = join(
        [legend, element("div", _panel("loss", losses, ""), _panel("error", errors, "%"), class_="pair")]
    )
    return Figure(
        "training.curves",
        body,
        command,
        "Vinod Nair, Geoffrey Hinton, Rectified linear units improve restricted Boltzmann machines "
        "(ICML 2010)",
        {
            "printed": f"{100 * printed.errors[-1]:.1f}",
            "relu": f"{100 * relu.errors[-1]:.1f}",
            "epochs": len(printed.errors),
            "tested": f"{tested:,}",
            "chance": f"{100 * _spread(printed.errors[-1], relu.errors[-1], tested):.1f}",
        },
    )


def _spread(first: float, second: float, tested: int) -> float:
    """Return two standard deviations of the difference of two error rates, for independent samples."""
    return 2 * sqrt((first * (1 - first) + second * (1 - second)) / tested)


def _panel(name: str, series: Mapping[str, Sequence[float]], unit: str) -> Markup:
    drawn = chart(series, unit=unit, label=spoken(f"training.curves.{name}"))
    return element("div", bilingual(f"training.curves.{name}", tag="p", class_="mini"), drawn)
