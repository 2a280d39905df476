"""The figure of the test digits with the largest loss."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from torch import Tensor

from convscope.show.images.draw import tag
from convscope.show.report.figure import Figure
from convscope.show.report.figures.training.confusion import MNIST
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element
from convscope.worlds.images import grayscale_alpha


@dataclass(frozen=True)
class Answer:
    """One test digit and the prediction for it.

    Attributes:
        image: `[1 h w]` in [0, 1].
        truth: name of its class.
        answer: name of the predicted class.
        sure: probability of the predicted class, 0 to 1.
        truth_probability: probability of the true class, 0 to 1.
    """

    image: Tensor
    truth: str
    answer: str
    sure: float
    truth_probability: float


def figure(answers: Sequence[Answer], command: str) -> Figure:
    """Build the figure of the digits with the largest loss, with prediction and probabilities.

    Args:
        answers: the digits, the largest loss first; at least one.
        command: reproduces the figure.

    Returns:
        The figure.
    """
    body = element("div", *(_tile(answer) for answer in answers), class_="sheet", style="--tile:6.5rem")
    worst = answers[0]
    return Figure(
        "training.hardest",
        body,
        command,
        MNIST,
        {
            "count": len(answers),
            "wrong": sum(a.truth != a.answer for a in answers),
            "truth": worst.truth,
            "answer": worst.answer,
            "sure": f"{100 * worst.sure:.0f}",
            "right": f"{100 * worst.truth_probability:.1f}",
        },
    )


def _tile(a: Answer) -> Markup:
    line = bilingual(
        "training.hardest.said",
        answer=a.answer,
        sure=f"{100 * a.sure:.0f}",
        truth=a.truth,
        truth_sure=f"{100 * a.truth_probability:.1f}",
    )
    alt = spoken("page.alt.mistake", truth=a.truth, answer=a.answer)
    return element("div", tag(grayscale_alpha(a.image), alt), line, class_="tile")
