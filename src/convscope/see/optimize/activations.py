"""What can be wanted of a network: a channel, a neuron, a layer, a direction, an answer.

Source: Olah et al. 2017, "Feature Visualization", Distill, doi:10.23915/distill.00007; Erhan et al. 2009 for
the idea. The degree of activation of a filter is the sum over its map (Lee, "Convolutional Neural Network",
2017).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import PlaceError
from convscope.nets import LayerAddress, Net
from convscope.nets.activations.classifier_output import log_probabilities
from convscope.see.optimize.activation_batch import ActivationBatch, index
from convscope.see.optimize.objective import LayerTerm, Objective

Reduce = Literal["mean", "sum", "max", "centre"]
Additive = Literal["", "sums", "plainly"]

REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda maps: maps.reshape(len(maps), -1).mean(1),
    "sum": lambda maps: maps.reshape(len(maps), -1).sum(1),
    "max": lambda maps: maps.reshape(len(maps), -1).amax(1),
    "centre": lambda maps: maps[(slice(None), *(extent // 2 for extent in maps.shape[1:]))],
}


def reduced(maps: Float[Tensor, "n *size"], place: LayerAddress, reduce: str) -> Float[Tensor, " n"]:
    """One number for each map: at the place's position, or reduced over all of it."""
    if place.position is None:
        return REDUCTIONS[reduce](maps)
    if len(place.position) != maps.dim() - 1 or any(
        not -extent <= p < extent for p, extent in zip(place.position, maps.shape[1:], strict=True)
    ):
        raise PlaceError(
            f"a position inside the map of {place.layer}, which is {tuple(maps.shape[1:])} here",
            received=str(place),
        )
    return maps[(slice(None), *place.position)]


One = TypeVar("One", bound="ChannelActivation")


