"""Convolution."""

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from convscope.errors import GraphError
from convscope.graph.contract import Shape
from convscope.graph.layer import Layer, Window
from convscope.graph.options import Extent, Padding, flag, padding, per_axis, whole
from convscope.graph.window_geometry import WindowGeometry, fitting, spatial


def check_filters(layer: Any) -> None:
    """The options that convolutions and transposed ones share; `GraphError` where one is wrong."""
    whole(layer, "out_channels", "groups")
    per_axis(layer, layer.rank, "kernel_size", "stride", "dilation")
    flag(layer, "bias")
    if layer.out_channels % layer.groups:
        raise GraphError(
            f"{layer.kind}: out_channels divides by groups",
            received=f"out_channels={layer.out_channels}, groups={layer.groups}",
        )


def grouped_channels(layer: Any, shape: Shape) -> int:
    """The channels of what comes in; `GraphError` where the groups cannot share them out."""
    channels, _ = spatial(layer, layer.rank, shape)
    if channels % layer.groups:
        raise GraphError(
            f"{layer.kind}: in_channels divides by groups",
            received=f"in_channels={channels}, groups={layer.groups}",
            hint="Try groups=1.",
        )
    return channels


@dataclass(frozen=True)
class _Conv(Layer):
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
        """How the kernel moves."""
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, self.dilation)

    @property
    def module(self) -> str:
        """PyTorch's own where both ends are padded alike, ours where they are not."""
        if self.sweep.symmetric:
            return self.implementation
        return f"convscope.nets.modules.same.Conv{self.rank}d"

    def output_shape(self, *shapes: Shape) -> Shape:
        """Output channels, and what the sweep leaves of the space."""
        grouped_channels(self, shapes[0])
        return (self.out_channels, *fitting(self, self.sweep.sizes(shapes[0][1:]), shapes[0][1:]))

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """`weight` (out, in / groups, *kernel) and `bias` (out)."""
        weight = (self.out_channels, grouped_channels(self, shapes[0]) // self.groups, *self.sweep.kernel)
        return {"weight": weight} | ({"bias": (self.out_channels,)} if self.bias else {})

    def filter_weights(self, *shapes: Shape) -> int:
        """The kernel in every channel that the filter reads."""
        return prod(self.parameters(*shapes)["weight"][1:])

    def macs(self, *shapes: Shape) -> int:
        """Every output is one filter's worth of multiplications."""
        return prod(self.output_shape(*shapes)) * self.filter_weights(*shapes)

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """The sweep's."""
        return (self.sweep.windows(shapes[0][1:]),)

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """As `torch.nn.Conv2d`; for our own module `padding` is `"same"` or (top, bottom, left, right)."""
        channels = {"in_channels": grouped_channels(self, shapes[0]), "out_channels": self.out_channels}
        rest = {"dilation": self.dilation, "groups": self.groups, "bias": self.bias}
        return channels | self.sweep.arguments() | rest


@dataclass(frozen=True)
class Conv1d(_Conv):
    """Filters that slide along one axis.

    Attributes:
        padding: one number, before and after `(left, right)`, or `"same"` as Keras has it.
    """

    kind = "conv1d"
    implementation = "torch.nn.Conv1d"
    rank = 1


@dataclass(frozen=True)
class Conv2d(_Conv):
    """Filters that slide over height and width.

    Attributes:
        padding: one number, `(height, width)`, `(top, bottom, left, right)`, or `"same"` as Keras has it.
    """

    kind = "conv2d"
    implementation = "torch.nn.Conv2d"
    rank = 2
