"""Per-unit statistics of layers over a data set, with dead and saturated units."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, record, resolve
from convscope.see.features.batching import MEMORY, batch_size_for, iter_batches
from convscope.worlds.dataset import LabelledImages

BOUNDS: dict[str, tuple[float, float]] = {
    "Sigmoid": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "ScaledTanh": (-1.7159, 1.7159),
    "ReLU6": (-torch.inf, 6.0),
    "Hardtanh": (-1.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
}
"""Lower and upper bound of an activation function's values, by the name of its module."""

NEAR = 0.05
"""A value this close to a bound is saturated; a share of the range, or of the upper bound if it is the only
one.
"""

MOSTLY = 0.95
"""A unit is saturated if this share of its values is."""


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """Statistics of each unit of a layer, over all inputs and all positions of its feature map.

    Attributes:
        place: the layer.
        inputs: number of inputs.
        mean: mean of the values.
        std: standard deviation (biased).
        low: smallest value.
        high: largest value.
        zero: share of values that are exactly 0.
        stopped: share of values at a bound of the activation function (within 5% of its range); 0 where it
            has no bound.
    """

    place: str
    inputs: int
    mean: Float[Tensor, " u"]
    std: Float[Tensor, " u"]
    low: Float[Tensor, " u"]
    high: Float[Tensor, " u"]
    zero: Float[Tensor, " u"]
    stopped: Float[Tensor, " u"]

    @property
    def dead(self) -> list[int]:
        """Indices of units whose values are all 0."""
        return (self.zero == 1).nonzero().flatten().tolist()

    @property
    def saturated(self) -> list[int]:
        """Indices of units with at least 95% of their values at a bound."""
        return (self.stopped >= MOSTLY).nonzero().flatten().tolist()


def layer_statistics(
    net: Net, samples: LabelledImages, places: Sequence[str | LayerAddress], *, memory: int = MEMORY
) -> tuple[LayerStatistics, ...]:
    """Compute statistics of every unit of some layers, in one pass over the samples.

    Args:
        net: any network with one input.
        samples: images of the network's input shape.
        places: layers; units and positions in them are ignored.
        memory: bytes of activations that are held at once; sets the batch size.

    Returns:
        One entry for each of `places`, in that order.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: there are no samples.
    """
    if len(samples) == 0:
        raise UsageError("samples", received="none")
    resolved = [resolve(net, LayerAddress.parse(place).layer_only) for place in places]
    sums = {place: _Sums(_bounds(net, place)) for place in resolved}
    for _, images in iter_batches(net, samples, batch_size_for(net, resolved, memory)):
        with torch.no_grad():
            for place, activation in record(net, images, resolved).items():
                sums[place].add(activation.float().cpu())
    return tuple(sums[place].statistics(str(place), len(samples)) for place in resolved)


class _Sums:
    """Running sums and extremes of the units of one layer, in double precision."""

    def __init__(self, bounds: tuple[float, float] | None) -> None:
        self.bounds, self.count = bounds, 0
        self.totals: Tensor | None = None
        self.low = self.high = torch.empty(0)

    def add(self, activation: Float[Tensor, "b u *size"]) -> None:
        values = activation.transpose(0, 1).flatten(1).double()
        totals = torch.stack(
            [
                values.sum(1),
                values.square().sum(1),
                (values == 0).double().sum(1),
                self._stopped(values).sum(1),
            ]
        )
        first = self.totals is None
        self.low = values.amin(1) if first else torch.minimum(self.low, values.amin(1))
        self.high = values.amax(1) if first else torch.maximum(self.high, values.amax(1))
        self.totals = totals if self.totals is None else self.totals + totals
        self.count += values.shape[1]

    def _stopped(self, values: Float[Tensor, "u n"]) -> Float[Tensor, "u n"]:
        if self.bounds is None:
            return torch.zeros_like(values)
        low, high = self.bounds
        margin = NEAR * (high if low == -torch.inf else high - low)
        return ((values <= low + margin) | (values >= high - margin)).to(values.dtype)

    def statistics(self, place: str, inputs: int) -> LayerStatistics:
        if self.totals is None:
            raise UsageError("samples", received="none")
        mean, square, zero, stopped = self.totals / self.count
        std = (square - mean.square()).clamp_min(0).sqrt()
        numbers = (mean, std, self.low, self.high, zero, stopped)
        return LayerStatistics(place, inputs, *(n.float() for n in numbers))


def _bounds(net: Net, place: LayerAddress) -> tuple[float, float] | None:
    if place.layer not in dict(net.module.named_modules()):
        return None
    return BOUNDS.get(type(net.module.get_submodule(place.layer)).__name__)
