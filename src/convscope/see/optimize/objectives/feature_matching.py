"""Objectives that compare activations with those of a given image: feature inversion and caricatures."""

from dataclasses import dataclass, replace
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import GraphError
from convscope.nets import LayerAddress, Net
from convscope.see.optimize.objectives.activation_batch import ActivationBatch
from convscope.see.optimize.objectives.objective import LayerTerm, Objective

TINY = 1e-12
LEAST = 0.1
"""Lower bound of cosines, so that images unlike the target still get a gradient towards it (Lucid's)."""


Some = TypeVar("Some", bound="FeatureMatch")


@dataclass(frozen=True, eq=False)
class FeatureMatch(LayerTerm):
    """Base of terms that compare a layer's activation with a target.

    Attributes:
        place: a layer, or a unit of it.
        activation: the target, without the batch axis.
    """

    activation: Float[Tensor, "*shape"]

    @override
    def resolve(self: Some, net: Net) -> Some:
        return replace(super().resolve(net), activation=self.activation.to(net.device))

    def both(self, scene: ActivationBatch) -> tuple[Float[Tensor, "b n"], Float[Tensor, " n"]]:
        """Return the batch's activation and the target, flattened.

        Args:
            scene: the batch.

        Returns:
            The activation `[b n]` and the target `[n]`.

        Raises:
            GraphError: their shapes differ.
        """
        here = self.place.select(scene[self.place])
        if here.shape[1:] != self.activation.shape:
            raise GraphError(
                f"an activation of {self.place} like the wanted one, {tuple(self.activation.shape)}",
                received=f"{tuple(here.shape[1:])}",
                hint="Take canvases and transforms that keep the picture's size.",
            )
        return here.reshape(len(here), -1), self.activation.flatten()

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        raise GraphError("a term that compares activations: DotCosineMatch or NormalizedL2")


@dataclass(frozen=True, eq=False)
class DotCosineMatch(FeatureMatch):
    """Dot product with the target times their cosine similarity to a power, over the target's squared norm.

    It is 1 for the target itself, and grows without bound with activations that point the same way.

    Source: Lucid, `dot_compare` and the notebooks on caricatures (2018).

    Attributes:
        cosine_power: power of the cosine similarity, which counts as `LEAST` at least.
    """

    cosine_power: float | int = 1.0

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        here, target = self.both(scene)
        dots, norm = here @ target, target.norm().clamp_min(TINY)
        cosines = (dots / (here.norm(dim=1).clamp_min(TINY) * norm)).clamp_min(LEAST)
        return dots / norm.square() * cosines**self.cosine_power


@dataclass(frozen=True, eq=False)
class NormalizedL2(FeatureMatch):
    """Squared distance to the target activation over the target's squared norm; 0 for the target itself.

    Source: Mahendran and Vedaldi 2015, Understanding Deep Image Representations by Inverting Them, arXiv:
    1412.0035, section 2.
    """

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        here, target = self.both(scene)
        return (here - target).square().sum(1) / target.square().sum().clamp_min(TINY)


def dot_cosine_match(
    place: str | LayerAddress, activation: Float[Tensor, "*shape"], *, cosine_power: float | int = 1.0
) -> Objective:
    """Return the caricature objective: activations that point the way of a target, and are larger.

    Args:
        place: a layer, or a unit of it.
        activation: the target `[c ...]`, as recorded from one image; no gradient flows to it.
        cosine_power: power of the cosine similarity by which the dot product is multiplied.

    Returns:
        An objective to be maximised; 1 for the target itself.
    """
    return Objective.of(DotCosineMatch(LayerAddress.parse(place), activation.detach(), cosine_power))


def normalized_l2(place: str | LayerAddress, activation: Float[Tensor, "*shape"]) -> Objective:
    """Return the feature inversion loss: the squared distance to a target, relative to its squared norm.

    Args:
        place: a layer, or a unit of it.
        activation: the target `[c ...]`, as recorded from one image; no gradient flows to it.

    Returns:
        An objective to be subtracted; 0 for the target itself.
    """
    return Objective.of(NormalizedL2(LayerAddress.parse(place), activation.detach()))
