"""Choose the precision of style transfer's arithmetic, measured once for a network and a machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.nets import LayerAddress, Net
from convscope.nets.inference.inference_copy import inference_copy
from convscope.see.optimize.loop import OptimizerConfig
from convscope.see.optimize.objectives.activations import layer
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.precision import fastest_dtype
from convscope.see.style.recipe import StyleRecipe

SMALL = 8e6
"""Pixels times steps below which nothing is measured, and float32 is used."""
SIZE = (160, 160)
"""Size of the images with which precisions are timed."""
CLIMB = OptimizerConfig(lr=0.01, optimizer="mean_abs_sgd", relu_gradient_every=0, channels_last=True)
"""Optimizer settings with which precisions are timed."""


@dataclass(frozen=True)
class StyleExecution:
    """Precision of the network's arithmetic; empty while it is not decided."""

    precision: str = ""

    @property
    def exact(self) -> bool:
        """Whether the precision is float32."""
        return self.precision == "float32"

    def measured(
        self, net: Net, goal: Objective, recipe: StyleRecipe, finest: tuple[int, int]
    ) -> "StyleExecution":
        """Return this with the precision decided: as the recipe says, else the faster one.

        For little work float32 is used without measuring.

        Args:
            net: the network.
            goal: the objective; layers that it reads are used for timing.
            recipe: its precision and steps are used.
            finest: height and width of the finest scale.

        Returns:
            An execution with a precision.
        """
        if self.precision:
            return self
        if recipe.precision != "auto":
            return replace(self, precision=recipe.precision)
        if recipe.steps_at(99) * max(finest) ** 2 < SMALL:
            return replace(self, precision="float32")
        wanted = sum((layer(place) for place in goal.places), Objective())
        return replace(self, precision=fastest_dtype(net, wanted, CLIMB, size=SIZE))

    def copy_of(self, net: Net, images: Tensor, places: Sequence[LayerAddress]) -> Net:
        """Return a copy of the network for fast inference in this precision.

        Args:
            net: the network; it is not changed.
            images: images with which the copy is checked.
            places: layers whose activations must be the same.

        Returns:
            The copy, in channels-last memory format.
        """
        if self.exact:
            return inference_copy(net, images, places, channels_last=True)
        return inference_copy(net, images, places, dtype=torch.bfloat16, channels_last=True)


def choose_precision(recipe: StyleRecipe, tempo: StyleExecution) -> StyleRecipe:
    """Return the recipe with the precision that was decided.

    Args:
        recipe: the recipe.
        tempo: the execution; an undecided one leaves the recipe's precision.

    Returns:
        A copy of the recipe.
    """
    return recipe.model_copy(update={"precision": tempo.precision or recipe.precision})
