"""Max and average pooling, and softmax-weighted pooling between them: the M-layer of myCNN."""

from abc import abstractmethod
from dataclasses import asdict, dataclass
from math import prod
from typing import ClassVar

from typing_extensions import override

from convscope.graph.layer import Layer, Window
from convscope.graph.options import (
    Extent,
    Padding,
    Table,
    connections,
    existing_maps,
    flag,
    numbers,
    padding,
    per_axis,
    wrong,
)
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import WindowGeometry, fitting, spatial, times


@dataclass(frozen=True)
class _Pool(Layer):
    """Options and arithmetic of pooling; the number of spatial axes is `rank`."""

    kernel_size: Extent
    stride: Extent | None = None
    padding: Padding = 0
    rank: ClassVar[int]
    family = "pool"
    positional = ("kernel_size", "stride")

    def __post_init__(self) -> None:
        per_axis(self, self.rank, "kernel_size")
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel_size)
        per_axis(self, self.rank, "stride")
        padding(self, self.rank)
        flag(self, "ceil_mode")
        if isinstance(self.padding, str):
            return
        pads = self.sweep.pads((1,) * self.rank)
        if any(max(pad) * 2 > kernel for pad, kernel in zip(pads, self.sweep.kernel, strict=True)):
            raise wrong(self, "padding", f"at most half of the kernel {times(self.sweep.kernel)}")

    @property
    @abstractmethod
    def sweep(self) -> WindowGeometry:
        """Geometry of the sliding window."""

    @property
    @override
    def module(self) -> str:
        """PyTorch's module for symmetric padding, the package's own for asymmetric padding."""
        name = self.implementation.rpartition(".")[2]
        plain = self.sweep.symmetric and (self.padding != "same" or self.sweep.reach == self.sweep.kernel)
        return self.implementation if plain else f"convscope.nets.modules.same.{name}"

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels of the input and the output size along each axis."""
        channels, sizes = spatial(self, self.rank, shapes[0])
        return (channels, *fitting(self, self.sweep.sizes(sizes), sizes))

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows of the sliding kernel."""
        return (self.sweep.windows(shapes[0][1:]),)


