"""Transposed convolution: the adjoint of a convolution, which makes maps larger."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from convscope.graph.contract import Shape
from convscope.graph.layer import Layer, Window
from convscope.graph.layers.conv import check_filters, grouped_channels
from convscope.graph.options import Extent, numbers, per_axis, wrong
from convscope.graph.window_geometry import fitting


@dataclass(frozen=True)
class _ConvTranspose(Layer):
    out_channels: int
    kernel_size: Extent
    stride: Extent = 1
    padding: Extent = 0
    output_padding: Extent = 0
    groups: int = 1
    bias: bool = True
    dilation: Extent = 1
    rank: ClassVar[int]
    positional = ("out_channels", "kernel_size")

    def __post_init__(self) -> None:
        check_filters(self)
        per_axis(self, self.rank, "padding", "output_padding", least=0)
        extra = zip(numbers(self.output_padding), numbers(self.stride), numbers(self.dilation), strict=True)
        if any(more >= max(stride, dilation) for more, stride, dilation in extra):
            raise wrong(self, "output_padding", "smaller than stride or dilation")

    def _axes(self) -> list[tuple[int, ...]]:
        options = (self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation)
        return list(zip(*map(numbers, options), strict=True))

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(n - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1` along each axis."""
        grouped_channels(self, shapes[0])
        sizes = shapes[0][1:]
        grown = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + more + 1
            for n, (k, s, p, more, d) in zip(sizes, self._axes(), strict=True)
        )
        return (self.out_channels, *fitting(self, grown, sizes))

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """`weight` (in, out / groups, *kernel) and `bias` (out)."""
        kernel = numbers(self.kernel_size)
        weight = (grouped_channels(self, shapes[0]), self.out_channels // self.groups, *kernel)
        return {"weight": weight} | ({"bias": (self.out_channels,)} if self.bias else {})

    def filter_weights(self, *shapes: Shape) -> int:
        """The kernel in every channel that the filter reads."""
        return grouped_channels(self, shapes[0]) // self.groups * prod(numbers(self.kernel_size))

    def macs(self, *shapes: Shape) -> int:
        """Every input meets every weight of its channel; what falls on the padding is counted too."""
        return prod(shapes[0][1:]) * prod(self.parameters(*shapes)["weight"])

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Inputs lie `stride` apart under the kernel."""
        return (tuple(Window(k, 1, p - d * (k - 1), d, up=s) for k, s, p, _, d in self._axes()),)

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """As `torch.nn.ConvTranspose2d`."""
        return {"in_channels": grouped_channels(self, shapes[0]), **super().arguments(*shapes)}


@dataclass(frozen=True)
class ConvTranspose1d(_ConvTranspose):
    """Each input puts a scaled copy of the kernel into the output, `stride` apart; overlapping copies add up.

    Source: Dumoulin and Visin 2016, chapter 4, arXiv:1603.07285.
    """

    kind = "convtranspose1d"
    implementation = "torch.nn.ConvTranspose1d"
    rank = 1


@dataclass(frozen=True)
class ConvTranspose2d(_ConvTranspose):
    """Each input puts a scaled copy of the kernel into the output, `stride` apart; overlapping copies add up.

    Source: Dumoulin and Visin 2016, chapter 4, arXiv:1603.07285.
    """

    kind = "convtranspose2d"
    implementation = "torch.nn.ConvTranspose2d"
    rank = 2
