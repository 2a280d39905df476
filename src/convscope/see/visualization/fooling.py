"""Pictures that a classifier is sure about and no person would be.

Source: Nguyen, Yosinski, Clune 2015, "Deep Neural Networks are Easily Fooled", arXiv:1412.1897.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, frozen, resolve
from convscope.see.optimize.activations import confidence
from convscope.see.optimize.gradient_flow import require_finite
from convscope.see.optimize.image_params.base import pixel_image
from convscope.see.optimize.loop import OptimizerConfig, Step, optimize_input
from convscope.see.optimize.objective import Objective, per_image
from convscope.see.visualization.visualization import clean_scores, seed_of

LOOK_EVERY = 4
"""After so many steps, look whether the network is sure enough."""


@dataclass(frozen=True, eq=False)
class FoolingImages:
    """One picture for each class, in the contract's range, and the probability that the network gives it."""

    units: tuple[int, ...]
    labels: tuple[str, ...]
    images: Float[Tensor, "n *shape"]
    confidences: tuple[float, ...]
    steps: int
    unmoved: tuple[int, ...] = ()
    """Classes whose gradient was exactly 0 in every step: their pictures are the noise they began with."""


def fooling_images(
    net: Net,
    classes: Sequence[int | str] = (),
    *,
    confident: float = 0.99,
    steps: int = 400,
    lr: float = 0.01,
    seed: int = 0,
) -> FoolingImages:
    """Pictures, from noise, that the network takes for each class with a probability above `confident`.

    Args:
        net: a classifier.
        classes: numbers or labels; all of the labels' if left out.
        confident: the probability to reach.
        steps: at most so many updates.
        lr: learning lr, in units of the pixels' range.
        seed: of the noise.

    Raises:
        UsageError: there are no classes, `confident` is not between 0 and 1, or the answer has no gradient
            with respect to the image.
        ConvscopeError: the network answers with NaN or infinity.
        PlaceError: there is no such class.
    """
    if not 0 < confident < 1 or not (classes or net.labels):
        raise UsageError(
            "classes, and a probability between 0 and 1", received=f"{list(classes)}, {confident}"
        )
    places = [resolve(net, LayerAddress("output", unit=unit)) for unit in classes or range(len(net.labels))]
    units = tuple(int(place.unit or 0) for place in places)
    goals = [confidence(unit) for unit in units]
    canvas = pixel_image(
        net.contract, [seed_of(seed, place) for place in places], spread=0.1, device=net.device
    )
    with frozen(net.module):
        course = optimize_input(net, per_image(goals), canvas, steps=steps, config=OptimizerConfig(lr=lr))
        step, reached = _until_sure(net, goals, course, confident, steps)
    labels = tuple(net.labels[unit] if unit < len(net.labels) else str(unit) for unit in units)
    still = (~step.changed).cpu().tolist() if step.index else [False] * len(units)
    unmoved = tuple(unit for unit, here in zip(units, still, strict=True) if here)
    require_finite(reached, [str(place) for place in places], "probabilities")
    return FoolingImages(units, labels, step.images.cpu(), tuple(reached.tolist()), step.index, unmoved)


def _until_sure(
    net: Net, goals: Sequence[Objective], course: Iterator[Step], confident: float, most: int
) -> tuple[Step, Float[Tensor, " n"]]:
    for step in course:
        if step.index % LOOK_EVERY == 0 or step.index == most:
            reached = clean_scores(net, goals, step.images).exp()
            if step.index == most or bool((reached > confident).all()):
                return step, reached
    raise UsageError("0 or more steps", received=str(most))
