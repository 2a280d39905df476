"""How a kernel moves over space: the one place where sizes of convolutions and poolings are computed."""

from dataclasses import dataclass
from typing import Self

from convscope.errors import GraphError
from convscope.graph.contract import Shape
from convscope.graph.layer import Layer, Window
from convscope.graph.options import Extent, Padding, numbers

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class WindowGeometry:
    """Kernel, stride, padding and dilation, one number for each spatial axis.

    Attributes:
        padding: `"same"` as Keras and TensorFlow have it (the output has `ceil(size / stride)` positions; an
            odd number of padded positions puts the extra one at the end), one number for each axis, or before
            and after for each.
        ceil: the last window may start inside the input and end beyond it (`torch`'s `ceil_mode`).
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    ceil: bool = False

    @classmethod
    def of(
        cls, kernel: Extent, stride: Extent | None, padding: Padding, dilation: Extent, ceil: bool = False
    ) -> Self:
        """From options that were checked and stored by `per_axis`."""
        pads = padding if isinstance(padding, str) else numbers(padding)
        return cls(numbers(kernel), numbers(stride), pads, numbers(dilation), ceil)

    @property
    def reach(self) -> tuple[int, ...]:
        """Extent of the dilated kernel."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def symmetric(self) -> bool:
        """Whether both ends are padded alike for inputs of every size."""
        if self.padding == "same":
            return all(s == 1 and r % 2 == 1 for s, r in zip(self.stride, self.reach, strict=True))
        return len(self.padding) == len(self.kernel)

    def pads(self, sizes: Shape) -> Pairs:
        """Padded positions before and after, for each axis."""
        if isinstance(self.padding, str):
            totals = (
                max((-(-n // s) - 1) * s + r - n, 0)
                for n, s, r in zip(sizes, self.stride, self.reach, strict=True)
            )
            return tuple((total // 2, total - total // 2) for total in totals)
        if len(self.padding) == len(self.kernel):
            return tuple((p, p) for p in self.padding)
        return tuple(zip(self.padding[::2], self.padding[1::2], strict=True))

    def sizes(self, sizes: Shape) -> Shape:
        """Outputs along each axis: `floor((n + before + after - reach) / stride) + 1`, or as `ceil` says.

        Source: Dumoulin and Visin 2016, A guide to convolution arithmetic, relationship 6 and section 5.1,
            arXiv:1603.07285; `ceil` as in `pooling_output_shape` of PyTorch.
        """
        axes = zip(sizes, self.pads(sizes), self.stride, self.reach, strict=True)
        return tuple(self._size(n, before, after, s, r) for n, (before, after), s, r in axes)

    def _size(self, n: int, before: int, after: int, stride: int, reach: int) -> int:
        room = n + before + after - reach
        if not self.ceil:
            return room // stride + 1
        size = -(-room // stride) + 1
        return size - 1 if (size - 1) * stride >= n + before else size

    def windows(self, sizes: Shape) -> tuple[Window, ...]:
        """What one output reads along each axis."""
        axes = zip(self.kernel, self.stride, self.pads(sizes), self.dilation, strict=True)
        return tuple(Window(k, s, -before, d) for k, s, (before, _), d in axes)

    def arguments(self) -> dict[str, object]:
        """Constructor arguments: for a module of `torch` where padding is symmetric, for ours where not."""
        kept = self.padding
        if self.padding == "same" and self.symmetric:
            kept = tuple(r // 2 for r in self.reach)
        return {"kernel_size": self.kernel, "stride": self.stride, "padding": kept}


AXES = {0: "features", 1: "channels x width", 2: "channels x height x width"}


def spatial(layer: Layer, rank: int, shape: Shape) -> tuple[int, Shape]:
    """Channels and spatial extent of an input with `rank` spatial axes.

    Raises:
        GraphError: the input has another number of axes.
    """
    if len(shape) != rank + 1:
        hint = f"Write {layer.kind[:-2]}{len(shape) - 1}d." if len(shape) in (2, 3) and rank else ""
        raise GraphError(f"{layer.kind} reads {AXES[rank]}", received=times(shape), hint=hint)
    return shape[0], shape[1:]


def fitting(layer: Layer, sizes: Shape, before: Shape) -> Shape:
    """The sizes, if each is positive.

    Raises:
        GraphError: the kernel is larger than the padded input.
    """
    if min(sizes, default=1) < 1:
        raise GraphError(
            f"{layer.kind}: a kernel that fits into the padded input",
            received=f"input {times(before)}, {layer!r}",
            hint="Use a smaller kernel, or pad.",
        )
    return sizes


def times(shape: Shape) -> str:
    """`(1, 28, 28)` as people write it: `1x28x28`."""
    return "x".join(map(str, shape)) or "a single number"
