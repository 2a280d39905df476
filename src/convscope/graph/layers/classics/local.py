"""Locally connected layers: windows as in a convolution, but with separate filters at every position."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from typing_extensions import override

from convscope.graph.layer import Layer, Window
from convscope.graph.options import Extent, Padding, flag, numbers, padding, per_axis, whole
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import WindowGeometry, fitting, spatial


@dataclass(frozen=True)
class _Local(Layer):
    """Options and arithmetic of locally connected layers; the number of spatial axes is `rank`."""

    out_channels: int
    kernel_size: Extent
    stride: Extent = 1
    padding: Padding = 0
    dilation: Extent = 1
    bias: bool = True
    rank: ClassVar[int]
    positional = ("out_channels", "kernel_size")

    def __post_init__(self) -> None:
        whole(self, "out_channels")
        per_axis(self, self.rank, "kernel_size", "stride", "dilation")
        padding(self, self.rank)
        flag(self, "bias")

    @property
    def sweep(self) -> WindowGeometry:
        """Geometry of the sliding window."""
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, self.dilation)

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return `out_channels` and the output size along each axis."""
        _, sizes = spatial(self, self.rank, shapes[0])
        return (self.out_channels, *fitting(self, self.sweep.sizes(sizes), sizes))

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (*positions, in * kernel, out), channel by channel, `bias` (*positions, out)."""
        positions = self.output_shape(*shapes)[1:]
        weight = {"weight": (*positions, self.filter_weights(*shapes), self.out_channels)}
        return weight | ({"bias": (*positions, self.out_channels)} if self.bias else {})

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the number of weights of one output at one position."""
        return shapes[0][0] * prod(numbers(self.kernel_size))

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the number of weights, each of which is used once."""
        return prod(self.output_shape(*shapes)) * self.filter_weights(*shapes)

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows of the sliding kernel."""
        return (self.sweep.windows(shapes[0][1:]),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the options, and the extents of the input, on which the number of weights depends."""
        channels, sizes = spatial(self, self.rank, shapes[0])
        return {"in_channels": channels, "input_size": sizes, **super().arguments(*shapes)}


@dataclass(frozen=True)
class Local1d(_Local):
    """Locally connected layer along one axis: a convolution without weight sharing.

    Weights are stored as in flax's `ConvLocal`.

    Attributes:
        out_channels: number of filters at each position.
        kernel_size: length of the window.
        stride: distance between neighbouring windows.
        padding: one number, before and after `(left, right)`, or `"same"` as Keras has it.
        dilation: distance between neighbouring taps of the window.
        bias: whether each filter at each position has a bias.
    """

    kind = "local1d"
    implementation = "convscope.nets.modules.local.Local1d"
    rank = 1


@dataclass(frozen=True)
class Local2d(_Local):
    """Locally connected layer over height and width: a convolution without weight sharing.

    Weights are stored as in flax's `ConvLocal`.

    Attributes:
        out_channels: number of filters at each position.
        kernel_size: extent of the window: one number, or `(height, width)`.
        stride: distance between neighbouring windows.
        padding: one number, `(height, width)`, `(top, bottom, left, right)`, or `"same"` as Keras has it.
        dilation: distance between neighbouring taps of the window.
        bias: whether each filter at each position has a bias.
    """

    kind = "local2d"
    implementation = "convscope.nets.modules.local.Local2d"
    rank = 2
