"""Cost of a network: parameters, multiply-accumulates (MACs), activation memory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from convscope.graph.graph import Graph
from convscope.graph.layers.foreign import Foreign
from convscope.graph.spec import Shape

BYTES = 4
"""Size of one value in single precision."""


@dataclass(frozen=True)
class LayerCost:
    """The cost of one layer, for one example.

    Attributes:
        name: name of the layer in the graph.
        kind: kind of the layer, `conv2d`.
        input_shapes: shapes that the layer reads, without batch axis.
        output_shape: shape that it returns, without batch axis.
        parameters: number of trainable values.
        parameters_per_filter: weights of one filter without its bias, as people count them (9, 225); 0 for
            layers without filters, the largest filter's where they differ.
        macs: multiply-accumulates of convolutions, dense layers, attention, recurrent layers and every other
            kernel that adds products up; biases, activations, normalisation, pooling, interpolation and value
            by value arithmetic count as none.
        connections: multiply-accumulates and uses of biases, as LeNet-5's paper counts.
        activation_bytes: size of the output in single precision, in bytes.
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
        """Size of all trainable values in single precision, in bytes."""
        return BYTES * self.parameters


@dataclass(frozen=True)
class Totals:
    """Sums over all layers, for one example.

    Attributes:
        parameters: number of trainable values.
        macs: multiply-accumulates.
        connections: multiply-accumulates and uses of biases.
        activation_bytes: size of all outputs together, as training keeps them, in bytes of single precision.
        parameter_bytes: size of all trainable values, in bytes of single precision.
        uncounted: names of kernels whose multiply-accumulates are not in `macs`.
    """

    parameters: int
    macs: int
    connections: int
    activation_bytes: int
    parameter_bytes: int
    uncounted: tuple[str, ...] = ()


def costs(graph: Graph) -> tuple[LayerCost, ...]:
    """Return parameters, multiply-accumulates and memory of every layer.

    Args:
        graph: the network.

    Returns:
        One row for each layer, in the order of the graph.
    """
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
    """Return the sums of the costs of layers.

    Args:
        rows: what `costs` returns, or some of it.

    Returns:
        The sums; names of uncounted kernels are sorted, each once.
    """
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
    """Return the peak activation memory of a forward pass that frees each output after its last reader.

    It is the largest sum of activations that are alive at once. Inputs count until their last reader has run,
    outputs of the graph to the end; parameters do not count.

    Args:
        graph: the network.

    Returns:
        Bytes for one example in single precision.
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
