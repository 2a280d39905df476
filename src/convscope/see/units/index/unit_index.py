"""The index of units over a data set: examples and statistics of every unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import floor, prod
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convscope.errors import ConvscopeError, PlaceError, nearest
from convscope.nets import LayerAddress, Net, describe, layer_shapes, resolve
from convscope.nets.activations.address import RESULT
from convscope.nets.activations.recording import batch_changing_layers
from convscope.recipe.result import Result
from convscope.see.units.index.accumulators import UnitAccumulator

BOUNDS: dict[str, tuple[float, float]] = {
    "relu": (0.0, torch.inf),
    "relu6": (0.0, 6.0),
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "scaledtanh": (-1.7159, 1.7159),
    "hardsigmoid": (0.0, 1.0),
    "hardtanh": (-1.0, 1.0),
}
"""Lower and upper bound of the values of each kind of activation function."""
NEAR = 0.05
"""A value this close to a bound is saturated, as a share of the range."""
FLAT: dict[str, tuple[float, float]] = {
    "relu6": (0.3, 5.7),
    "sigmoid": (-2.944, 2.944),
    "tanh": (-1.472, 1.472),
    "scaledtanh": (-2.208, 2.208),
    "hardsigmoid": (-2.7, 2.7),
    "hardtanh": (-0.9, 0.9),
}
"""Inputs of each kind of activation function below and above which its value is saturated."""
CUT = ("relu", "relu6")
"""Kinds whose lower bound is 0 for all inputs below it: what always lies there is dead, not saturated."""
NEGLIGIBLE = 1e-4
"""A unit is dead if what it varies by, or passes through a ReLU, is a smaller share of its layer's mean.

