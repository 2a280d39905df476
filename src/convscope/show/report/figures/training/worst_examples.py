"""The figure of the test images with the largest loss."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from torch import Tensor

from convscope.graph import TensorSpec
from convscope.show import tinted
from convscope.show.images import input_image
from convscope.show.images.draw import tag, webp, with_longer_side
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import Label, element
from convscope.worlds import digits, render

MNIST = "Yann LeCun, Corinna Cortes, Christopher Burges, the MNIST database of handwritten digits"
TEXT = 15
"""Least width of a text, in rem."""
SIDE = 160
"""Longer side of a photograph, in pixels."""


@dataclass(frozen=True)
class Answer:
    """One test image and the prediction for it.

    Attributes:
        image: `[c h w]` in the spec's value range.
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


def figure(
    answers: Sequence[Answer],
    command: str,
    spec: TensorSpec = digits.SPEC,
    *,
    key: str = "training.hardest",
    source: str = MNIST,
) -> Figure:
    """Build the figure of the images with the largest loss, with prediction and probabilities.

    Args:
        answers: the images, the largest loss first; at least one.
        command: reproduces the figure.
        spec: kind and value range of the images.
        key: prefix of the keys of the texts.
        source: the literature or data it follows.

    Returns:
        The figure.
    """
    tiles = [_tile(answer, spec) for answer in answers]
    body = element("div", *tiles, class_="sheet", style=tile_width(spec, 6.5))
    worst = answers[0]
    return Figure(
        key,
        body,
        command,
        source,
        {
            "count": len(answers),
            "wrong": sum(a.truth != a.answer for a in answers),
            "truth": worst.truth,
            "answer": worst.answer,
            "sure": f"{100 * worst.sure:.0f}",
            "right": f"{100 * worst.truth_probability:.1f}",
        },
    )


def _tile(a: Answer, spec: TensorSpec) -> Markup:
    values = {
        "answer": a.answer,
        "sure": f"{100 * a.sure:.0f}",
        "truth": a.truth,
        "truth_sure": f"{100 * a.truth_probability:.1f}",
    }
    line = bilingual("training.hardest.said", **values)
    return element(
        "div", picture(a.image, spec, spoken("training.hardest.alt", **values)), line, class_="tile"
    )


def tile_width(spec: TensorSpec, image: float) -> str:
    """Return the style of tiles of inputs: texts need more room than images.

    Args:
        spec: of the inputs.
        image: least width of an image, in rem.

    Returns:
        The style of the sheet that holds the tiles.
    """
    return f"--tile:{TEXT if spec.is_integer else image:g}rem"


def picture(image: Tensor, spec: TensorSpec, label: Label) -> Markup:
    """Draw an input of a network: photographs as WebP, texts as a paragraph, others as PNG.

    Args:
        image: `[c h w]` in the spec's value range, or as the spec says.
        spec: kind and value range.
        label: alternative text.

    Returns:
        The `<img>` or `<p>` element.
    """
    pieces = tinted.pieces_of([image], [spec])
    if pieces:
        return tinted.paragraph(pieces, [0.0] * len(pieces))
    drawn = render(image, spec)
    if not spec.is_rgb:
        return tag(drawn, label, input_image.kind(spec))
    return webp(with_longer_side(drawn, SIDE), label)
