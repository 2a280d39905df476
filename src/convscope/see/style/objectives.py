"""Loss terms of style transfer as objectives: Gram matrices, correlations and content; smaller is closer."""

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import GraphError
from convscope.nets import LayerAddress, Net
from convscope.nets.style.losses import content_loss, correlation_loss, gram, moments, style_loss
from convscope.see.optimize.objectives.activation_batch import ActivationBatch
from convscope.see.optimize.objectives.activations import Additive
from convscope.see.optimize.objectives.feature_matching import FeatureMatch
from convscope.see.optimize.objectives.objective import LayerTerm, Objective

Kind = TypeVar("Kind", bound="GramLoss")


@dataclass(frozen=True, eq=False)
class GramLoss(LayerTerm):
    """Style loss of one layer (E of Gatys et al.), summed over the regions of a guide.

    Attributes:
        targets: Gram matrix (`nets.style.losses.gram`) of each region of the style image.
        regions: weight of each position in each region of the image, at any resolution; None for a single
            region that is the whole image.
        counts: weight of each region's loss.
    """

    targets: Float[Tensor, "r c *d"]
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
    def sums(self, scene: ActivationBatch) -> Float[Tensor, "b r c *d"]:
        """Return the contribution of these positions to each region's matrix."""
        here, extent = scene[self.place], scene.extent(self.place)
        shares = at_positions(self.regions, extent)
        if shares is None:
            return self.statistics(here)[:, None] * (here[0, 0].numel() / scene.positions(self.place))
        parts = shares[(slice(None), *scene.window(self.place))]
        totals, here_of = shares.flatten(1).sum(1), parts.flatten(1).sum(1)
        scale = (here_of / totals.clamp_min(torch.finfo(totals.dtype).tiny))[None, :, None, None]
        return torch.stack([self.statistics(here, part) for part in parts], 1) * scale

    @override
    def from_sums(self, sums: Float[Tensor, "b r c *d"]) -> Float[Tensor, " b"]:
        """Return the loss, from the matrices of the whole image."""
        losses = [
            count * self.compare(g, a[None])
            for count, g, a in zip(self.counts, sums.unbind(1), self.targets, strict=True)
        ]
        return sum(losses[1:], losses[0])

    @staticmethod
    def statistics(
        maps: Float[Tensor, "b c *size"], weights: Tensor | None = None
    ) -> Float[Tensor, "b c *d"]:
        """Return what is compared of feature maps: their Gram matrix.

        Args:
            maps: feature maps.
            weights: weight of each position; all alike if None.

        Returns:
            A matrix for each image, a mean over positions.
        """
        return gram(maps, weights)

    @staticmethod
    def compare(here: Float[Tensor, "b c *d"], wanted: Float[Tensor, "1 c *d"]) -> Float[Tensor, " b"]:
        """Return how far matrices are from the style's.

        Args:
            here: matrices from `statistics`.
            wanted: the style's.

        Returns:
            The loss of each image.
        """
        return style_loss(here, wanted)


@dataclass(frozen=True, eq=False)
class CorrelationLoss(GramLoss):
    """Distance of channels' correlations and means from a style's, summed over the regions of a guide.

    Attributes:
        targets: Gram matrix and means (`nets.style.losses.moments`) of each region of the style image.
    """

    @staticmethod
    @override
    def statistics(
        maps: Float[Tensor, "b c *size"], weights: Tensor | None = None
    ) -> Float[Tensor, "b c *d"]:
        return moments(maps, weights)

    @staticmethod
    @override
    def compare(here: Float[Tensor, "b c *d"], wanted: Float[Tensor, "1 c *d"]) -> Float[Tensor, " b"]:
        return correlation_loss(here, wanted)


@dataclass(frozen=True, eq=False)
class ContentLoss(FeatureMatch):
    """Content loss: mean squared difference from a target activation."""

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
        """Return the sum of squared differences at these positions, over the number of all values."""
        here, window = scene[self.place], (slice(None), *scene.window(self.place))
        squares = (here - self.activation[window][None]).square().flatten(1).sum(1)
        return squares / (here.shape[1] * scene.positions(self.place))


def at_positions(
    regions: Float[Tensor, "r h w"] | None, size: tuple[int, ...]
) -> Float[Tensor, "r y x"] | None:
    """Resample regions to the resolution of a feature map, by averaging areas.

    Args:
        regions: weights of each region at any resolution; None for none.
        size: extent of the feature map.

    Returns:
        The regions at that resolution; None for None.
    """
    return None if regions is None else F.interpolate(regions[None], size=size, mode="area")[0]


def gram_loss(
    place: str | LayerAddress,
    wanted: Float[Tensor, "r c c"],
    regions: Float[Tensor, "r h w"] | None = None,
    counts: tuple[float, ...] = (1.0,),
) -> Objective:
    """Return the style loss of one layer as an objective; see `GramLoss`.

    Args:
        place: the layer.
        wanted: target Gram matrix of each region.
        regions: weight of each position in each region; None for a single region that is the whole image.
        counts: weight of each region's loss.

    Returns:
        An objective whose score is the loss; subtract it to minimise it.
    """
    return Objective.of(GramLoss(LayerAddress.parse(place), wanted.detach(), regions, counts))


def content_match(place: str | LayerAddress, activation: Float[Tensor, "*shape"]) -> Objective:
    """Return the content loss of one layer as an objective: the mean squared difference from a target.

    Args:
        place: the layer.
        activation: target activation `[c h w]`.

    Returns:
        An objective whose score is the loss; subtract it to minimise it.
    """
    return Objective.of(ContentLoss(LayerAddress.parse(place), activation.detach()))