Between dead and living units there is a wide gap: in the convolutions of EfficientNet-lite0, over 64
photographs of flowers, no share of the layer's median lies between 1.4e-5 and 2e-2. What is
smaller than 2**-11 of a number is lost when it is added to that in half precision.
"""


@dataclass(frozen=True)
class IndexedLayer:
    """A layer of an index.

    Attributes:
        place: its address.
        units: number of its units.
        size: extent of its feature maps; empty where there are no spatial axes.
        reader: kind of the activation function (a key of `BOUNDS`) that is the only consumer of its output;
            else empty.
        function: kind of the activation function (a key of `BOUNDS`) that the layer itself is; else empty.
    """

    place: str
    units: int
    size: tuple[int, ...]
    reader: str = ""
    function: str = ""


@dataclass(frozen=True)
class Example:
    """An image of the data and a unit's extreme value on it.

    Attributes:
        image: index of the image.
        label: its class.
        value: largest (or smallest) value of the unit's feature map.
        position: where on the feature map that value is, an index for each axis.
    """

    image: int
    label: int
    value: float
    position: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class UnitStatistics:
    """Statistics of one unit over the data.

    The peak on an image is the largest value of the unit's feature map.

    Attributes:
        place: the unit's address.
        images: number of images.
        top: images with the largest peaks, in descending order.
        bottom: images with the smallest values of the feature map, in ascending order.
        mean: mean over all values of all feature maps.
        std: standard deviation over all values of all feature maps.
        inactive_share: share of images with a peak that is not above 0.
        counts: number of images whose peak is in each bin.
        edges: edges of the bins.
        by_class: mean peak for each class; NaN where a class has no image.
        class_sizes: number of images for each class.
        dead: whether the unit is dead, see `UnitIndex.dead`.
        saturated: whether the unit is saturated, see `UnitIndex.saturated`.
    """

    place: str
    images: int
    top: tuple[Example, ...]
    bottom: tuple[Example, ...]
    mean: float
    std: float
    inactive_share: float
    counts: Int64[Tensor, " bins"]
    edges: Float[Tensor, " edges"]
    by_class: Float[Tensor, " classes"]
    class_sizes: Int64[Tensor, " classes"]
    dead: bool
    saturated: bool
    _index: "UnitIndex" = field(repr=False)
    _number: int = field(repr=False)

    @property
    def class_shares(self) -> Float[Tensor, " classes"]:
        """Share of each class among the top images."""
        labels = torch.tensor([example.label for example in self.top], dtype=torch.int64)
        return torch.bincount(labels, minlength=len(self.by_class)) / max(1, len(labels))

    def percentile(self, value: float) -> float:
        """Return the per cent of images whose peak is below a value, to the precision of a bin.

        Args:
            value: the value to compare with.

        Returns:
            0 to 100, rounded down to a tenth; 100 only if the value exceeds all peaks.
        """
        if self.top and value > self.top[0].value:
            return 100.0
        most = 1 - 1 / max(self.images, 1)
        share = min(self._index.accumulator.histograms.share_below(self._number, value), most)
        return floor(1000 * share + 1e-6) / 10


@dataclass(frozen=True, eq=False)
class UnitIndex(Result):
    """Statistics and examples of every unit of some layers over a data set.

    Attributes:
        layers: the layers, in the order in which they run.
        accumulator: statistics of all units, layer after layer.
        classes: names of the data's classes.
        labels: class of each image.
        fingerprint: what the index was made from: network, data, layers, number of images, k and batch size.
        problems: files that could not be read; they are in no statistics.
    """

    layers: tuple[IndexedLayer, ...]
    accumulator: UnitAccumulator
    classes: tuple[str, ...]
    labels: Int64[Tensor, " n"]
    fingerprint: Mapping[str, Any]
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(layer.units for layer in self.layers)

    @cached_property
    def _firsts(self) -> dict[str, tuple[int, IndexedLayer]]:
        firsts, at = {}, 0
        for layer in self.layers:
            firsts[layer.place] = (at, layer)
            at += layer.units
        return firsts

    def __contains__(self, place: str | LayerAddress) -> bool:
        return LayerAddress.parse(place).layer_text in self._firsts

    def rows(self, place: str | LayerAddress) -> slice:
        """Return the range of a layer's units in the accumulator.

        Args:
            place: the layer; unit and position are ignored.

        Returns:
            A slice over the unit axis.

        Raises:
            PlaceError: the layer is not in the index.
        """
        source = LayerAddress.parse(place).layer_text
        if source not in self._firsts:
            raise PlaceError("a layer of the index", received=source, hint=nearest(source, self._firsts))
        first, layer = self._firsts[source]
        return slice(first, first + layer.units)

    def layer(self, place: str | LayerAddress) -> IndexedLayer:
        """Return the description of one of the layers.

        Args:
            place: the layer; unit and position are ignored.

        Returns:
            Its number of units, map size and reader.

        Raises:
            PlaceError: the layer is not in the index.
        """
        self.rows(place)
        return self._firsts[LayerAddress.parse(place).layer_text][1]

    def entry(self, place: str | LayerAddress, most: int | None = None) -> UnitStatistics:
        """Return the statistics of one unit.

        Args:
            place: the unit, like `conv2:17`.
            most: maximum number of images at either end; all that are kept if None.

        Returns:
            The unit's statistics and examples.

        Raises:
            PlaceError: the layer is not in the index, or has no such unit.
        """
        place, rows, layer = LayerAddress.parse(place), self.rows(place), self.layer(place)
        if not isinstance(place.unit, int) or not 0 <= place.unit < layer.units:
            raise PlaceError(
                f"one of the units 0 to {layer.units - 1} of {layer.place}",
                received=str(place),
                hint=f"For example: {layer.place}:{layer.units - 1}",
            )
        number, accumulator = rows.start + place.unit, self.accumulator
        return UnitStatistics(
            f"{layer.place}:{place.unit}",
            int(accumulator.images[number]),
            self._examples(number, layer, bottom=False)[:most],
            self._examples(number, layer, bottom=True)[:most],
            float(accumulator.mean[number]),
            float(accumulator.std[number]),
            float(accumulator.inactive[number] / accumulator.images[number].clamp_min(1)),
            accumulator.histograms.counts[number].long(),
            accumulator.histograms.edges(number),
            accumulator.classes[:, number] / accumulator.members[:, number],
            accumulator.members[:, number].long(),
            bool(self.dead(layer.place)[place.unit]),
            bool(self.saturated(layer.place)[place.unit]),
            self,
            number,
        )

    def dead(self, place: str | LayerAddress) -> Tensor:
        """Return which units of a layer are dead: constant, or always set to 0 by the ReLU that reads them.

        Trained networks have units with weights near 0, which reach 2e-7 where others reach 20. Therefore a
        unit counts as constant if its range is at most 1e-4 of the mean range of the layer's units, and as
        set to 0 if its largest value is at most 1e-4 of the mean of the units' largest values above 0.

        Args:
            place: the layer; unit and position are ignored.

        Returns:
            A boolean for each unit; False where no image was seen.

        Raises:
            PlaceError: the layer is not in the index.
        """
        rows = self.rows(place)
        low, high, reader = self.accumulator.low[rows], self.accumulator.high[rows], self.layer(place).reader
        seen = self.accumulator.images[rows] > 0
        dead = _negligible(high - low, seen)
        if reader in CUT:
            dead |= _negligible(high.clamp_min(0), seen)
        return dead

    def saturated(self, place: str | LayerAddress) -> Tensor:
        """Return which units always saturate the activation function that the layer is, or that reads it.

        All values of the function lie within 5% of its range from one bound. At the lower bound of a ReLU a
        unit is dead instead.

        Args:
            place: the layer; unit and position are ignored.

        Returns:
            A boolean for each unit; False where the function is a ReLU, or there is none with a bound.

        Raises:
            PlaceError: the layer is not in the index.
        """
        rows, layer = self.rows(place), self.layer(place)
        low, high = self.accumulator.low[rows], self.accumulator.high[rows]
        kind = layer.function or layer.reader
        if kind not in FLAT:
            return torch.zeros(len(low), dtype=torch.bool)
        below, above = _near_bounds(kind) if layer.function else FLAT[kind]
        at_upper = low >= above
        return at_upper if kind in CUT else at_upper | (high <= below)

    def _examples(self, number: int, layer: IndexedLayer, *, bottom: bool) -> tuple[Example, ...]:
        ends = self.accumulator.bottom if bottom else self.accumulator.top
        lines = zip(ends.values[number], ends.images[number], ends.flat_positions[number], strict=True)
        sign = -1.0 if bottom else 1.0
        return tuple(
            Example(int(i), int(self.labels[i]), sign * float(v), _position(int(s), layer.size))
            for v, i, s in lines
            if i >= 0
        )


def _negligible(sizes: Float[Tensor, " units"], seen: Bool[Tensor, " units"]) -> Bool[Tensor, " units"]:
    """Return which of the units that were seen are negligible beside the mean of them, from 0 on."""
    mean = sizes[seen].double().mean() if seen.any() else 0.0
    return seen & (sizes <= NEGLIGIBLE * mean)


def _near_bounds(kind: str) -> tuple[float, float]:
    """Return the values of an activation function below and above which it is saturated."""
    low, high = BOUNDS[kind]
    margin = NEAR * (high - low)
    return low + margin, high - margin


def _position(spot: int, size: Sequence[int]) -> tuple[int, ...]:
    found: list[int] = []
    for extent in reversed(size):
        spot, at = divmod(spot, extent)
        found.insert(0, at)
    return tuple(found)


def weighted_layers(net: Net) -> tuple[str, ...]:
    """Return the layers that are indexed by default: those that compute units, and the network's result.

    These are innermost modules with weights of two axes or more (convolutions, dense layers) at each of their
    calls. Their values are taken before any normalisation and activation function, so that both ends of a
    unit's range are informative. Norms, activation functions, poolings and dropout keep the same units and
    are left out, as are layers that fold parts of images into the batch. A network without such modules is
    indexed at every innermost layer.

    Args:
        net: the network.

    Returns:
        Addresses in the order in which the layers run.
    """
    shapes, modules = layer_shapes(net), dict(net.module.named_modules())
    names = [name for name in shapes if not any(other.startswith(f"{name}.") for other in shapes)]
    names = [name for name in names if name not in batch_changing_layers(net)]
    chosen = [name for name in names if name in modules and _makes_units(modules[name])]
    found = [place for name in chosen or names for place in _calls(name, shapes[name])]
    last = [place for place in _calls(RESULT, shapes[RESULT]) if place not in found]
    return (*found, *last)


def _makes_units(module: torch.nn.Module) -> bool:
    """Return whether a module has weights of two axes or more and is no embedding."""
    if isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag):
        return False
    return any(p.dim() >= 2 for p in module.parameters(recurse=False))


def _calls(name: str, calls: Sequence[Mapping[str, tuple[int, ...]]]) -> list[str]:
    """Return the addresses of a layer: each call, each part that has units."""
    found = []
    for number, parts in enumerate(calls, 1):
        call = f"#{number}" if len(calls) > 1 else ""
        found += [
            f"{name}{call}{f'[{key}]' if key else ''}"
            for key, shape in parts.items()
            if prod(shape) and shape
        ]
    return found


def layers_at(
    net: Net, places: Sequence[str | LayerAddress]
) -> tuple[tuple[LayerAddress, ...], tuple[IndexedLayer, ...]]:
    """Resolve whole layers and describe their units.

    Args:
        net: the network.
        places: layers; those of `weighted_layers` if empty. Units and positions are ignored, duplicates
            dropped.

    Returns:
        The addresses, and for each of them the number of units, map size and reader.

    Raises:
        PlaceError: a place is not in this network, or has no units.
    """
    whole_layers = [LayerAddress.parse(place).layer_only for place in places] or [
        LayerAddress.parse(p) for p in weighted_layers(net)
    ]
    resolved = tuple(dict.fromkeys(resolve(net, place) for place in whole_layers))
    readers, shapes, layers = activation_readers(net), layer_shapes(net), []
    modules = dict(net.module.named_modules())
    for place in resolved:
        parts = shapes[place.layer][(place.call or 0) - 1]
        shape = next(iter(parts.values())) if place.key is None else parts[place.key]
        if not shape:
            raise PlaceError(
                "a layer with units",
                received=f"{place}, a single number",
                hint="Choose a layer before it: convscope describe NETWORK lists them.",
            )
        function = _function(modules.get(place.layer))
        layers.append(
            IndexedLayer(str(place), shape[0], tuple(shape[1:]), readers.get(str(place), ""), function)
        )
    return resolved, tuple(layers)


def activation_readers(net: Net) -> dict[str, str]:
    """Return the activation function that is the only consumer of each layer's output, if it has a bound.

    Args:
        net: the network.

    Returns:
        Kinds, keys of `BOUNDS`, by layer name; only layers with such a consumer. Empty where no graph can be
        traced.
    """
    try:
        graph = describe(net).graph
    except (ConvscopeError, RuntimeError, TypeError, ValueError):
        return {}
    kinds: dict[str, set[str]] = {}
    modules = dict(net.module.named_modules())
    for node in graph.nodes:
        kind = _function(modules.get(node.name)) or node.layer.kind
        for name in node.inputs:
            kinds.setdefault(name, set()).add(kind)
    return {
        name: next(iter(kind)) for name, kind in kinds.items() if len(kind) == 1 and kind <= BOUNDS.keys()
    }


def _function(module: torch.nn.Module | None) -> str:
    """Return the kind of activation function that a module is, a key of `BOUNDS`; else an empty text."""
    kind = type(module).__name__.lower()
    bounds = (getattr(module, "min_val", None), getattr(module, "max_val", None))
    return "" if kind not in BOUNDS or (kind == "hardtanh" and bounds != BOUNDS[kind]) else kind
