"""Objectives of DeepDream: the energy of layers, units, sums of them, or the match with a guide image."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import PlaceError, UsageError
from convscope.nets import LayerAddress, Net
from convscope.see.features.recording import record_float32
from convscope.see.optimize.objectives.activation_batch import ActivationBatch
from convscope.see.optimize.objectives.activations import Additive
from convscope.see.optimize.objectives.objective import LayerTerm, Objective
from convscope.see.visualization.objective_parser import parse_targets
from convscope.see.visualization.reconstruction import default_layers

LAYERS = {"efficientnet_lite0": "blocks.4.2", "hed-vgg16": "relu4_3"}
"""Default layer by network, chosen from dreams of every stage."""
AT_ONCE = 1 << 24
"""Number of dot products between positions of image and guide that are computed at once."""


@dataclass(frozen=True, eq=False)
class GuidedMatch(LayerTerm):
    """Sum over positions of the dot product of each activation vector with its best match in a guide.

    Attributes:
        vectors: activation vectors of the guide.

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
        """Return for each position the guide's vector with the largest dot product, without a gradient."""
        vectors = self.vectors.to(here)
        part = max(1, AT_ONCE // vectors.shape[1])
        chosen = [(some.T @ vectors).argmax(1) for some in here.split(part, dim=1)]
        return vectors[:, torch.cat(chosen)] if chosen else here


def default_layer(net: Net) -> str:
    """Return the layer that is amplified by default.

    Args:
        net: the network.

    Returns:
        A chosen layer for known networks; else the last layer of the last but one feature-map size.

    Raises:
        PlaceError: the network has no layer with feature maps.
    """
    if net.name in LAYERS:
        return LAYERS[net.name]
    spatial = [name for name in default_layers(net) if name != "output"]
    if not spatial:
        raise PlaceError(
            "a layer with maps",
            received=f"{net.name}, which has none",
            hint="Choose a network with convolutions: convscope nets lists them.",
        )
    return spatial[-2] if len(spatial) > 1 else spatial[-1]


def dream_objectives(net: Net, layers: list[str], guide: Tensor | None) -> list[Objective]:
    """Return one objective for each target that the texts name.

    Args:
        net: the network.
        layers: places or sums of places; whole layers if there is a guide.
        guide: an image `[1 c h w]` in the spec's value range; None for none.

    Returns:
        Resolved objectives: the energy or activation of each target, or `GuidedMatch` with the guide.

    Raises:
        PlaceError: there is no such place.
        UsageError: units or positions are named where there is a guide.
    """
    targets = [target for text in layers for target in parse_targets(net, [text])]
    if guide is None:
        return [target.goal.resolve(net) for target in targets]
    places = [LayerAddress.parse(text) for text in layers]
    if any(place.unit is not None or place.position is not None for place in places):
        raise UsageError(
            "whole layers where there is a guide",
            received=", ".join(layers),
            hint="Leave the units out, or the guide.",
        )
    with torch.no_grad():
        found = record_float32(net, guide, places)
    return [
        Objective.of(GuidedMatch(place, found[place][0].flatten(1).contiguous())).resolve(net)
        for place in places
    ]


def equalize(parts: list[Objective], scores: list[float]) -> Objective:
    """Return the sum of objectives, each divided by the magnitude of its initial score.

    Args:
        parts: the objectives.
        scores: the score of each at the start; not used for a single objective.

    Returns:
        The weighted sum; a single objective is returned as it is.
    """
    if len(parts) == 1:
        return parts[0]
    total = Objective()
    for part, score in zip(parts, scores, strict=True):
        total = total + (1 / max(abs(score), 1e-12)) * part
    return total
