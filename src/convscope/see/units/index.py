"""What is known of every unit after one pass over data: the index, and one unit's entry in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import floor, prod
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.errors import ConvscopeError, PlaceError, nearest
from convscope.nets import LayerAddress, Net, layer_shapes, resolve
from convscope.nets.activations.address import RESULT
from convscope.nets.activations.recording import batch_changing_layers
from convscope.see.units.accumulators import UnitAccumulator

FLAT: dict[str, tuple[float, float]] = {
    "relu": (0.0, torch.inf),
    "relu6": (0.0, 6.0),
    "sigmoid": (-2.944, 2.944),
    "tanh": (-1.472, 1.472),
    "scaledtanh": (-2.208, 2.208),
    "hardsigmoid": (-2.7, 2.7),
}
"""Below and above which an activation function of this kind lies within 5% of its range from a stop."""


@dataclass(frozen=True)
class IndexedLayer:
    """A place in an index: how many units it has, on maps of which size, and what reads it."""

    place: str
    units: int
    size: tuple[int, ...]
    reader: str = ""
    """The kind of activation function that alone reads it; empty if there is none."""


@dataclass(frozen=True)
class Example:
    """An image of the data, what a unit says to it, and where on the map."""

    image: int
    label: int
    value: float
    position: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class UnitStatistics:
    """What the index knows of one unit; what it says to an image is its peak, its map's largest value."""

    place: str
    images: int
    top: tuple[Example, ...]
    bottom: tuple[Example, ...]
    """With the smallest value of the map, and where."""
    mean: float
    """Over all values of all maps; so is `std`."""
    std: float
    inactive_fraction: float
    """Share of images to which it says nothing above 0."""
    counts: Int64[Tensor, " bins"]
    """How many images have a peak in each bin."""
    edges: Float[Tensor, " edges"]
    by_class: Float[Tensor, " classes"]
    """Mean peak for each class; NaN where a class has no image."""
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
        """Per cent of the images to which the unit says less than `value`, to the width of a bin.

        Rounded down to a tenth, so that 100 means all of them.
        """
        if self.top and value > self.top[0].value:
            return 100.0
        most = 1 - 1 / max(self.images, 1)
        share = min(self._index.accumulator.histograms.share_below(self._number, value), most)
        return floor(1000 * share + 1e-6) / 10


