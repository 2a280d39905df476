"""Find units that contribute nothing over real inputs: dead, saturated and redundant ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, takes_network
from convscope.recipe.result import Result
from convscope.see.units.index.build import iter_index_units
from convscope.see.units.index.unit_index import UnitIndex
from convscope.system.progress import Progress, last_result
from convscope.worlds import DataLike, open_labelled
from convscope.worlds.dataset import LabelledDataset

REDUNDANT_CORRELATION = 0.95
"""Units whose correlation exceeds this are redundant."""

COMPARED = 128
"""Most samples on which `iter_redundancy` compares units."""

ALONG = 4
"""Number of positions along each axis of a feature map that are compared: 16 on a map of two axes."""

CHANGING = 1e-7
"""Units whose standard deviation is a smaller share of their mean are constant, to float32's precision."""


@dataclass(frozen=True)
class RedundantUnit:
    """A unit whose values correlate with those of an earlier unit of its layer.

    Attributes:
        unit: its index.
        earlier: index of the earlier unit.
        correlation: Pearson correlation of the two, above 0.95.
    """

    unit: int
    earlier: int
    correlation: float


@dataclass(frozen=True)
class Redundancy:
    """Redundant units of several layers.

    Attributes:
        images: number of inputs on which units were compared.
        layers: the redundant units of each layer, by its address.
    """

    images: int
    layers: Mapping[str, tuple[RedundantUnit, ...]]


@dataclass(frozen=True)
class LayerHealth(Result):
    """Dead, saturated and redundant units of one layer.

    Attributes:
        place: the layer.
        units: number of its units.
        images: number of inputs.
        dead: units with the same value always, or whose values a ReLU after them always sets to 0, see
            `UnitIndex.dead`.
        saturated: units that are near a bound of an activation function for every input, everywhere, see
            `UnitIndex.saturated`.
        redundant: units that correlate by more than 0.95 with an earlier one over all inputs, at up to 4
            evenly spread positions along each axis of the feature map.
        inactive_share: mean share of inputs for which a unit's feature map is nowhere above 0.
    """

    place: str
    units: int
    images: int
    dead: tuple[int, ...]
    saturated: tuple[int, ...]
    redundant: tuple[RedundantUnit, ...]
    inactive_share: float


@takes_network
def layer_health(
    net: Net, samples: DataLike, places: Sequence[str | LayerAddress] = (), *, batch: int | None = None
) -> tuple[LayerHealth, ...]:
    """Find dead, saturated and redundant units of each layer, in one pass over the samples.

    Args:
        net: any network, or its name.
        samples: at least two images of the network's input shape, or the name or folder of a data set.
        places: layers; those of `weighted_layers` if empty.
        batch: images per forward pass; chosen by memory if None.

    Returns:
        One entry for each layer.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: there are fewer than two samples, or they do not fit.
    """
    samples = open_labelled(samples, net.input_spec)
    if len(samples) < 2:
        raise UsageError(
            "two samples or more, to compare units", received=f"{len(samples)}", hint="Give more samples."
        )
    sums: dict[int, _Products] = {}

    def watch(number: int, act: Tensor) -> None:
        sums.setdefault(number, _Products()).add(spread_positions(act))

    steps = iter_index_units(net, samples, places, k=1, batch=batch, watch=watch)
    index = last_result(steps, "an index of units")
    return tuple(_health(index, layer.place, sums.get(i)) for i, layer in enumerate(index.layers))


