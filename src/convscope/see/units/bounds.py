"""What the units of a layer do over many real inputs: who never fires, who is always at the stop."""

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
"""Between which values an activation function stays, by the name of its module."""

NEAR = 0.05
"""Within this share of the range (of the bound, where there is but one) a value is at the stop."""

MOSTLY = 0.95
"""A unit that is at the stop for this share of its values is saturated."""


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """Over all inputs and all positions of a unit's map, one number for each unit."""

    place: str
    inputs: int
    mean: Float[Tensor, " u"]
    std: Float[Tensor, " u"]
    low: Float[Tensor, " u"]
    high: Float[Tensor, " u"]
    zero: Float[Tensor, " u"]
    """Share of values that are exactly 0."""
    stopped: Float[Tensor, " u"]
    """Share of values at a stop of the activation function; 0 where it has none."""

    @property
    def dead(self) -> list[int]:
        """Units that are 0 for every input, everywhere."""
        return (self.zero == 1).nonzero().flatten().tolist()

    @property
    def saturated(self) -> list[int]:
        """Units that are nearly always at a stop."""
        return (self.stopped >= MOSTLY).nonzero().flatten().tolist()


def layer_statistics(
    net: Net, samples: LabelledImages, places: Sequence[str | LayerAddress], *, memory: int = MEMORY
) -> tuple[LayerStatistics, ...]:
    """Statistics of every unit of each layer, in one pass over the samples.

    Args:
        net: any network with one input.
        samples: pictures of the network's input shape.
        places: layers.
        memory: bytes of activations that are held at once.

    Raises:
        PlaceError: a place is not in this network.
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
    """What has to be kept of everything seen so far, in double precision."""

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
