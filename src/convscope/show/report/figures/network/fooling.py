"""The figure of fooling images: unrecognisable inputs that a network classifies with high confidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.see.visualization import FoolingImages
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.units import Shown, tiles


@dataclass(frozen=True)
class Noise:
    """Predictions of the network for images of uniform noise.

    Attributes:
        answer: name of the most frequently predicted class.
        times: how often it was predicted.
        count: number of images.
        sure: mean confidence (largest probability), 0 to 1.
    """

    answer: str
    times: int
    count: int
    sure: float


def figure(fooling: FoolingImages, names: Sequence[str], noise: Noise, command: str) -> Figure:
    """Build the figure of fooling images with the probability of their class, and the predictions for noise.

    Args:
        fooling: an image and its probability for each class.
        names: names of the classes, in the same order.
        noise: predictions for uniform noise, quoted in the text.
        command: reproduces images and numbers.

    Returns:
        The figure.
    """
    found = zip(fooling.images, fooling.confidences, strict=True)
    percent = [Shown(image, chance, f"{100 * chance:.2f}%") for image, chance in found]
    return Figure(
        "seen.fooled",
        tiles(percent, names, 5),
        command,
        "Anh Nguyen, Jason Yosinski, Jeff Clune, Deep neural networks are easily fooled (2015), "
        "arXiv:1412.1897",
        {
            "least": f"{100 * min(fooling.confidences):.1f}",
            "steps": fooling.steps,
            "answer": noise.answer,
            "times": noise.times,
            "count": noise.count,
            "sure": f"{100 * noise.sure:.0f}",
        },
    )