@takes_network
def iter_redundancy(
    net: Net, samples: LabelledDataset, places: Sequence[str | LayerAddress] = (), *, batch: int | None = None
) -> Iterator[Progress[Redundancy]]:
    """Find redundant units on up to `COMPARED` evenly spread samples, yielding after each batch.

    Products of all pairs of units cost more than the statistics of an index, and a few thousand values of
    each unit settle whether a correlation is above 0.95.

    Args:
        net: any network.
        samples: images of the network's input shape.
        places: layers; those of `weighted_layers` if empty.
        batch: images per forward pass; chosen by memory if None.

    Yields:
        The progress with the redundant units of each layer; none before the last step, and none of fewer than
        two samples.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: the samples do not fit.
    """
    count = min(len(samples), COMPARED)
    if count < 2:
        yield Progress(1.0, "", lambda: Redundancy(count, {}))
        return
    chosen = samples.take([i * len(samples) // count for i in range(count)])
    sums: dict[int, _Products] = {}

    def watch(number: int, act: Tensor) -> None:
        sums.setdefault(number, _Products()).add(spread_positions(act))

    index: UnitIndex | None = None
    for step in iter_index_units(net, chosen, places, k=1, batch=batch, watch=watch):
        yield Progress(0.9 * step.fraction, "comparing units", lambda: Redundancy(count, {}))
        index = step.result()
    layers = index.layers if index is not None else ()
    found = {layers[i].place: redundant(products.correlations()) for i, products in sums.items()}
    yield Progress(1.0, "comparing units", lambda: Redundancy(count, found))


def spread_positions(act: Float[Tensor, "b u *size"]) -> Float[Tensor, "n u"]:
    """Sample activations at up to 4 evenly spread positions along each spatial axis.

    Args:
        act: activations of a batch.

    Returns:
        One row for each image and position, one column for each unit; `[b u]` where there are no spatial
        axes.
    """
    for axis in range(2, act.dim()):
        extent = act.shape[axis]
        count = min(extent, ALONG)
        at = torch.tensor([(2 * i + 1) * extent // (2 * count) for i in range(count)], device=act.device)
        act = act.index_select(axis, at)
    return act.flatten(2).transpose(1, 2).flatten(0, 1) if act.dim() > 2 else act


class _Products:
    """Running sums of values and of products of pairs of units, from which correlations follow."""

    def __init__(self) -> None:
        self.count = 0
        self.shift = self.values = self.products = torch.zeros(())

    def add(self, values: Float[Tensor, "n u"]) -> None:
        values = values.double().cpu()
        if self.count == 0:
            self.shift = values.mean(0)  # differences of large numbers stay exact
        values = values - self.shift
        self.count += len(values)
        self.values = self.values + values.sum(0)
        self.products = self.products + values.T @ values

    def correlations(self) -> Float[Tensor, "u u"]:
        """Return the correlation matrix; rows and columns of constant units are 0."""
        mean = self.values / self.count
        covariance = self.products / self.count - mean[:, None] * mean
        spread = covariance.diagonal().clamp_min(0).sqrt()
        changing = spread > CHANGING * (self.shift + mean).abs().clamp_min(1e-30)
        norms = torch.where(changing, spread, torch.inf)
        return covariance / norms[:, None] / norms


def redundant(correlations: Float[Tensor, "u u"]) -> tuple[RedundantUnit, ...]:
    """Return the units that correlate by more than 0.95 with an earlier one.

    Args:
        correlations: correlation matrix of the units of a layer; NaN counts as 0.

    Returns:
        The redundant units in order, each with the earlier unit that it correlates with most.
    """
    best = correlations.nan_to_num(0).tril(-1).max(1)
    found = (best.values > REDUNDANT_CORRELATION).nonzero().flatten().tolist()
    return tuple(RedundantUnit(i, int(best.indices[i]), float(best.values[i])) for i in found)


def _health(index: UnitIndex, place: str, products: _Products | None) -> LayerHealth:
    """Combine the index's statistics of a layer with the correlations of its units."""
    rows, layer, accumulator = index.rows(place), index.layer(place), index.accumulator
    inactive = accumulator.inactive[rows] / accumulator.images[rows].clamp_min(1)
    return LayerHealth(
        place=place,
        units=layer.units,
        images=int(accumulator.images[rows].max()),
        dead=tuple(index.dead(place).nonzero().flatten().tolist()),
        saturated=tuple(index.saturated(place).nonzero().flatten().tolist()),
        redundant=redundant(products.correlations()) if products is not None else (),
        inactive_share=float(inactive.mean()),
    )
