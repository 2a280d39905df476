"""What a network costs: parameters, multiply-accumulates, memory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from convscope.graph.contract import Shape
from convscope.graph.graph import Graph
from convscope.graph.layers.foreign import Foreign

BYTES = 4
"""Of one value in single precision."""


@dataclass(frozen=True)
class LayerCost:
    """The cost of one layer, for one example.

    Attributes:
        parameters: trainable values.
        parameters_per_filter: weights of one filter without its bias, as people count them (9, 225); 0 for
            layers without filters, the largest filter's where they differ.
        macs: multiply-accumulates of convolutions, dense layers, attention, recurrent layers and every other
            kernel that adds products up; biases, activations, normalisation, pooling, interpolation and value
            by value arithmetic count as none.
        connections: multiply-accumulates and uses of biases, as LeNet-5's paper counts.
        activation_bytes: of the output, in single precision.
        uncounted: names of kernels whose multiply-accumulates are not in `macs`, for want of a formula.
    """

    name: str
    kind: str
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    parameters: int
    parameters_per_filter: int
    macs: int
    connections: int
    activation_bytes: int
    uncounted: tuple[str, ...] = ()

    @property
    def parameter_bytes(self) -> int:
        """Of everything that is trained, in single precision."""
        return BYTES * self.parameters


@dataclass(frozen=True)
class Totals:
    """Sums over all layers.

    Attributes:
        activation_bytes: of all outputs together, as training keeps them.
        uncounted: names of kernels whose multiply-accumulates are not in `macs`.
    """

    parameters: int
    macs: int
    connections: int
    activation_bytes: int
    parameter_bytes: int
    uncounted: tuple[str, ...] = ()


def costs(graph: Graph) -> tuple[LayerCost, ...]:
    """The cost of each layer, in the order of the graph."""
    return tuple(_cost(graph, node.name) for node in graph.nodes)


def _cost(graph: Graph, name: str) -> LayerCost:
    layer, shapes, output = graph[name].layer, graph.input_shapes(name), graph.shapes[name]
    parameters, macs = layer.parameters(*shapes), layer.macs(*shapes)
    return LayerCost(
        name=name,
        kind=layer.kind,
        input_shapes=shapes,
        output_shape=output,
        parameters=layer.parameter_count(*shapes),
        parameters_per_filter=layer.filter_weights(*shapes),
        macs=macs,
        connections=macs + (prod(output) if macs and "bias" in parameters else 0),
        activation_bytes=BYTES * prod(output),
        uncounted=layer.uncounted if isinstance(layer, Foreign) else (),
    )


def totals(rows: Iterable[LayerCost]) -> Totals:
    """The sums."""
    rows = tuple(rows)
    return Totals(
        parameters=sum(row.parameters for row in rows),
        macs=sum(row.macs for row in rows),
        connections=sum(row.connections for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
        parameter_bytes=sum(row.parameter_bytes for row in rows),
        uncounted=tuple(sorted({name for row in rows for name in row.uncounted})),
    )


def peak_bytes(graph: Graph) -> int:
    """Largest sum of activations alive at once in a forward pass that frees what nobody reads any more.

    In bytes, for one example in single precision; inputs are counted while they are read, parameters are not.
    """
    readers = Counter(source for node in graph.nodes for source in {*node.inputs})
    alive = {name: prod(shape) for name, shape in graph.inputs.items()}
    peak = sum(alive.values())
    for node in graph.nodes:
        alive[node.name] = prod(graph.shapes[node.name])
        peak = max(peak, sum(alive.values()))
        readers.subtract({*node.inputs})
        for name in (*node.inputs, node.name):
            if not readers[name] and name not in graph.outputs:
                alive.pop(name, None)
    return BYTES * peak
