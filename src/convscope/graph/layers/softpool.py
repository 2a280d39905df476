"""Pooling between the mean and the maximum, with a trainable scalar for each link: the M-layer of myCNN."""

from dataclasses import asdict, dataclass
from math import prod

from typing_extensions import override

from convscope.graph.layer import Layer, Window
from convscope.graph.options import Extent, Table, connections, existing_maps, numbers, per_axis
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import WindowGeometry, fitting, spatial


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
    implementation = "convscope.nets.modules.softpool.SoftPool2d"
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
