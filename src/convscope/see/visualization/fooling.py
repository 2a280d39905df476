"""Fooling images: inputs that a classifier labels with high confidence and that people do not recognise.

Source: Nguyen, Yosinski, Clune 2015, "Deep Neural Networks are Easily Fooled", arXiv:1412.1897.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, frozen, resolve, takes_network
from convscope.recipe.result import Result
from convscope.see.optimize.gradient_flow import require_finite
from convscope.see.optimize.image_params.base import pixel_image
from convscope.see.optimize.loop import OptimizerConfig, Step, optimize_input
from convscope.see.optimize.objectives.activations import confidence
from convscope.see.optimize.objectives.objective import Objective, per_image
from convscope.see.visualization.visualization import clean_scores, seed_of

LOOK_EVERY = 4
"""The confidences are checked once in this many steps."""


@dataclass(frozen=True, eq=False)
class FoolingImages(Result):
    """One fooling image for each class.

    Attributes:
        units: indices of the classes.
        labels: names of the classes; the index as text where the network has no label.
        images: `[n c ...]` in the spec's value range.
        confidences: softmax probability of each image's own class.
        steps: updates that were made.
        net: the network; its input spec says how the images are drawn.
        unmoved: classes whose gradient was exactly 0 in every step: their images are the starting noise.
    """

    units: tuple[int, ...]
    labels: tuple[str, ...]
    images: Float[Tensor, "n *shape"]
    confidences: tuple[float, ...]
    steps: int
    net: Net
    unmoved: tuple[int, ...] = ()

    def _answer(self) -> Iterator[tuple[str, Any]]:
        yield "labels", self.labels
        yield "confidences", self.confidences


@takes_network
def fooling_images(
    net: Net,
    classes: Sequence[int | str] = (),
    *,
    confident: float = 0.99,
    steps: int = 400,
    lr: float = 0.01,
    seed: int = 0,
) -> FoolingImages:
    """Optimise noise images until the classifier assigns each its class with a probability above `confident`.

    The log-probability of the class is ascended with Adam on the pixels, without priors or transforms. All
    classes are optimised as one batch, which ends once every image exceeds `confident`.

    Args:
        net: a classifier, or its name.
        classes: indices or labels of the target classes; all labelled classes if empty.
        confident: the probability to exceed, between 0 and 1.
        steps: maximum number of updates.
        lr: learning rate.
        seed: seed of the starting noise.

    Returns:
        The images, and the probabilities that were reached; these may be lower when `steps` run out.

    Raises:
        UsageError: there are no classes, `confident` is not between 0 and 1, or the output has no gradient
            with respect to the image.
        ConvscopeError: the network's output is NaN or infinite.
        PlaceError: there is no such class.
    """
    if not 0 < confident < 1 or not (classes or net.classes):
        raise UsageError(
            "classes, and a probability between 0 and 1", received=f"{list(classes)}, {confident}"
        )
    places = [resolve(net, LayerAddress("output", unit=unit)) for unit in classes or range(len(net.classes))]
    units = tuple(int(place.unit or 0) for place in places)
    goals = [confidence(unit) for unit in units]
    params = pixel_image(
        net.input_spec, [seed_of(seed, place) for place in places], spread=0.1, device=net.device
    )
    with frozen(net.module):
        ascent = optimize_input(net, per_image(goals), params, steps=steps, config=OptimizerConfig(lr=lr))
        step, reached = _until_sure(net, goals, ascent, confident, steps)
    labels = tuple(net.classes[unit] if unit < len(net.classes) else str(unit) for unit in units)
    still = (~step.changed).cpu().tolist() if step.index else [False] * len(units)
    unmoved = tuple(unit for unit, here in zip(units, still, strict=True) if here)
    require_finite(reached, [str(place) for place in places], "probabilities")
    return FoolingImages(units, labels, step.images.cpu(), tuple(reached.tolist()), step.index, net, unmoved)


def _until_sure(
    net: Net, goals: Sequence[Objective], ascent: Iterator[Step], confident: float, most: int
) -> tuple[Step, Float[Tensor, " n"]]:
    for step in ascent:
        if step.index % LOOK_EVERY == 0 or step.index == most:
            reached = clean_scores(net, goals, step.images).exp()
            if step.index == most or bool((reached > confident).all()):
                return step, reached
    raise UsageError("0 or more steps", received=str(most))
