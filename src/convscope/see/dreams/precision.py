"""Which precision a dream is computed in: measured once for a network, its layers and a machine.

Processors with matrix units take ordinary networks several times faster in bfloat16, others and depthwise
networks slower. What was chosen is written into the recipe, so that it makes the same picture anywhere.
"""

import hashlib
import json

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.nets import Net
from convscope.nets.fusing import quick
from convscope.nets.speed import known, processor, remember
from convscope.see.ascent import Climb
from convscope.see.canvas import pixels
from convscope.see.dreams.recipe import Dream
from convscope.see.objective import Objective
from convscope.see.pace import Trial

SMALL = 500_000
"""Pixels times steps; less is not worth measuring, and done in float32."""
WORTH = 1.1
"""How much faster bfloat16 must be."""


def settled(net: Net, goal: Objective, photo: Tensor, recipe: Dream) -> Dream:
    """The recipe with its precision written down."""
    if recipe.precision != "auto":
        return recipe
    work = photo.shape[2] * photo.shape[3] * (2 * recipe.steps + recipe.zoom * recipe.zoom_steps)
    if work < SMALL:
        return recipe.model_copy(update={"precision": "float32"})
    shapes = [(name, list(p.shape)) for name, p in net.module.named_parameters()]
    facts = [
        "dream", repr(net.module), shapes, net.contract.shape, [str(place) for place in goal.places],
        recipe.layout, str(net.device), processor(net.device), torch.get_num_threads(), torch.__version__,
    ]  # fmt: skip
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    kept = known().get(key)
    if kept is None:
        plain = _seconds(net, goal, recipe, "float32")
        try:
            half = _seconds(net, goal, recipe, "bfloat16")
        except (ConvscopeError, RuntimeError):  # an operation that has no such arithmetic here
            half = float("inf")
        kept = {"precision": "bfloat16" if half * WORTH < plain else "float32"}
        remember(key, kept)
    return recipe.model_copy(update=kept)


def _seconds(net: Net, goal: Objective, recipe: Dream, precision: str) -> float:
    """Of one step at the network's own size."""
    last = recipe.layout == "channels_last"
    canvas = pixels(net.contract, [0], device=net.device)
    dtype = torch.bfloat16 if precision == "bfloat16" else None
    copy = quick(net, canvas.images().detach(), goal.places, dtype=dtype, channels_last=last)
    climb = Climb(rate=0.01, optimiser="even", redirect=0, precision=precision, channels_last=last)  # pyright: ignore[reportArgumentType]
    return Trial(copy, goal, canvas, climb, ()).seconds()
