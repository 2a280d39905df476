"""Transposed convolution: the adjoint of a convolution, which enlarges feature maps."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from typing_extensions import override

from convscope.graph.layer import Layer, Window
from convscope.graph.layers.conv import check_filters, grouped_channels
from convscope.graph.options import Extent, numbers, per_axis, wrong
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import fitting


@dataclass(frozen=True)
class _ConvTranspose(Layer):
    """Options and arithmetic of transposed convolutions; the number of spatial axes is `rank`."""

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
            raise wrong(self, "output_padding", "numbers smaller than stride or dilation")

    def _axes(self) -> list[tuple[int, ...]]:
        """Return kernel, stride, padding, output padding and dilation of each axis."""
        options = (self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation)
        return list(zip(*map(numbers, options), strict=True))

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return `out_channels` and the output size along each axis.

        It is `(n - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1`.
        """
        grouped_channels(self, shapes[0])
        sizes = shapes[0][1:]
        grown = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + more + 1
            for n, (k, s, p, more, d) in zip(sizes, self._axes(), strict=True)
        )
        return (self.out_channels, *fitting(self, grown, sizes))

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (in, out / groups, *kernel) and `bias` (out)."""
        kernel = numbers(self.kernel_size)
        weight = (grouped_channels(self, shapes[0]), self.out_channels // self.groups, *kernel)
        return {"weight": weight} | ({"bias": (self.out_channels,)} if self.bias else {})

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the size of the kernel times the number of input channels in a group."""
        return grouped_channels(self, shapes[0]) // self.groups * prod(numbers(self.kernel_size))

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the number of input positions times the number of weights.

        Products that fall outside of the output, on its padding, are counted too.
        """
        return prod(shapes[0][1:]) * prod(self.parameters(*shapes)["weight"])

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows of the kernel over inputs spread out on a grid, `stride` positions apart."""
        return (tuple(Window(k, 1, p - d * (k - 1), d, up=s) for k, s, p, _, d in self._axes()),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.ConvTranspose2d`."""
        return {"in_channels": grouped_channels(self, shapes[0]), **super().arguments(*shapes)}


@dataclass(frozen=True)
class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution along one axis.

    Each input adds a copy of the kernel, scaled by its value, to the output; the copies lie `stride` apart.

    Attributes:
        out_channels: number of output channels.
        kernel_size: length of the kernel.
        stride: distance between neighbouring copies of the kernel in the output.
        padding: number of positions cut off at each end of the output.
        output_padding: number of positions added at the end of the output, below `stride` or `dilation`.
        groups: number of groups of channels.
        bias: whether each output channel has a bias.
        dilation: distance between neighbouring taps of the kernel.

    Source: Dumoulin and Visin 2016, chapter 4, arXiv:1603.07285.
    """

    kind = "convtranspose1d"
    implementation = "torch.nn.ConvTranspose1d"
    rank = 1


@dataclass(frozen=True)
class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over height and width.

    Each input adds a copy of the kernel, scaled by its value, to the output; the copies lie `stride` apart.

    Attributes:
        out_channels: number of output channels.
        kernel_size: extent of the kernel: one number, or `(height, width)`.
        stride: distance between neighbouring copies of the kernel in the output.
        padding: number of positions cut off at both ends of each axis of the output.
        output_padding: number of positions added at the end of each axis, below `stride` or `dilation`.
        groups: number of groups of channels.
        bias: whether each output channel has a bias.
        dilation: distance between neighbouring taps of the kernel.

    Source: Dumoulin and Visin 2016, chapter 4, arXiv:1603.07285.
    """

    kind = "convtranspose2d"
    implementation = "torch.nn.ConvTranspose2d"
    rank = 2
