"""Pictures of nothing that the network is sure about."""

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.see.visualization import FoolingImages
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.units import Shown, tiles


@dataclass(frozen=True)
class Noise:
    """What the network answers to pictures of noise: mostly `answer`; `sure` is its mean confidence."""

    answer: str
    times: int
    count: int
    sure: float


def figure(fooling: FoolingImages, names: Sequence[str], noise: Noise, command: str) -> Figure:
    """Pictures made for each class with their probabilities, and what is said of noise."""
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
