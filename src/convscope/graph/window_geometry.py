"""Convolution arithmetic: the one place where output sizes of convolutions and poolings are computed."""

from dataclasses import dataclass
from typing import Self

from convscope.errors import GraphError
from convscope.graph.layer import Layer, Window
from convscope.graph.options import Extent, Padding, numbers
from convscope.graph.spec import Shape

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class WindowGeometry:
    """Kernel size, stride, padding and dilation of a sliding window, one number for each spatial axis.

    Attributes:
        kernel: length of the kernel.
        stride: distance between neighbouring positions of the kernel.
        padding: `"same"` as Keras and TensorFlow have it (the output has `ceil(size / stride)` positions; an
            odd number of padded positions puts the extra one at the end), one number for each axis, or before
            and after for each.
        dilation: distance between neighbouring taps of the kernel.
        ceil: whether the last window may start inside the input and end beyond it (`torch`'s `ceil_mode`).
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
        """Build the geometry from layer options that `per_axis` and `padding` have checked and stored.

        Args:
            kernel: the option `kernel_size`.
            stride: the option `stride`, with its default filled in.
            padding: the option `padding`.
            dilation: the option `dilation`.
            ceil: the option `ceil_mode`.

        Returns:
            The geometry.
        """
        pads = padding if isinstance(padding, str) else numbers(padding)
        return cls(numbers(kernel), numbers(stride), pads, numbers(dilation), ceil)

    @property
    def reach(self) -> tuple[int, ...]:
        """Extent of the dilated kernel along each axis."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def symmetric(self) -> bool:
        """Whether both ends of each axis are padded alike, for inputs of every size."""
        if self.padding == "same":
            return all(s == 1 and r % 2 == 1 for s, r in zip(self.stride, self.reach, strict=True))
        return len(self.padding) == len(self.kernel)

    def pads(self, sizes: Shape) -> Pairs:
        """Return the padding at both ends of each axis.

        Args:
            sizes: spatial extent of the input, on which `"same"` depends.

        Returns:
            Number of padded positions before and after, for each axis.
        """
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
        """Return the output size along each axis.

        It is `floor((n + before + after - reach) / stride) + 1`, rounded up instead if `ceil` is set, but
        never so that the last window would start beyond the input and its padding before.

        Args:
            sizes: spatial extent of the input.

        Returns:
            Number of positions for each axis; 0 or less where the kernel does not fit.

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
        """Return the window that one output reads along each axis.

        Args:
            sizes: spatial extent of the input.

        Returns:
            One window for each axis; it starts before 0 where there is padding.
        """
        axes = zip(self.kernel, self.stride, self.pads(sizes), self.dilation, strict=True)
        return tuple(Window(k, s, -before, d) for k, s, (before, _), d in axes)

    def arguments(self) -> dict[str, object]:
        """Return `kernel_size`, `stride` and `padding` for the constructor of a module.

        Symmetric `"same"` padding becomes numbers, as torch's modules take it. For asymmetric padding the
        arguments are those of the package's own modules: `"same"`, or before and after for each axis.
        """
        kept = self.padding
        if self.padding == "same" and self.symmetric:
            kept = tuple(r // 2 for r in self.reach)
        return {"kernel_size": self.kernel, "stride": self.stride, "padding": kept}


AXES = {0: "features", 1: "channels x width", 2: "channels x height x width"}


def spatial(layer: Layer, rank: int, shape: Shape) -> tuple[int, Shape]:
    """Split a shape into channels and spatial extent, and check its number of axes.

    Args:
        layer: the layer that reads it, for the error.
        rank: number of spatial axes that the layer needs.
        shape: shape of the input, without batch axis.

    Returns:
        Number of channels, and the spatial extent.

    Raises:
        GraphError: the input has another number of axes.
    """
    if len(shape) != rank + 1:
        hint = f"Write {layer.kind[:-2]}{len(shape) - 1}d." if len(shape) in (2, 3) and rank else ""
        raise GraphError(f"{AXES[rank]} for {layer.kind} to read", received=times(shape), hint=hint)
    return shape[0], shape[1:]


def fitting(layer: Layer, sizes: Shape, before: Shape) -> Shape:
    """Check that output sizes are positive.

    Args:
        layer: the layer, for the error.
        sizes: spatial extent of the output.
        before: spatial extent of the input, for the error.

    Returns:
        `sizes`.

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
    """Format a shape for people: `1x28x28`.

    Args:
        shape: the extents.

    Returns:
        The extents with `x` between them; `a single number` for an empty shape.
    """
    return "x".join(map(str, shape)) or "a single number"
