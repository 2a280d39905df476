"""Max and average pooling."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from convscope.graph.contract import Shape
from convscope.graph.layer import Layer, Window
from convscope.graph.options import Extent, Padding, flag, padding, per_axis, wrong
from convscope.graph.window_geometry import WindowGeometry, fitting, spatial, times


@dataclass(frozen=True)
class _Pool(Layer):
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
        """How the window moves."""

    @property
    def module(self) -> str:
        """PyTorch's own where both ends are padded alike, ours where they are not."""
        name = self.implementation.rpartition(".")[2]
        plain = self.sweep.symmetric and (self.padding != "same" or self.sweep.reach == self.sweep.kernel)
        return self.implementation if plain else f"convscope.nets.modules.same.{name}"

    def output_shape(self, *shapes: Shape) -> Shape:
        """The same channels, and what the sweep leaves of the space."""
        channels, sizes = spatial(self, self.rank, shapes[0])
        return (channels, *fitting(self, self.sweep.sizes(sizes), sizes))

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """The sweep's."""
        return (self.sweep.windows(shapes[0][1:]),)


@dataclass(frozen=True)
class _MaxPool(_Pool):
    dilation: Extent = 1
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        per_axis(self, self.rank, "dilation")
        super().__post_init__()

    @property
    def sweep(self) -> WindowGeometry:
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        return self.sweep.arguments() | {"dilation": self.dilation, "ceil_mode": self.ceil_mode}


@dataclass(frozen=True)
class _AvgPool(_Pool):
    ceil_mode: bool = False
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        flag(self, "count_include_pad")
        super().__post_init__()

    @property
    def sweep(self) -> WindowGeometry:
        ones = (1,) * self.rank
        return WindowGeometry.of(self.kernel_size, self.stride, self.padding, ones, self.ceil_mode)

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        counted = self.count_include_pad and self.padding != "same"
        return self.sweep.arguments() | {"ceil_mode": self.ceil_mode, "count_include_pad": counted}


@dataclass(frozen=True)
class MaxPool1d(_MaxPool):
    """The largest value of each window along one axis; padding never wins."""

    kind = "maxpool1d"
    implementation = "torch.nn.MaxPool1d"
    rank = 1


@dataclass(frozen=True)
class MaxPool2d(_MaxPool):
    """The largest value of each window; padding never wins."""

    kind = "maxpool2d"
    implementation = "torch.nn.MaxPool2d"
    rank = 2


@dataclass(frozen=True)
class AvgPool1d(_AvgPool):
    """The mean of each window along one axis.

    Attributes:
        count_include_pad: padded zeros count in the mean, as in PyTorch. They never do under
            `padding="same"`.
    """

    kind = "avgpool1d"
    implementation = "torch.nn.AvgPool1d"
    rank = 1


@dataclass(frozen=True)
class AvgPool2d(_AvgPool):
    """The mean of each window.

    Attributes:
        count_include_pad: padded zeros count in the mean, as in PyTorch. They never do under
            `padding="same"`.
    """

    kind = "avgpool2d"
    implementation = "torch.nn.AvgPool2d"
    rank = 2
