"""How to compute the steps of a painting: precision, measured once for a network and a machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.nets import LayerAddress, Net
from convscope.nets.inference.inference_copy import inference_copy
from convscope.see.optimize.activations import layer
from convscope.see.optimize.loop import OptimizerConfig
from convscope.see.optimize.objective import Objective
from convscope.see.optimize.precision import fastest_dtype
from convscope.see.style.recipe import StyleRecipe

SMALL = 8e6
"""Pixels times steps below which nothing is measured and all is float32."""
SIZE = (160, 160)
"""Of the picture whose layers' energy is ascended to measure."""
CLIMB = OptimizerConfig(lr=0.01, optimizer="mean_abs_sgd", relu_gradient_every=0, channels_last=True)


@dataclass(frozen=True)
class StyleExecution:
    """The precision of the network's arithmetic; empty while it is not known."""

    precision: str = ""

    @property
    def exact(self) -> bool:
        """Whether all of it is float32."""
        return self.precision == "float32"

    def measured(
        self, net: Net, goal: Objective, recipe: StyleRecipe, finest: tuple[int, int]
    ) -> "StyleExecution":
        """With the precision decided: as the recipe says, else what is faster here for work of some size."""
        if self.precision:
            return self
        if recipe.precision != "auto":
            return replace(self, precision=recipe.precision)
        if recipe.steps_at(99) * max(finest) ** 2 < SMALL:
            return replace(self, precision="float32")
        wanted = sum((layer(place) for place in goal.places), Objective())
        return replace(self, precision=fastest_dtype(net, wanted, CLIMB, size=SIZE))

    def copy_of(self, net: Net, images: Tensor, places: Sequence[LayerAddress]) -> Net:
        """The network's quick copy."""
        if self.exact:
            return inference_copy(net, images, places, channels_last=True)
        return inference_copy(net, images, places, dtype=torch.bfloat16, channels_last=True)


def choose_precision(recipe: StyleRecipe, tempo: StyleExecution) -> StyleRecipe:
    """The recipe with the precision that was chosen."""
    return recipe.model_copy(update={"precision": tempo.precision or recipe.precision})
