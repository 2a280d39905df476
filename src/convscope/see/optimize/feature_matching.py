"""Wanting the activations of one picture: alike and stronger (caricature), or just the same (inversion)."""

from dataclasses import dataclass, replace
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import GraphError
from convscope.nets import LayerAddress, Net
from convscope.see.optimize.activation_batch import ActivationBatch
from convscope.see.optimize.objective import LayerTerm, Objective

TINY = 1e-12
LEAST = 0.1
"""A cosine counts as this at least, so that pictures unlike the wanted one find their way (Lucid's)."""


Some = TypeVar("Some", bound="FeatureMatch")


@dataclass(frozen=True, eq=False)
class FeatureMatch(LayerTerm):
    """Measures against one picture's activation `[c ...]` of a layer."""

    activation: Float[Tensor, "*shape"]

    @override
    def resolve(self: Some, net: Net) -> Some:
        return replace(super().resolve(net), activation=self.activation.to(net.device))

    def both(self, scene: ActivationBatch) -> tuple[Float[Tensor, "b n"], Float[Tensor, " n"]]:
        """The scene's activation and the wanted one, flat."""
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
        raise GraphError("a likeness or a mismatch")


@dataclass(frozen=True, eq=False)
class DotCosineMatch(FeatureMatch):
    """The dot product with the wanted activation times their cosine to a power; 1 for the picture itself.

    Source: Lucid, `dot_compare` and the notebooks on caricatures (2018).
    """

    cosine_power: float | int = 1.0

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        here, wanted = self.both(scene)
        dots, norm = here @ wanted, wanted.norm().clamp_min(TINY)
        cosines = (dots / (here.norm(dim=1).clamp_min(TINY) * norm)).clamp_min(LEAST)
        return dots / norm.square() * cosines**self.cosine_power


@dataclass(frozen=True, eq=False)
class NormalizedL2(FeatureMatch):
    """The squared distance to the wanted activation, as a share of its squared norm; 0 for the picture.

    Source: Mahendran and Vedaldi 2015, Understanding Deep Image Representations by Inverting Them, arXiv:
    1412.0035, section 2.
    """

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        here, wanted = self.both(scene)
        return (here - wanted).square().sum(1) / wanted.square().sum().clamp_min(TINY)


def dot_cosine_match(
    place: str | LayerAddress, activation: Float[Tensor, "*shape"], *, cosine_power: float | int = 1.0
) -> Objective:
    """Activations like a wanted one `[c ...]`, and stronger."""
    return Objective.of(DotCosineMatch(LayerAddress.parse(place), activation.detach(), cosine_power))


def normalized_l2(place: str | LayerAddress, activation: Float[Tensor, "*shape"]) -> Objective:
    """How far activations are from a wanted one `[c ...]`: the share of its energy that is missed."""
    return Objective.of(NormalizedL2(LayerAddress.parse(place), activation.detach()))
