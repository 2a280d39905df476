"""What to dream of: layers, units, sums of them, or what a guide shows."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import PlaceError, UsageError
from convscope.nets import LayerAddress, Net
from convscope.see.features.recording import record_float32
from convscope.see.optimize.activation_batch import ActivationBatch
from convscope.see.optimize.activations import Additive
from convscope.see.optimize.objective import LayerTerm, Objective
from convscope.see.visualization.objective_parser import parse_targets
from convscope.see.visualization.reconstruction import default_layers

LAYERS = {"efficientnet_lite0": "blocks.4.2", "hed-vgg16": "relu4_3"}
"""Chosen by looking at dreams of every stage."""
AT_ONCE = 1 << 24
"""Products of a picture's and a guide's positions that are compared at once."""


@dataclass(frozen=True, eq=False)
class GuidedMatch(LayerTerm):
    """The dot product of each activation vector with its best match in a guide, added up over positions.

    Source: Mordvintsev et al. 2015, the DeepDream notebook, section "Controlling dreams".
    """

    vectors: Float[Tensor, "c n"]

    @property
    @override
    def additive(self) -> Additive:
        return "plainly"

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        here = scene[self.place].flatten(2)
        return torch.stack([(one * self._best(one.detach())).sum() for one in here])

    @torch.no_grad()
    def _best(self, here: Float[Tensor, "c m"]) -> Float[Tensor, "c m"]:
        """For each position the guide's vector that it goes along with most; the guide is held fixed."""
        vectors = self.vectors.to(here)
        part = max(1, AT_ONCE // vectors.shape[1])
        chosen = [(some.T @ vectors).argmax(1) for some in here.split(part, dim=1)]
        return vectors[:, torch.cat(chosen)] if chosen else here


def default_layer(net: Net) -> str:
    """A layer whose dreams are worth looking at: of strange networks, the last but one size of maps."""
    if net.name in LAYERS:
        return LAYERS[net.name]
    spatial = [name for name in default_layers(net) if name != "output"]
    if not spatial:
        raise PlaceError("a layer with maps", received=f"{net.name}, which has none")
    return spatial[-2] if len(spatial) > 1 else spatial[-1]


def dream_objectives(net: Net, layers: list[str], guide: Tensor | None) -> list[Objective]:
    """One objective for each layer that was named.

    Args:
        net: who dreams.
        layers: places or sums of places.
        guide: `[1 c h w]` in the contract's range.

    Raises:
        PlaceError: there is no such place.
        UsageError: a guide with units or sums, which it cannot match.
    """
    wanted = [wish for text in layers for wish in parse_targets(net, [text])]
    if guide is None:
        return [wish.goal.resolve(net) for wish in wanted]
    places = [LayerAddress.parse(text) for text in layers]
    if any(place.unit is not None or place.position is not None for place in places):
        raise UsageError("whole layers where there is a guide", received=", ".join(layers))
    with torch.no_grad():
        found = record_float32(net, guide, places)
    return [
        Objective.of(GuidedMatch(place, found[place][0].flatten(1).contiguous())).resolve(net)
        for place in places
    ]


def equalize(parts: list[Objective], scores: list[float]) -> Objective:
    """The sum of objectives that begin at these scores, so that each counts alike."""
    if len(parts) == 1:
        return parts[0]
    total = Objective()
    for part, score in zip(parts, scores, strict=True):
        total = total + (1 / max(abs(score), 1e-12)) * part
    return total
