"""The digits that were hardest, and what the network said."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from torch import Tensor

from convscope.show.images.draw import grayscale_alpha, tag
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.confusion import MNIST
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element


@dataclass(frozen=True)
class Answer:
    """A digit `[1 h w]` in [0, 1], its class, the network's answer, and the probabilities of both."""

    image: Tensor
    truth: str
    answer: str
    sure: float
    truth_probability: float


def figure(answers: Sequence[Answer], command: str) -> Figure:
    """Tiles, the worst first."""
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
    said = bilingual(
        "training.hardest.said",
        answer=a.answer,
        sure=f"{100 * a.sure:.0f}",
        truth=a.truth,
        truth_sure=f"{100 * a.truth_probability:.1f}",
    )
    return element("div", tag(grayscale_alpha(a.image), f"{a.truth} → {a.answer}"), said, class_="tile")
