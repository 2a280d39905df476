"""How far a picture is from a style and from a content, as measures to ascend; smaller is nearer."""

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import GraphError
from convscope.nets import LayerAddress, Net
from convscope.nets.style.losses import content_loss, gram, style_loss
from convscope.see.optimize.activation_batch import ActivationBatch
from convscope.see.optimize.activations import Additive
from convscope.see.optimize.feature_matching import FeatureMatch
from convscope.see.optimize.objective import LayerTerm, Objective

Kind = TypeVar("Kind", bound="GramLoss")


@dataclass(frozen=True, eq=False)
class GramLoss(LayerTerm):
    """Gatys' E of one layer, summed over the regions of a guide.

    Attributes:
        wanted: the `gram` of each region of the painting, `[r c c]`.
        regions: how much each position of the picture belongs to each region, at any resolution, `[r h w]`;
            None for a single region that is everything.
        counts: how much each region counts.
    """

    targets: Float[Tensor, "r c c"]
    regions: Float[Tensor, "r h w"] | None = None
    counts: tuple[float, ...] = (1.0,)

    @override
    def resolve(self: Kind, net: Net) -> Kind:
        regions = None if self.regions is None else self.regions.to(net.device)
        return replace(super().resolve(net), targets=self.targets.to(net.device), regions=regions)

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        here = scene[self.place]
        if here.shape[1] != self.targets.shape[1]:
            raise GraphError(f"{self.targets.shape[1]} filters at {self.place}", received=f"{here.shape[1]}")
        return self.from_sums(self.sums(scene))

    @property
    @override
    def additive(self) -> Additive:
        return "sums"

    @override
    def sums(self, scene: ActivationBatch) -> Float[Tensor, "b r c c"]:
        """The part of each region's Gram that the positions here bring."""
        here, extent = scene[self.place], scene.extent(self.place)
        shares = at_positions(self.regions, extent)
        if shares is None:
            return gram(here)[:, None] * (here[0, 0].numel() / scene.positions(self.place))
        parts = shares[(slice(None), *scene.window(self.place))]
        totals, here_of = shares.flatten(1).sum(1), parts.flatten(1).sum(1)
        scale = (here_of / totals.clamp_min(torch.finfo(totals.dtype).tiny))[None, :, None, None]
        return torch.stack([gram(here, part) for part in parts], 1) * scale

    @override
    def from_sums(self, sums: Float[Tensor, "b r c c"]) -> Float[Tensor, " b"]:
        """The loss, from the Grams of the whole picture."""
        losses = [
            count * style_loss(g, a[None])
            for count, g, a in zip(self.counts, sums.unbind(1), self.targets, strict=True)
        ]
        return sum(losses[1:], losses[0])


@dataclass(frozen=True, eq=False)
class ContentLoss(FeatureMatch):
    """The mean squared difference from the activation that is wanted."""

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        here, wanted = self.both(scene)
        return content_loss(here, wanted[None])

    @property
    @override
    def additive(self) -> Additive:
        return "plainly"

    @override
    def sums(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        """The squared differences of the positions here, over the number of all values."""
        here, window = scene[self.place], (slice(None), *scene.window(self.place))
        squares = (here - self.activation[window][None]).square().flatten(1).sum(1)
        return squares / (here.shape[1] * scene.positions(self.place))


def at_positions(
    regions: Float[Tensor, "r h w"] | None, size: tuple[int, ...]
) -> Float[Tensor, "r y x"] | None:
    """Regions at the resolution of a map: the share of what each position stands for."""
    return None if regions is None else F.interpolate(regions[None], size=size, mode="area")[0]


def gram_loss(
    place: str | LayerAddress,
    wanted: Float[Tensor, "r c c"],
    regions: Float[Tensor, "r h w"] | None = None,
    counts: tuple[float, ...] = (1.0,),
) -> Objective:
    """How far a layer's correlations are from wanted ones, region by region; see `GramLoss`."""
    return Objective.of(GramLoss(LayerAddress.parse(place), wanted.detach(), regions, counts))


def content_match(place: str | LayerAddress, activation: Float[Tensor, "*shape"]) -> Objective:
    """How far a layer's values are from wanted ones `[c h w]`: the mean squared difference."""
    return Objective.of(ContentLoss(LayerAddress.parse(place), activation.detach()))
