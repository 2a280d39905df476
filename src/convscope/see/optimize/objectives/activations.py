"""Objectives that read activations: a channel, a neuron, a layer, a direction, an output.

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
from convscope.see.optimize.objectives.activation_batch import ActivationBatch, index
from convscope.see.optimize.objectives.objective import LayerTerm, Objective

Reduce = Literal["mean", "sum", "max", "min", "centre"]
"""How a feature map becomes one number: its mean, sum, largest or smallest value, or that in its middle."""
Additive = Literal["", "sums", "plainly"]
"""Whether a score follows from sums over positions; see `ObjectiveTerm.additive`."""

REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda maps: maps.reshape(len(maps), -1).mean(1),
    "sum": lambda maps: maps.reshape(len(maps), -1).sum(1),
    "max": lambda maps: maps.reshape(len(maps), -1).amax(1),
    "min": lambda maps: maps.reshape(len(maps), -1).amin(1),
    "centre": lambda maps: maps[(slice(None), *(extent // 2 for extent in maps.shape[1:]))],
}
"""For each `Reduce`, a function from maps `[n *size]` to `[n]`."""


def reduced(maps: Float[Tensor, "n *size"], place: LayerAddress, reduce: str) -> Float[Tensor, " n"]:
    """Reduce each feature map to one number.

    Args:
        maps: one map for each image or unit.
        place: its position, where it has one, is read instead of reducing; its layer is for the message.
        reduce: `mean`, `sum`, `max`, `min` or `centre`, over all positions.

    Returns:
        One number for each map.

    Raises:
        PlaceError: the position is outside of the map.
    """
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
    """The activation of one unit: a channel over its feature map, a neuron at its position, a logit.

    Attributes:
        place: with a unit; with a position, the value there is the score.
        reduce: how the map is reduced where the place has no position.
    """

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
    """The log-probability of a class, at most 0.

    The network's own softmax, if it has one, is not applied twice.
    """

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
        log_probs = log_probabilities(scene[measures[0].place])
        units = tuple(_number(measure.place) for measure in measures)
        return log_probs[index(tuple(range(len(units))), log_probs.device), index(units, log_probs.device)]


@dataclass(frozen=True)
class SquaredNorm(LayerTerm):
    """Half the squared norm of a layer's activation (DeepDream).

    Its gradient with respect to the activation is the activation itself: positive activations are increased
    and negative ones decreased. With a unit, of that channel alone.

    Source: Mordvintsev et al. 2015.
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
    """Dot product of activation vectors with a direction, times their cosine similarity to a power.

    The score is the mean over positions, or the value at the place's position. Cosines count as 0.1 at least.

    Source: Carter et al. 2019, "Activation Atlas", Distill, doi:10.23915/distill.00015 (the cosine's power).

    Attributes:
        place: the layer.
        vector: a number for each channel of the layer.
        cosine_power: 0 for the dot product alone.
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
    """Minus the mean cosine similarity of an image's Gram matrix with those of its group.

    Multiplied by the root mean square of the layer's activation for that image, without a gradient, so that
    its weight is comparable to that of activations. Defined for images that are scored together (`batched`);
    an image that is alone in its group scores 0.

    Source: Olah et al. 2017, "Feature Visualization", Distill, section "Diversity".

    Attributes:
        place: the layer.
        group: images of equal group are compared with each other.
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
    """Return the diversity objective: how different the images of a group are at a layer.

    Add it to the objectives of several images that are optimised together, to keep them apart.

    Args:
        place: the layer; a unit or position in it is ignored.
        group: images whose objectives have equal groups are compared.

    Returns:
        An objective to be combined by `per_image`; for an image alone it is 0.
    """
    return Objective.of(Diversity(_place(place).layer_only, group))


def channel(place: str | LayerAddress, *, reduce: Reduce = "mean") -> Objective:
    """Return the objective that maximises a channel over its feature map.

    Args:
        place: a layer with a unit, as in `conv2:17`; with a position, the activation there.
        reduce: how the map becomes one number. The mean does not depend on the size of the image; `sum` is
            the lecture's degree of activation.

    Returns:
        The objective. `resolve` raises `PlaceError` where the place has no unit.
    """
    return Objective.of(ChannelActivation(_place(place), reduce))


def neuron(place: str | LayerAddress) -> Objective:
    """Return the objective that maximises one neuron: a channel at one position.

    Args:
        place: a layer with a unit and a position (`conv2:17@5,5`); the middle of the map if it has none.

    Returns:
        The objective. `resolve` raises `PlaceError` where the place has no unit.
    """
    return Objective.of(ChannelActivation(_place(place), "centre"))


def layer(place: str | LayerAddress) -> Objective:
    """Return the DeepDream objective of a whole layer: half its squared norm.

    Args:
        place: a layer; with a unit, the squared norm of that channel. A position is ignored.

    Returns:
        The objective.
    """
    return Objective.of(SquaredNorm(_place(place)))


def direction(
    place: str | LayerAddress, vector: Sequence[float] | Tensor, *, cosine_power: float | int = 0.0
) -> Objective:
    """Return the objective that maximises activations along a direction in the space of a layer's channels.

    Args:
        place: a layer; all positions count, unless it has one.
        vector: a number for each channel.
        cosine_power: power of the cosine similarity by which the dot product is multiplied; larger values
            prefer activations that point in the direction over those that are merely large.

    Returns:
        The objective. Scoring raises `PlaceError` where the vector's length is not the layer's channel count.
    """
    numbers = vector.tolist() if isinstance(vector, Tensor) else vector
    return Objective.of(DirectionDot(_place(place), tuple(float(v) for v in numbers), cosine_power))


def output(unit: int | str) -> Objective:
    """Return the objective that maximises an output of the network: the logit of a class.

    Args:
        unit: the class, by number or label.

    Returns:
        The objective; the value that the network itself returns, without a softmax added.
    """
    return channel(LayerAddress("output", unit=unit))


def confidence(unit: int | str) -> Objective:
    """Return the objective that maximises the log-probability of a class.

    Args:
        unit: the class, by number or label.

    Returns:
        The objective; 0 is certainty.
    """
    return Objective.of(LogProbability(LayerAddress("output", unit=unit)))


def default_objective(place: str | LayerAddress, *, reduce: Reduce = "mean") -> Objective:
    """Return the objective that suits a place: `channel` or `neuron` if it has a unit, else `layer`.

    Args:
        place: a layer, a unit, or a unit with a position.
        reduce: how a channel's map becomes one number.

    Returns:
        The objective.
    """
    place = _place(place)
    return layer(place) if place.unit is None else channel(place, reduce=reduce)


def _place(place: str | LayerAddress) -> LayerAddress:
    return LayerAddress.parse(place) if isinstance(place, str) else place


def _number(place: LayerAddress) -> int:
    """Return the unit as a number; labels have to be resolved before."""
    if not isinstance(place.unit, int):
        raise PlaceError(
            "a unit by its number; bind the objective to a network to use labels", received=str(place)
        )
    return place.unit
