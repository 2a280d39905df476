"""How to compute the steps of a painting: precision, measured once for a network and a machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.nets import Net, Place
from convscope.nets.fusing import quick
from convscope.see.ascent import Climb
from convscope.see.measures import layer
from convscope.see.objective import Objective
from convscope.see.precision import faster
from convscope.see.styling.recipe import Style

SMALL = 8e6
"""Pixels times steps below which nothing is measured and all is float32."""
SIZE = (160, 160)
"""Of the picture whose layers' energy is ascended to measure."""
CLIMB = Climb(rate=0.01, optimiser="even", redirect=0, channels_last=True)


@dataclass(frozen=True)
class Tempo:
    """The precision of the network's arithmetic; empty while it is not known."""

    precision: str = ""

    @property
    def exact(self) -> bool:
        """Whether all of it is float32."""
        return self.precision == "float32"

    def measured(self, net: Net, goal: Objective, recipe: Style, finest: tuple[int, int]) -> "Tempo":
        """With the precision decided: as the recipe says, else what is faster here for work of some size."""
        if self.precision:
            return self
        if recipe.precision != "auto":
            return replace(self, precision=recipe.precision)
        if recipe.steps_at(99) * max(finest) ** 2 < SMALL:
            return replace(self, precision="float32")
        wanted = sum((layer(place) for place in goal.places), Objective())
        return replace(self, precision=faster(net, wanted, CLIMB, size=SIZE))

    def copy_of(self, net: Net, images: Tensor, places: Sequence[Place]) -> Net:
        """The network's quick copy."""
        if self.exact:
            return quick(net, images, places, channels_last=True)
        return quick(net, images, places, dtype=torch.bfloat16, channels_last=True)


def settled(recipe: Style, tempo: Tempo) -> Style:
    """The recipe with the precision that was chosen."""
    return recipe.model_copy(update={"precision": tempo.precision or recipe.precision})
