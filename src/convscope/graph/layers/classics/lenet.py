"""Layers that only LeNet-5 uses: partially connected convolution, trainable subsampling, RBF outputs.

Source: LeCun et al. 1998, Gradient-based learning applied to document recognition, section II.B.
"""

from dataclasses import asdict, dataclass
from math import prod
from typing import ClassVar

from typing_extensions import override

from convscope.graph.layer import Layer, Window
from convscope.graph.layers.dense import features
from convscope.graph.options import Extent, Table, connections, existing_maps, numbers, per_axis, whole
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import WindowGeometry, fitting, spatial

C3: Table = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)
"""Which of the 6 maps of S2 each of the 16 maps of C3 reads: 60 of 96 possible links. Source: table I."""


@dataclass(frozen=True)
class PartialConv2d(Layer):
    """Convolution over height and width whose output channels read only some of the input channels.

    Attributes:
        kernel_size: extent of the kernel: one number, or `(height, width)`.
        stride: distance between neighbouring positions of the kernel.
        padding: zeros at both ends of each axis: one number, or `(height, width)`.
        table: for each output channel the input channels it reads, counted from 0; LeNet-5's C3 if not given.
            A chain writes it as `0+1+2/1+2+3/...`.
    """

    kernel_size: Extent
    stride: Extent = 1
    padding: Extent = 0
    table: Table = C3
    kind = "partialconv2d"
    implementation = "convscope.nets.modules.classics.lenet.PartialConv2d"
    positional = ("kernel_size",)
    rank: ClassVar[int] = 2

    def __post_init__(self) -> None:
        per_axis(self, 2, "kernel_size", "stride")
        per_axis(self, 2, "padding", least=0)
        connections(self, "table")

    @property
    def sweep(self) -> WindowGeometry:
        """Geometry of the sliding kernel."""
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, (1, 1))

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return one channel for each row of the table, and the output size along each axis."""
        channels, sizes = spatial(self, 2, shapes[0])
        existing_maps(self, self.table, channels)
        return (len(self.table), *fitting(self, self.sweep.sizes(sizes), sizes))

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `links` (link, *kernel), one kernel for each link in the table's order, and `bias` (out)."""
        links = sum(map(len, self.table))
        return {"links": (links, *numbers(self.kernel_size)), "bias": (len(self.table),)}

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the size of the kernel times the most input channels that one filter reads."""
        return max(map(len, self.table)) * prod(numbers(self.kernel_size))

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the number of multiplications over the links of the table."""
        links = sum(map(len, self.table))
        return prod(self.output_shape(*shapes)[1:]) * links * prod(numbers(self.kernel_size))

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows of the sliding kernel."""
        return (self.sweep.windows(shapes[0][1:]),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the options, `in_channels` and `out_channels`."""
        return {"in_channels": shapes[0][0], "out_channels": len(self.table), **asdict(self)}


@dataclass(frozen=True)
class Subsample(Layer):
    """Trainable subsampling: the sum of each window, times a coefficient, plus a bias, both per channel.

    Attributes:
        kernel_size: extent of the window: one number, or `(height, width)`.
        stride: distance between neighbouring windows; `kernel_size` if None.
    """

    kernel_size: Extent = 2
    stride: Extent | None = None
    kind = "subsample"
    implementation = "convscope.nets.modules.classics.lenet.Subsample"
    positional = ("kernel_size", "stride")

    def __post_init__(self) -> None:
        per_axis(self, 2, "kernel_size")
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel_size)
        per_axis(self, 2, "stride")

    @property
    def sweep(self) -> WindowGeometry:
        """Geometry of the sliding window."""
        return WindowGeometry.of(self.kernel_size, self.stride, (0, 0), (1, 1))

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels of the input and the output size along each axis."""
        channels, sizes = spatial(self, 2, shapes[0])
        return (channels, *fitting(self, self.sweep.sizes(sizes), sizes))

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (the coefficient) and `bias`, one for each channel."""
        return {"weight": shapes[0][:1], "bias": shapes[0][:1]}

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return 1, the coefficient."""
        return 1

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the number of inputs in all windows, as in the paper's count of connections."""
        return prod(self.output_shape(*shapes)) * prod(numbers(self.kernel_size))

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows of the sliding kernel."""
        return (self.sweep.windows(shapes[0][1:]),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the options and the number of channels."""
        return {"channels": shapes[0][0], **asdict(self)}


@dataclass(frozen=True)
class RBF(Layer):
    """Radial basis functions: minus the squared distance of the input to a fixed pattern for each class.

    The patterns are data and not trained.

    Attributes:
        out_features: number of classes.
    """

    out_features: int
    kind = "rbf"
    implementation = "convscope.nets.modules.classics.lenet.RBF"
    positional = ("out_features",)
    numbered = False

    def __post_init__(self) -> None:
        whole(self, "out_features")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return `(out_features,)`."""
        features(self, shapes[0])
        return (self.out_features,)

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the number of squared differences: inputs times classes."""
        return self.out_features * features(self, shapes[0])

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return `in_features` and `out_features`."""
        return {"in_features": features(self, shapes[0]), "out_features": self.out_features}
