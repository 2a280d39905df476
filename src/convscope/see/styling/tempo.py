"""How to compute the steps of a painting: precision, measured once for a network and a machine."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.nets import Net, Place
from convscope.nets.fusing import quick
from convscope.nets.speed import known, processor, remember
from convscope.see.looking import seen
from convscope.see.styling.easel import Sitting
from convscope.see.styling.recipe import Style

SMALL = 8e6
"""Pixels times steps below which nothing is measured and all is float32."""
WORTH = 1.15
"""How much faster bf16 must be."""
SIDE = 160


@dataclass(frozen=True)
class Tempo:
    """The precision of the network's arithmetic; empty while it is not known."""

    precision: str = ""

    @property
    def exact(self) -> bool:
        """Whether all of it is float32."""
        return self.precision == "float32"

    def measured(self, net: Net, sitting: Sitting, recipe: Style) -> "Tempo":
        """With the precision decided: as the recipe says, else what is faster here for work of some size."""
        if self.precision:
            return self
        if recipe.precision != "auto":
            return replace(self, precision=recipe.precision)
        work = recipe.steps_at(99) * (recipe.size or 0 or max(sitting.size)) ** 2
        if work < SMALL:
            return replace(self, precision="float32")
        return replace(self, precision=_fastest(net, sitting.goal.places))

    def copy_of(self, net: Net, images: Tensor, places: Sequence[Place]) -> Net:
        """The network's quick copy."""
        if self.exact:
            return quick(net, images, places, channels_last=True)
        return quick(net, images, places, dtype=torch.bfloat16, channels_last=True)


def settled(recipe: Style, tempo: Tempo) -> Style:
    """The recipe with the precision that was chosen."""
    return recipe.model_copy(update={"precision": tempo.precision or recipe.precision})


def _fastest(net: Net, places: Sequence[Place]) -> str:
    key = _key(net, places)
    kept = known().get(key)
    if kept is None:
        seconds = {name: _seconds(net, places, Tempo(name)) for name in ("float32", "bfloat16")}
        kept = "bfloat16" if seconds["bfloat16"] * WORTH < seconds["float32"] else "float32"
        remember(key, {"precision": kept})
    return kept if isinstance(kept, str) else str(kept["precision"])


def _seconds(net: Net, places: Sequence[Place], tempo: Tempo) -> float:
    low, high = net.contract.value_range
    image = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * (high - low) + low
    used, best = tempo.copy_of(net, image, places), float("inf")
    for _ in range(3):
        ready = image.to(net.device).requires_grad_()
        started = time.perf_counter()
        with torch.enable_grad():
            acts = seen(used, ready, places).values()
            total = torch.stack([act.square().sum() for act in acts]).sum()
            torch.autograd.grad(total, ready)
        if net.device.type == "cuda":
            torch.cuda.synchronize(net.device)
        best = min(best, time.perf_counter() - started)
    return best


def _key(net: Net, places: Sequence[Place]) -> str:
    facts = [
        "style", repr(net.module), [str(place) for place in places], str(net.device), processor(net.device),
        torch.get_num_threads(), torch.__version__,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