@dataclass(frozen=True)
class _MaxPool(_Pool):
    """Options of max pooling."""

    dilation: Extent = 1
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        per_axis(self, self.rank, "dilation")
        super().__post_init__()

    @property
    @override
    def sweep(self) -> WindowGeometry:
        """Geometry of the sliding window."""
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.MaxPool2d`."""
        return self.sweep.arguments() | {"dilation": self.dilation, "ceil_mode": self.ceil_mode}


@dataclass(frozen=True)
class _AvgPool(_Pool):
    """Options of average pooling."""

    ceil_mode: bool = False
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        flag(self, "count_include_pad")
        super().__post_init__()

    @property
    @override
    def sweep(self) -> WindowGeometry:
        """Geometry of the sliding window."""
        ones = (1,) * self.rank
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, ones, self.ceil_mode)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.AvgPool2d`; padding of `"same"` never counts in the mean."""
        counted = self.count_include_pad and self.padding != "same"
        return self.sweep.arguments() | {"ceil_mode": self.ceil_mode, "count_include_pad": counted}


@dataclass(frozen=True)
class MaxPool1d(_MaxPool):
    """Max pooling along one axis; padding is never the maximum.

    Attributes:
        kernel_size: length of the window.
        stride: distance between neighbouring windows; `kernel_size` if None.
        padding: one number, before and after `(left, right)`, or `"same"` as Keras has it.
        dilation: distance between neighbouring positions in a window.
        ceil_mode: whether the last window may end beyond the input.
    """

    kind = "maxpool1d"
    implementation = "torch.nn.MaxPool1d"
    rank = 1


@dataclass(frozen=True)
class MaxPool2d(_MaxPool):
    """Max pooling over height and width; padding is never the maximum.

    Attributes:
        kernel_size: extent of the window: one number, or `(height, width)`.
        stride: distance between neighbouring windows; `kernel_size` if None.
        padding: one number, `(height, width)`, `(top, bottom, left, right)`, or `"same"` as Keras has it.
        dilation: distance between neighbouring positions in a window.
        ceil_mode: whether the last window may end beyond the input.
    """

    kind = "maxpool2d"
    implementation = "torch.nn.MaxPool2d"
    rank = 2


@dataclass(frozen=True)
class AvgPool1d(_AvgPool):
    """Average pooling along one axis.

    Attributes:
        kernel_size: length of the window.
        stride: distance between neighbouring windows; `kernel_size` if None.
        padding: one number, before and after `(left, right)`, or `"same"` as Keras has it.
        ceil_mode: whether the last window may end beyond the input.
        count_include_pad: whether padded zeros count in the mean, as in PyTorch. They never do with
            `padding="same"`.
    """

    kind = "avgpool1d"
    implementation = "torch.nn.AvgPool1d"
    rank = 1


@dataclass(frozen=True)
class AvgPool2d(_AvgPool):
    """Average pooling over height and width.

    Attributes:
        kernel_size: extent of the window: one number, or `(height, width)`.
        stride: distance between neighbouring windows; `kernel_size` if None.
        padding: one number, `(height, width)`, `(top, bottom, left, right)`, or `"same"` as Keras has it.
        ceil_mode: whether the last window may end beyond the input.
        count_include_pad: whether padded zeros count in the mean, as in PyTorch. They never do with
            `padding="same"`.
    """

    kind = "avgpool2d"
    implementation = "torch.nn.AvgPool2d"
    rank = 2


@dataclass(frozen=True)
class SoftPool2d(Layer):
    """Softmax-weighted pooling: `sum(x exp(w x)) / sum(exp(w x))` over each window, with a trained `w`.

    At `w = 0` it is the mean; for large `w` it tends to the maximum, for large negative `w` to the minimum.
    There is one `w` for each link between an input and an output map. An output map that reads several is the
    sum over its links.

    Attributes:
        kernel_size: extent of the window: one number, or `(height, width)`.
        stride: distance between neighbouring windows, which overlap where it is smaller; `kernel_size` if
            None.
        table: for each output map the input maps it reads, counted from 0; one output map for each input map
            if None. A chain writes it as `0+1/1+2/...`.

    Source: the layer M of Chumerin's myCNN; Asadi and Littman 2017, arXiv:1612.05628, equation 1 (the
        "Boltzmann softmax operator").
    """

    kernel_size: Extent = 2
    stride: Extent | None = None
    table: Table | None = None
    kind = "softpool2d"
    implementation = "convscope.nets.modules.pool.SoftPool2d"
    family = "pool"
    positional = ("kernel_size", "stride")

    def __post_init__(self) -> None:
        per_axis(self, 2, "kernel_size")
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel_size)
        per_axis(self, 2, "stride")
        if self.table is not None:
            connections(self, "table")

    @property
    def sweep(self) -> WindowGeometry:
        """Geometry of the sliding window."""
        return WindowGeometry.of(self.kernel_size, self.stride, (0, 0), (1, 1))

    def links(self, channels: int) -> int:
        """Return the number of links.

        Args:
            channels: number of input maps.

        Returns:
            That of the table, or `channels` without one.
        """
        return channels if self.table is None else sum(map(len, self.table))

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return one channel for each row of the table, and the output size along each axis."""
        channels, sizes = spatial(self, 2, shapes[0])
        if self.table is not None:
            existing_maps(self, self.table, channels)
        maps = channels if self.table is None else len(self.table)
        return (maps, *fitting(self, self.sweep.sizes(sizes), sizes))

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (links,), one `w` for each link in the table's order."""
        return {"weight": (self.links(shapes[0][0]),)}

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the most links of one output map."""
        return 1 if self.table is None else max(map(len, self.table))

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the number of weighted inputs in all windows of all links."""
        windows = prod(self.output_shape(*shapes)[1:])
        return windows * self.links(shapes[0][0]) * prod(numbers(self.kernel_size))

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows of the sliding window."""
        return (self.sweep.windows(shapes[0][1:]),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the options and the number of input channels."""
        return {"channels": shapes[0][0], **asdict(self)}
