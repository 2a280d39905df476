"""What one unit computes at one position: the values in its window, its weights, their sum, what follows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convscope.errors import PlaceError, UsageError
from convscope.graph.analysis.readers import ACTIVATIONS, NORMALISATIONS, elementwise_readers
from convscope.graph.graph import Graph
from convscope.graph.layer import Layer
from convscope.nets import LayerAddress, Net, describe, layer_shapes, record, resolve, takes_network
from convscope.nets.activations.tree import before, tree_leaves
from convscope.recipe.result import Result
from convscope.worlds import InputLike, open_inputs

CONVOLUTIONS = ("conv1d", "conv2d")
MAXIMA, MEANS = ("maxpool1d", "maxpool2d"), ("avgpool1d", "avgpool2d")
CLOSE = 1e-3
"""Largest deviation of the sum from the layer's own value, relative to the sum of the terms' magnitudes."""


@dataclass(frozen=True)
class FollowingLayer:
    """A layer that reads the unit alone, and what it makes of its value.

    Attributes:
        layer: its name.
        kind: its kind.
        value: its output at the same unit and position.
    """

    layer: str
    kind: str
    value: float


@dataclass(frozen=True, eq=False)
class UnitTerms(Result):
    """The computation of one unit at one position for one input.

    Attributes:
        address: the unit's, with its position where the layer has some.
        kind: kind of the layer.
        window: the values that it reads, `[c *kernel]`; 0 in the padding. One value for an activation
            function, all values for a dense layer, `[c]`.
        weights: what they are multiplied by, of the same shape; None for poolings and activation functions.
            Batch normalisation multiplies by one number.
        bias: the bias, or what batch normalisation adds; None without one.
        value: what the layer returns there.
        taps: for each axis the positions of the layer before it that are read; those outside are padding.
        channels: first channel that is read, and the one after the last.
        following: the activation function and normalisation behind it, in their order.
    """

    address: str
    kind: str
    window: Float[Tensor, "c *kernel"]
    weights: Float[Tensor, "c *kernel"] | None
    bias: float | None
    value: float
    taps: tuple[tuple[int, ...], ...]
    channels: tuple[int, int]
    following: tuple[FollowingLayer, ...]

    @property
    def products(self) -> Float[Tensor, "c *kernel"]:
        """Value times weight of each term; the values themselves without weights."""
        return self.window if self.weights is None else self.window * self.weights

    @property
    def total(self) -> float:
        """Sum of the products, without the bias."""
        return float(self.products.double().sum())


@takes_network
def unit_terms(net: Net, image: InputLike | Sequence[InputLike], place: str | LayerAddress) -> UnitTerms:
    """Return the terms of which one unit's value at one position is made.

    The values are those that the layer was given in a forward pass: normalised, where it reads the input.

    Args:
        net: any network, or its name.
        image: one input, as `worlds.open_inputs` takes it.
        place: one unit, such as `conv2:7@3,4`; without a position that of its largest value.

    Returns:
        The window, the weights, and the values.

    Raises:
        PlaceError: there is no such unit.
        UsageError: the layer is no convolution, dense layer, pooling, batch normalisation or activation
            function, or its weights are computed anew in each pass, so that its value is not this sum.
    """
    inputs = open_inputs(image, net.input_specs)
    wanted = resolve(net, place)
    if wanted.unit is None:
        raise PlaceError("one unit, like conv2:7@3,4", received=str(place))
    graph = describe(net).graph
    layer, shape = _layer(graph, wanted)
    shapes = layer_shapes(net)
    after = [node for node in elementwise_readers(graph, wanted.layer) if node.name in shapes]
    with torch.no_grad(), _input_of(net, wanted) as given:
        found = record(net, inputs, [wanted.layer_only, *(LayerAddress(node.name) for node in after)])
    acts = {address.layer: act[0] for address, act in found.items()}
    read = given[(wanted.call or len(given)) - 1][0]
    wanted = _positioned(wanted, acts[wanted.layer])
    made = _terms(net, layer, shape, read.float().cpu(), wanted)
    following = tuple(
        FollowingLayer(node.name, node.layer.kind, _value(acts[node.name], wanted)) for node in after
    )
    terms = replace(made, value=_value(acts[wanted.layer], wanted), following=following)
    return _checked(terms)


def _layer(graph: Graph, place: LayerAddress) -> tuple[Layer, tuple[int, ...]]:
    """Return the kind of a layer and the shape of its input."""
    node = next((node for node in graph.nodes if node.name == place.layer), None)
    kinds = (*CONVOLUTIONS, "dense", *MAXIMA, *MEANS, *ACTIVATIONS, *NORMALISATIONS)
    if node is None or node.layer.kind not in kinds or len(node.inputs) != 1:
        raise UsageError(
            "a unit of a convolution, dense layer, pooling, batch normalisation or activation function",
            received=f"{place}, of {node.layer.kind if node else 'a block'}",
            hint="Choose a layer inside it, or before it.",
        )
    return node.layer, graph.input_shapes(node.name)[0]


@contextmanager
def _input_of(net: Net, place: LayerAddress) -> Iterator[list[Tensor]]:
    """Collect what a layer is given in each of its calls."""
    given: list[Tensor] = []

    def hook(_module: nn.Module, inputs: Any) -> None:
        given.extend(tensor.detach().clone() for _, tensor in list(tree_leaves(inputs))[:1])

    handle = before(net.module.get_submodule(place.layer), hook)
    try:
        yield given
    finally:
        handle.remove()


def _positioned(place: LayerAddress, act: Tensor) -> LayerAddress:
    """Return the address with a position: by default that of the largest value."""
    if place.position is not None or act.dim() == 1:
        return place
    chosen = act[int(place.unit or 0)]
    spot = torch.unravel_index(chosen.argmax(), chosen.shape)
    return replace(place, position=tuple(int(index) for index in spot))


def _value(act: Tensor, place: LayerAddress) -> float:
    return float(act[(int(place.unit or 0), *(place.position or ()))])


def _terms(net: Net, layer: Layer, shape: tuple[int, ...], read: Tensor, place: LayerAddress) -> UnitTerms:
    """Return the terms, without the values of the layers."""
    module, unit = net.module.get_submodule(place.layer), int(place.unit or 0)
    parameters = {
        name: value.detach().float().cpu() for name, value in module.named_parameters(recurse=False)
    }
    weight, bias = parameters.get("weight"), parameters.get("bias")
    constant = None if bias is None else float(bias[unit])
    if layer.kind == "dense":
        row = read if read.dim() == 1 else read[place.position or ...]
        weights = None if weight is None else weight[unit]
        return UnitTerms(str(place), layer.kind, row, weights, constant, 0.0, (), (0, len(row)), ())
    windows = layer.windows(tuple(read.shape) if len(read.shape) == len(shape) else shape)[0]
    at = zip(windows, place.position or (), strict=True)
    taps = tuple((k,) if window is None else tuple(window.taps(k)) for window, k in at)
    if layer.kind in CONVOLUTIONS and weight is not None:
        size = weight.shape[1]
        first = unit // (len(weight) // (len(read) // size)) * size
        channels, weights = (first, first + size), weight[unit]
    else:
        channels, weights, constant = (unit, unit + 1), None, None
        if layer.kind in NORMALISATIONS:
            weights, constant = _scale_and_shift(module, unit, len(taps))
    window = _gather(read[channels[0] : channels[1]], taps)
    return UnitTerms(str(place), layer.kind, window, weights, constant, 0.0, taps, channels, ())


def _scale_and_shift(module: nn.Module, unit: int, axes: int) -> tuple[Tensor, float]:
    """Return by what batch normalisation multiplies a value, `[1 ...]`, and what it adds.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 2.
    """
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    one = {name: float(values.detach()[unit]) for name, values in held.items() if values.dim() == 1}
    scale = one.get("weight", 1.0) / (one["running_var"] + float(getattr(module, "eps", 0.0))) ** 0.5
    shift = one.get("bias", 0.0) - scale * one["running_mean"]
    return torch.full((1,) * (axes + 1), scale), shift


def _gather(read: Tensor, taps: Sequence[Sequence[int]]) -> Tensor:
    """Return the values at the taps, `[c *taps]`; 0 outside."""
    for axis, positions in enumerate(taps, start=1):
        index = torch.tensor(positions)
        inside = (index >= 0) & (index < read.shape[axis])
        shape = [-1 if a == axis else 1 for a in range(read.dim())]
        read = read.index_select(axis, index.clamp(0, read.shape[axis] - 1)) * inside.view(shape)
    return read


def _checked(terms: UnitTerms) -> UnitTerms:
    """Refuse terms of which the layer's value is not made: its weights are others in each pass."""
    if terms.weights is not None:
        difference = abs(terms.total + (terms.bias or 0.0) - terms.value)
        if difference > CLOSE * (float(terms.products.abs().sum()) + abs(terms.bias or 0.0) + 1e-6):
            raise UsageError(
                "a layer that multiplies by its own weights",
                received=f"{terms.address}, whose value is another by {difference:.3g}",
                hint="Its weights or its padding are computed in each pass: choose another layer.",
            )
    return terms
