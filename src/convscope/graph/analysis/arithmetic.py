"""Cost of convolution against locally connected and dense layers: why a convolution needs few weights."""

from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

from convscope.errors import GraphError
from convscope.graph.layers.conv import Conv1d, Conv2d
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import WindowGeometry


@dataclass(frozen=True)
class Cost:
    """Number of trainable values, and of multiplications, of one layer.

    Attributes:
        weights: number of weights; a weight that several connections share counts once.
        biases: one for each output, or one for each filter where positions share it.
        connections: multiplications for one example, without biases.
    """

    weights: int
    biases: int
    connections: int

    @property
    def parameters(self) -> int:
        """Number of trainable values: weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True)
class CostComparison:
    """The costs of three layers with the same input and output shapes.

    Attributes:
        dense: fully connected: every output reads every input.
        local: locally connected: every output reads its window, with weights of its own.
        shared: the convolution: every output reads its window, with the weights of its filter.
    """

    dense: Cost
    local: Cost
    shared: Cost


def output_size(
    size: int,
    kernel_size: int,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
    *,
    ceil_mode: bool = False,
) -> int:
    """Return the output size of a convolution or pooling along one axis.

    It is `floor((size + before + after - dilation (kernel_size - 1) - 1) / stride) + 1`.

    Args:
        size: length of the axis, in positions.
        kernel_size: length of the kernel.
        stride: distance between neighbouring positions of the kernel.
        padding: number of zeros at each end, or `(before, after)`.
        dilation: distance between neighbouring taps of the kernel.
        ceil_mode: round up instead of down: the last window may end beyond the padded input.

    Returns:
        The number of positions of the kernel, at least 1.

    Raises:
        GraphError: the kernel does not fit into the padded input.
    """
    pads = (padding, padding) if isinstance(padding, int) else padding
    found = WindowGeometry((kernel_size,), (stride,), pads, (dilation,), ceil_mode).sizes((size,))[0]
    if found < 1:
        received = f"size={size}, kernel_size={kernel_size}, padding={pads}, dilation={dilation}"
        raise GraphError(
            "a kernel that fits into the padded input",
            received=received,
            hint="Take a smaller kernel, more padding, or a larger input (--size).",
        )
    return found


def dense_cost(inputs: int | Shape, outputs: int | Shape, *, bias: bool = True) -> Cost:
    """Return the cost of a fully connected layer, in which every output reads every input.

    From 100x100x3 to 1000 it has 30,000,000 weights.

    Args:
        inputs: number of inputs, or their shape without batch axis.
        outputs: number of outputs, or their shape without batch axis.
        bias: whether every output has a bias.

    Returns:
        Weights, biases and multiplications of the layer.
    """
    sources, targets = (n if isinstance(n, int) else prod(n) for n in (inputs, outputs))
    return Cost(sources * targets, targets * bias, sources * targets)


def local_cost(inputs: Shape, layer: Conv1d | Conv2d) -> Cost:
    """Return the cost of a locally connected layer: the windows of a convolution, without weight sharing.

    Args:
        inputs: shape of the input, `(channels, *spatial)`.
        layer: the convolution that gives windows, channels and bias.

    Returns:
        The cost, with a filter and a bias of its own for every output.

    Raises:
        GraphError: the layer cannot take this shape.
    """
    made, window = prod(layer.output_shape(inputs)), layer.filter_weights(inputs)
    return Cost(made * window, made * layer.bias, made * window)


def shared_cost(inputs: Shape, layer: Conv1d | Conv2d) -> Cost:
    """Return the cost of a convolution, whose positions share the weights of each filter.

    Args:
        inputs: shape of the input, `(channels, *spatial)`.
        layer: the convolution.

    Returns:
        The cost, with one filter and one bias for each output channel.

    Raises:
        GraphError: the layer cannot take this shape.
    """
    weights = layer.out_channels * layer.filter_weights(inputs)
    return Cost(weights, layer.out_channels * layer.bias, layer.macs(inputs))


def compare(inputs: Shape, layer: Conv1d | Conv2d) -> CostComparison:
    """Compare the cost of a convolution with those of a locally connected and a dense layer.

    All three have the same outputs. One 3x3 filter on the 6x6 image of the lecture: 9 weights shared, 16 x 9
    = 144 local, 36 x 16 = 576 dense.

    Args:
        inputs: shape of the input, `(channels, *spatial)`.
        layer: the convolution.

    Returns:
        The three costs; all have a bias where the convolution has one.

    Raises:
        GraphError: the layer cannot take this shape.
    """
    dense = dense_cost(inputs, layer.output_shape(inputs), bias=layer.bias)
    return CostComparison(dense, local_cost(inputs, layer), shared_cost(inputs, layer))


def mlp_cost(*widths: int, bias: bool = True) -> Cost:
    """Return the cost of a multilayer perceptron: dense layers one after another.

    Widths of 100, 200, 200, 200 take 100,000 weights.

    Args:
        *widths: number of inputs, then number of outputs of each layer.
        bias: whether every output of every layer has a bias.

    Returns:
        The sums over all layers; zeros for fewer than two widths.
    """
    layers = [dense_cost(read, made, bias=bias) for read, made in pairwise(widths)]
    return Cost(
        sum(c.weights for c in layers), sum(c.biases for c in layers), sum(c.connections for c in layers)
    )


def read_by(inputs: Shape, layer: Conv1d | Conv2d) -> tuple[tuple[int, ...], ...]:
    """Return the inputs that each output of a convolution reads: its connections as a sparse dense layer.

    On the lecture's 6x6 image the first output of a 3x3 filter reads 1, 2, 3, 7, 8, 9, 13, 14, 15.

    Args:
        inputs: shape of the input, `(channels, *spatial)`.
        layer: the convolution.

    Returns:
        For each output position of one filter, in row-major order, the positions it reads in each input
        channel, counted from 1, in row-major order; padding is left out.

    Raises:
        GraphError: the layer cannot take this shape.
    """
    sizes, outputs = inputs[1:], layer.output_shape(inputs)[1:]
    windows = layer.sweep.windows(sizes)
    found = []
    for position in product(*map(range, outputs)):
        reads = [w.reads(k, n) for w, k, n in zip(windows, position, sizes, strict=True)]
        found.append(tuple(_row_major(place, sizes) + 1 for place in product(*reads)))
    return tuple(found)


def _row_major(place: tuple[int, ...], sizes: Shape) -> int:
    """Return the flat index of a position in an array of the given sizes, last axis fastest."""
    index = 0
    for k, n in zip(place, sizes, strict=True):
        index = index * n + k
    return index