@dataclass(frozen=True, eq=False)
class UnitIndex:
    """Every unit of some layers over some data.

    Attributes:
        layers: the places, in the order in which they run.
        tally: numbers of all units, layer after layer.
        classes: names of the data's classes.
        labels: class of each image.
        facts: what it was made from: network, data, images seen, versions.
        problems: files that could not be read, and are in no number here.
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
        """Which units of the tally belong to a layer.

        Raises:
            PlaceError: the layer is not in the index.
        """
        source = LayerAddress.parse(place).layer_text
        if source not in self._firsts:
            raise PlaceError("a layer of the index", received=source, hint=nearest(source, self._firsts))
        first, layer = self._firsts[source]
        return slice(first, first + layer.units)

    def layer(self, place: str | LayerAddress) -> IndexedLayer:
        """One of the layers; raises as `rows`."""
        self.rows(place)
        return self._firsts[LayerAddress.parse(place).layer_text][1]

    def entry(self, place: str | LayerAddress, most: int | None = None) -> UnitStatistics:
        """What is known of one unit, like `conv2:17`.

        Args:
            place: the unit.
            most: how many images at either end; all that are kept if left out.

        Raises:
            PlaceError: the layer is not in the index, or has no such unit.
        """
        place, rows, layer = LayerAddress.parse(place), self.rows(place), self.layer(place)
        if not isinstance(place.unit, int) or not 0 <= place.unit < layer.units:
            raise PlaceError(f"{layer.place} has units 0 to {layer.units - 1}", received=str(place))
        number, tally = rows.start + place.unit, self.accumulator
        return UnitStatistics(
            f"{layer.place}:{place.unit}",
            int(tally.images[number]),
            self._examples(number, layer, bottom=False)[:most],
            self._examples(number, layer, bottom=True)[:most],
            float(tally.mean[number]),
            float(tally.std[number]),
            float(tally.silent[number] / tally.images[number].clamp_min(1)),
            tally.histograms.counts[number].long(),
            tally.histograms.edges(number),
            tally.classes[:, number] / tally.members[:, number],
            bool(self.dead(layer.place)[place.unit]),
            bool(self.saturated(layer.place)[place.unit]),
            self,
            number,
        )

    def dead(self, place: str | LayerAddress) -> Tensor:
        """Which units never say anything: the same value always, or what a ReLU that reads them makes 0."""
        rows = self.rows(place)
        low, high, reader = self.accumulator.low[rows], self.accumulator.high[rows], self.layer(place).reader
        seen = self.accumulator.images[rows] > 0
        never = high <= FLAT[reader][0] if reader in ("relu", "relu6") else torch.zeros_like(seen)
        return seen & ((low == high) | never)

    def saturated(self, place: str | LayerAddress) -> Tensor:
        """Which units stay where the bounded activation function that reads them is flat (within 5%)."""
        rows, reader = self.rows(place), self.layer(place).reader
        low, high = self.accumulator.low[rows], self.accumulator.high[rows]
        if reader not in FLAT or reader == "relu":
            return torch.zeros(len(low), dtype=torch.bool)
        below, above = FLAT[reader]
        stopped = low >= above
        return stopped if reader == "relu6" else stopped | (high <= below)

    def _examples(self, number: int, layer: IndexedLayer, *, bottom: bool) -> tuple[Example, ...]:
        ends = self.accumulator.bottom if bottom else self.accumulator.top
        lines = zip(ends.values[number], ends.images[number], ends.flat_positions[number], strict=True)
        sign = -1.0 if bottom else 1.0
        return tuple(
            Example(int(i), int(self.labels[i]), sign * float(v), _position(int(s), layer.size))
            for v, i, s in lines
            if i >= 0
        )


def _position(spot: int, size: Sequence[int]) -> tuple[int, ...]:
    found: list[int] = []
    for extent in reversed(size):
        spot, at = divmod(spot, extent)
        found.insert(0, at)
    return tuple(found)


def weighted_layers(net: Net) -> tuple[str, ...]:
    """The layers that are indexed unless others are named: those that make units, and the result.

    That is, innermost modules with weights of two axes or more (convolutions, dense layers) at each of their
    calls, in the order in which they run; what stands there is before any normalisation and activation
    function, so that both ends of a unit's scale say something. Norms, activation functions, poolings and
    dropout hand on the same units and are left out, as are layers that fold parts of images into the batch. A
    network without such modules is indexed at every innermost layer.
    """
    shapes, modules = layer_shapes(net), dict(net.module.named_modules())
    names = [name for name in shapes if not any(other.startswith(f"{name}.") for other in shapes)]
    names = [name for name in names if name not in batch_changing_layers(net)]
    chosen = [name for name in names if name in modules and _makes_units(modules[name])]
    found = [place for name in chosen or names for place in _calls(name, shapes[name])]
    last = [place for place in _calls(RESULT, shapes[RESULT]) if place not in found]
    return (*found, *last)


def _makes_units(module: torch.nn.Module) -> bool:
    if isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag):
        return False
    return any(p.dim() >= 2 for p in module.parameters(recurse=False))


def _calls(name: str, calls: Sequence[Mapping[str, tuple[int, ...]]]) -> list[str]:
    """The places of a layer: each call, each part that has units."""
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
    """Whole layers with their sizes; the chosen ones, or `weighted_layers`, each once.

    Raises:
        PlaceError: a place is not in this network, or has no units.
    """
    asked = [LayerAddress.parse(place).layer_only for place in places] or [
        LayerAddress.parse(p) for p in weighted_layers(net)
    ]
    resolved = tuple(dict.fromkeys(resolve(net, place) for place in asked))
    readers, shapes, layers = activation_readers(net), layer_shapes(net), []
    for place in resolved:
        parts = shapes[place.layer][(place.call or 0) - 1]
        shape = next(iter(parts.values())) if place.key is None else parts[place.key]
        if not shape:
            raise PlaceError("a layer with units", received=f"{place}, a single number")
        layers.append(IndexedLayer(str(place), shape[0], tuple(shape[1:]), readers.get(str(place), "")))
    return resolved, tuple(layers)


def activation_readers(net: Net) -> dict[str, str]:
    """The kind of activation function with a stop that alone reads a layer, for layers where there is one."""
    try:
        graph = net.describe().graph
    except (ConvscopeError, RuntimeError, TypeError, ValueError):
        return {}
    kinds: dict[str, set[str]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            kinds.setdefault(name, set()).add(node.layer.kind)
    return {name: next(iter(kind)) for name, kind in kinds.items() if len(kind) == 1 and kind <= FLAT.keys()}
