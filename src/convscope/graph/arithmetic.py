"""The lecture's arithmetic: why a convolution needs so few weights."""

from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

from convscope.errors import GraphError
from convscope.graph.contract import Shape
from convscope.graph.layers.conv import Conv1d, Conv2d
from convscope.graph.window_geometry import WindowGeometry


@dataclass(frozen=True)
class Cost:
    """Numbers to be learned, and connections to be computed.

    Attributes:
        weights: numbers on connections; connections that share one count once.
        biases: one for each output, or for each filter where it is shared.
        connections: multiplications for one example.
    """

    weights: int
    biases: int
    connections: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True)
class Comparison:
    """The same layer three ways.

    Attributes:
        dense: every output reads every input.
        local: every output reads its window, with weights of its own.
        shared: every output reads its window, with the weights of its filter: the convolution.
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
    """Positions of a kernel: `floor((size + before + after - dilation (kernel - 1) - 1) / stride) + 1`.

    Args:
        size: length of the axis.
        kernel_size: length of the kernel.
        stride: distance between positions.
        padding: zeros at each end, or `(before, after)`.
        dilation: distance between the taps of the kernel.
        ceil_mode: the last window may end beyond the input.

    Raises:
        GraphError: the kernel does not fit.
    """
    pads = (padding, padding) if isinstance(padding, int) else padding
    found = WindowGeometry((kernel_size,), (stride,), pads, (dilation,), ceil_mode).sizes((size,))[0]
    if found < 1:
        received = f"size={size}, kernel_size={kernel_size}, padding={pads}, dilation={dilation}"
        raise GraphError("a kernel that fits into the padded input", received=received)
    return found


def dense_cost(inputs: int | Shape, outputs: int | Shape, *, bias: bool = True) -> Cost:
    """A layer in which every output reads every input: 100x100x3 to 1000 takes 30,000,000 weights."""
    read, made = (n if isinstance(n, int) else prod(n) for n in (inputs, outputs))
    return Cost(read * made, made * bias, read * made)


def local_cost(inputs: Shape, layer: Conv1d | Conv2d) -> Cost:
    """The layer's windows with weights of their own at every position."""
    made, window = prod(layer.output_shape(inputs)), layer.filter_weights(inputs)
    return Cost(made * window, made * layer.bias, made * window)


def shared_cost(inputs: Shape, layer: Conv1d | Conv2d) -> Cost:
    """The convolution itself."""
    weights = layer.out_channels * layer.filter_weights(inputs)
    return Cost(weights, layer.out_channels * layer.bias, layer.macs(inputs))


def compare(inputs: Shape, layer: Conv1d | Conv2d) -> Comparison:
    """What a convolution costs, and what the same outputs would cost without sharing and without windows.

    One 3x3 filter on the 6x6 image of the lecture: 9 weights shared, 16 x 9 = 144 local, 36 x 16 = 576 dense.
    """
    dense = dense_cost(inputs, layer.output_shape(inputs), bias=layer.bias)
    return Comparison(dense, local_cost(inputs, layer), shared_cost(inputs, layer))


def mlp_cost(*widths: int, bias: bool = True) -> Cost:
    """Dense layers one after another: 100, 200, 200, 200 takes 100,000 weights."""
    layers = [dense_cost(read, made, bias=bias) for read, made in pairwise(widths)]
    return Cost(
        sum(c.weights for c in layers), sum(c.biases for c in layers), sum(c.connections for c in layers)
    )


def read_by(inputs: Shape, layer: Conv1d | Conv2d) -> tuple[tuple[int, ...], ...]:
    """For each output of one filter, the inputs it reads in each channel, counted from 1, row by row.

    That is the convolution seen as a dense layer with most connections cut. On the lecture's 6x6 image the
    first output of a 3x3 filter reads 1, 2, 3, 7, 8, 9, 13, 14, 15.
    """
    sizes, outputs = inputs[1:], layer.output_shape(inputs)[1:]
    windows = layer.sweep.windows(sizes)
    found = []
    for position in product(*map(range, outputs)):
        reads = [w.reads(k, n) for w, k, n in zip(windows, position, sizes, strict=True)]
        found.append(tuple(_row_major(place, sizes) + 1 for place in product(*reads)))
    return tuple(found)


def _row_major(place: tuple[int, ...], sizes: Shape) -> int:
    index = 0
    for k, n in zip(place, sizes, strict=True):
        index = index * n + k
    return index
