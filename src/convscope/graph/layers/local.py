"""Locally connected: windows as in a convolution, but every position has filters of its own."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from convscope.graph.contract import Shape
from convscope.graph.layer import Layer, Window
from convscope.graph.options import Extent, Padding, flag, numbers, padding, per_axis, whole
from convscope.graph.window_geometry import WindowGeometry, fitting, spatial


@dataclass(frozen=True)
class _Local(Layer):
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
        """How the window moves."""
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, self.dilation)

    def output_shape(self, *shapes: Shape) -> Shape:
        """Output channels, and what the sweep leaves of the space."""
        _, sizes = spatial(self, self.rank, shapes[0])
        return (self.out_channels, *fitting(self, self.sweep.sizes(sizes), sizes))

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """`weight` (*positions, in * kernel, out), channel by channel, and `bias` (*positions, out)."""
        positions = self.output_shape(*shapes)[1:]
        weight = {"weight": (*positions, self.filter_weights(*shapes), self.out_channels)}
        return weight | ({"bias": (*positions, self.out_channels)} if self.bias else {})

    def filter_weights(self, *shapes: Shape) -> int:
        """The weights of one output at one position."""
        return shapes[0][0] * prod(numbers(self.kernel_size))

    def macs(self, *shapes: Shape) -> int:
        """Every weight is used once."""
        return prod(self.output_shape(*shapes)) * self.filter_weights(*shapes)

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """The sweep's."""
        return (self.sweep.windows(shapes[0][1:]),)

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Options, with the extents that fix how many weights there are."""
        channels, sizes = spatial(self, self.rank, shapes[0])
        return {"in_channels": channels, "input_size": sizes, **super().arguments(*shapes)}


@dataclass(frozen=True)
class Local1d(_Local):
    """A convolution along one axis without weight sharing. Weights lie as in flax's `ConvLocal`."""

    kind = "local1d"
    implementation = "convscope.nets.modules.local.Local1d"
    rank = 1


@dataclass(frozen=True)
class Local2d(_Local):
    """A convolution without weight sharing. Weights lie as in flax's `ConvLocal`."""

    kind = "local2d"
    implementation = "convscope.nets.modules.local.Local2d"
    rank = 2
