"""Choose the precision of style transfer's arithmetic, measured once for a network and a machine."""

from collections.abc import Sequence

from convscope.nets import Net
from convscope.nets.inference.execution import Precision
from convscope.see.optimize.execution import fastest_precision
from convscope.see.optimize.loop import OptimizerConfig
from convscope.see.optimize.objectives.activations import layer
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.style.recipe import StyleRecipe

SMALL = 8e6
"""Pixels times steps, at all scales together, below which nothing is measured, and fp32 is used."""
SIZE = (160, 160)
"""Size of the images with which precisions are timed."""
TIMED = OptimizerConfig(
    lr=0.01, optimizer="mean_abs_sgd", relu_gradient_every=0, memory_format="channels_last"
)
"""Optimizer settings with which precisions are timed."""


def choose_precision(
    net: Net, goal: Objective, recipe: StyleRecipe, sizes: Sequence[tuple[int, int]]
) -> Precision:
    """Choose the precision: as the recipe says, else the faster one.

    For little work fp32 is used without measuring.

    Args:
        net: the network.
        goal: the objective; layers that it reads are used for timing.
        recipe: its precision and steps are used.
        sizes: height and width at each scale, from coarse to fine.

    Returns:
        `fp32` or `bf16`.
    """
    if recipe.precision != "auto":
        return recipe.precision
    if sum(recipe.steps_at(k) * h * w for k, (h, w) in enumerate(sizes)) < SMALL:
        return "fp32"
    wanted = sum((layer(place) for place in goal.places), Objective())
    return fastest_precision(net, wanted, TIMED, size=SIZE)