@dataclass(frozen=True)
class ChannelActivation(LayerTerm):
    """How strongly one unit answers: a filter over its map, a neuron at its position, a class."""

    reduce: Reduce = "mean"

    @override
    def resolve(self: One, net: Net) -> One:
        found = super().resolve(net)
        if found.place.unit is None:
            raise PlaceError("the unit of a layer, as in conv2:17", received=str(self.place))
        return found

    @property
    @override
    def batch_key(self) -> Hashable:
        return replace(self.place, unit=None), self.reduce

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        return reduced(scene[self.place][:, _number(self.place)], self.place, self.reduce)

    @property
    @override
    def additive(self) -> Additive:
        return "plainly" if self.place.position is None and self.reduce in ("mean", "sum") else ""

    @override
    def sums(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        total = scene[self.place][:, _number(self.place)].flatten(1).sum(1)
        return total / scene.positions(self.place) if self.reduce == "mean" else total

    @classmethod
    @override
    def batched(cls, measures: Sequence[Any], scene: ActivationBatch) -> Float[Tensor, " b"]:
        first, units = measures[0], tuple(_number(measure.place) for measure in measures)
        activation = scene[first.place]
        rows = index(tuple(range(len(units))), activation.device)
        return reduced(activation[rows, index(units, activation.device)], first.place, first.reduce)


@dataclass(frozen=True)
class LogProbability(ChannelActivation):
    """The logarithm of a class's probability: 0 is certainty."""

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        return log_probabilities(scene[self.place])[:, _number(self.place)]

    @property
    @override
    def additive(self) -> Additive:
        return ""

    @classmethod
    @override
    def batched(cls, measures: Sequence[Any], scene: ActivationBatch) -> Float[Tensor, " b"]:
        answers = log_probabilities(scene[measures[0].place])
        units = tuple(_number(measure.place) for measure in measures)
        return answers[index(tuple(range(len(units))), answers.device), index(units, answers.device)]


@dataclass(frozen=True)
class SquaredNorm(LayerTerm):
    """Half the squared norm of a layer's activation, so that its gradient is the activation itself.

    What is positive grows and what is negative falls (DeepDream). Source: Mordvintsev et al. 2015.
    """

    @property
    @override
    def batch_key(self) -> Hashable:
        return self.place

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        activation = scene[self.place]
        if self.place.unit is not None:
            activation = activation[:, _number(self.place)]
        return 0.5 * activation.flatten(1).square().sum(1)

    @property
    @override
    def additive(self) -> Additive:
        return "plainly"


@dataclass(frozen=True)
class DirectionDot(LayerTerm):
    """How far activation vectors point along a direction, times their cosine with it to a power.

    Source: Carter et al. 2019, "Activation Atlas", Distill, doi:10.23915/distill.00015 (the cosine's power).
    """

    vector: tuple[float, ...]
    cosine_power: float | int = 0.0

    @property
    @override
    def batch_key(self) -> Hashable:
        return self.place, len(self.vector), self.cosine_power

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        return type(self).batched([self] * len(scene.image), scene)

    @classmethod
    @override
    def batched(cls, measures: Sequence[Any], scene: ActivationBatch) -> Float[Tensor, " b"]:
        first, activation = measures[0], scene[measures[0].place]
        if activation.shape[1] != len(first.vector):
            raise PlaceError(
                f"a direction with a number for each of the {activation.shape[1]} units of {first.place}",
                received=f"{len(first.vector)} numbers",
            )
        vectors = activation.new_tensor([measure.vector for measure in measures])
        along = torch.einsum("bc...,bc->b...", activation, vectors)
        if first.cosine_power:
            norms = activation.norm(dim=1) * vectors.norm(dim=1).view(-1, *[1] * (along.dim() - 1))
            along = along * (along / norms.clamp_min(1e-6)).clamp_min(0.1) ** first.cosine_power
        return reduced(along, first.place, "mean")


@dataclass(frozen=True)
class Diversity(LayerTerm):
    """How different the pictures of one group are: minus the mean cosine of their Gram matrices.

    Times the layer's root mean square for that picture, held fixed, so that it weighs as much as activations.
    Only `together` with the others does it mean something; alone it is 0.

    Source: Olah et al. 2017, "Feature Visualization", Distill, section "Diversity".
    """

    group: int | str

    @property
    @override
    def batch_key(self) -> Hashable:
        return self.place.layer_only

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        return type(self).batched([self] * len(scene.image), scene)

    @classmethod
    @override
    def batched(cls, measures: Sequence[Any], scene: ActivationBatch) -> Float[Tensor, " b"]:
        activation = scene[measures[0].place]
        activation = activation.reshape(*activation.shape[:2], -1)
        gram = torch.einsum("bcn,bdn->bcd", activation, activation).flatten(1)
        gram = gram / gram.norm(dim=1, keepdim=True).clamp_min(1e-10)
        groups = [measure.group for measure in measures]
        others = torch.tensor(
            [[float(a == b and i != j) for j, b in enumerate(groups)] for i, a in enumerate(groups)],
            device=gram.device,
            dtype=gram.dtype,
        )
        mean = ((gram @ gram.T) * others).sum(1) / others.sum(1).clamp_min(1)
        return -mean * activation.detach().flatten(1).square().mean(1).sqrt()


def diversity(place: str | LayerAddress, group: int | str = 0) -> Objective:
    """How different pictures are at a layer; add it to the goals of several to keep them apart."""
    return Objective.of(Diversity(_place(place).layer_only, group))


def channel(place: str | LayerAddress, *, reduce: Reduce = "mean") -> Objective:
    """A filter's activation over its whole map.

    The mean does not depend on the size of the canvas; `reduce="sum"` is the lecture's degree of activation.
    """
    return Objective.of(ChannelActivation(_place(place), reduce))


def neuron(place: str | LayerAddress) -> Objective:
    """One neuron: a channel at the place's position (`conv2:17@5,5`), or in the middle of the map."""
    return Objective.of(ChannelActivation(_place(place), "centre"))


def layer(place: str | LayerAddress) -> Objective:
    """The energy of a whole layer, half its squared norm."""
    return Objective.of(SquaredNorm(_place(place)))


def direction(
    place: str | LayerAddress, vector: Sequence[float] | Tensor, *, cosine_power: float | int = 0.0
) -> Objective:
    """Activations along a vector in the space of a layer's channels."""
    numbers = vector.tolist() if isinstance(vector, Tensor) else vector
    return Objective.of(DirectionDot(_place(place), tuple(float(v) for v in numbers), cosine_power))


def output(unit: int | str) -> Objective:
    """What the network itself answers, for a class by number or label: the logit, not the probability."""
    return channel(LayerAddress("output", unit=unit))


def confidence(unit: int | str) -> Objective:
    """The log-probability of a class."""
    return Objective.of(LogProbability(LayerAddress("output", unit=unit)))


def default_objective(place: str | LayerAddress, *, reduce: Reduce = "mean") -> Objective:
    """What a place says: a neuron if it has a position, a channel if it has a unit, else the whole layer."""
    place = _place(place)
    return layer(place) if place.unit is None else channel(place, reduce=reduce)


def _place(place: str | LayerAddress) -> LayerAddress:
    return LayerAddress.parse(place) if isinstance(place, str) else place


def _number(place: LayerAddress) -> int:
    if not isinstance(place.unit, int):
        raise PlaceError(
            "a unit by its number; bind the objective to a network to use labels", received=str(place)
        )
    return place.unit
