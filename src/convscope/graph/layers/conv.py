"""Convolution layers."""

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import Layer, Window
from convscope.graph.options import Extent, Padding, flag, padding, per_axis, whole
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import WindowGeometry, fitting, spatial


def check_filters(layer: Any) -> None:
    """Check the options that convolution and transposed convolution share, and store extents as tuples.

    Args:
        layer: the layer that is being made.

    Raises:
        GraphError: an option is wrong, or `groups` does not divide `out_channels`.
    """
    whole(layer, "out_channels", "groups")
    per_axis(layer, layer.rank, "kernel_size", "stride", "dilation")
    flag(layer, "bias")
    if layer.out_channels % layer.groups:
        raise GraphError(
            f"{layer.kind}: out_channels that are a multiple of groups",
            received=f"out_channels={layer.out_channels}, groups={layer.groups}",
            hint=f"Choose a multiple of {layer.groups}, or other groups.",
        )


def grouped_channels(layer: Any, shape: Shape) -> int:
    """Return the number of input channels, and check that the groups divide it.

    Args:
        layer: the layer, with options `rank` and `groups`.
        shape: shape of the input, without batch axis.

    Returns:
        The number of input channels, of all groups together.

    Raises:
        GraphError: the number of axes is wrong, or `groups` does not divide the channels.
    """
    channels, _ = spatial(layer, layer.rank, shape)
    if channels % layer.groups:
        raise GraphError(
            f"{layer.kind}: in_channels that are a multiple of groups",
            received=f"in_channels={channels}, groups={layer.groups}",
            hint="Try groups=1.",
        )
    return channels


@dataclass(frozen=True)
class _Conv(Layer):
    """Options and arithmetic of convolutions; the number of spatial axes is `rank`."""

    out_channels: int
    kernel_size: Extent
    stride: Extent = 1
    padding: Padding = 0
    dilation: Extent = 1
    groups: int = 1
    bias: bool = True
    rank: ClassVar[int]
    positional = ("out_channels", "kernel_size")

    def __post_init__(self) -> None:
        check_filters(self)
        padding(self, self.rank)

    @property
    def sweep(self) -> WindowGeometry:
        """Geometry of the sliding kernel."""
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, self.dilation)

    @property
    @override
    def module(self) -> str:
        """PyTorch's module for symmetric padding, the package's own for asymmetric padding."""
        if self.sweep.symmetric:
            return self.implementation
        return f"convscope.nets.modules.same.Conv{self.rank}d"

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return `out_channels` and the output size along each axis."""
        grouped_channels(self, shapes[0])
        return (self.out_channels, *fitting(self, self.sweep.sizes(shapes[0][1:]), shapes[0][1:]))

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (out, in / groups, *kernel) and `bias` (out)."""
        weight = (self.out_channels, grouped_channels(self, shapes[0]) // self.groups, *self.sweep.kernel)
        return {"weight": weight} | ({"bias": (self.out_channels,)} if self.bias else {})

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the size of the kernel times the number of channels in a group."""
        return prod(self.parameters(*shapes)["weight"][1:])

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the number of outputs times the weights of one filter."""
        return prod(self.output_shape(*shapes)) * self.filter_weights(*shapes)

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows of the sliding kernel."""
        return (self.sweep.windows(shapes[0][1:]),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.Conv2d`; the package's own module takes another form of `padding`."""
        channels = {"in_channels": grouped_channels(self, shapes[0]), "out_channels": self.out_channels}
        rest = {"dilation": self.dilation, "groups": self.groups, "bias": self.bias}
        return channels | self.sweep.arguments() | rest


@dataclass(frozen=True)
class Conv1d(_Conv):
    """Convolution along one axis.

    Attributes:
        out_channels: number of filters.
        kernel_size: length of the kernel.
        stride: distance between neighbouring positions of the kernel.
        padding: one number, before and after `(left, right)`, or `"same"` as Keras has it.
        dilation: distance between neighbouring taps of the kernel.
        groups: number of groups of channels; a filter reads the input channels of its group.
        bias: whether each filter has a bias.
    """

    kind = "conv1d"
    implementation = "torch.nn.Conv1d"
    rank = 1


@dataclass(frozen=True)
class Conv2d(_Conv):
    """Convolution over height and width.

    Attributes:
        out_channels: number of filters.
        kernel_size: extent of the kernel: one number, or `(height, width)`.
        stride: distance between neighbouring positions of the kernel.
        padding: one number, `(height, width)`, `(top, bottom, left, right)`, or `"same"` as Keras has it.
        dilation: distance between neighbouring taps of the kernel.
        groups: number of groups of channels; a filter reads the input channels of its group.
        bias: whether each filter has a bias.
    """

    kind = "conv2d"
    implementation = "torch.nn.Conv2d"
    rank = 2
