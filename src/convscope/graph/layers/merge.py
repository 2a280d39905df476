"""Layers that combine several inputs: addition, multiplication, concatenation."""

from dataclasses import dataclass

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, SAME, Layer, Window
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import times


@dataclass(frozen=True)
class _Pointwise(Layer):
    """Base class of elementwise operations on two or more inputs, with broadcasting."""

    inputs = (2, None)

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the common shape; an axis of extent 1 is broadcast."""
        fits = len({len(shape) for shape in shapes}) == 1
        if not fits or any(len({*axis} - {1}) > 1 for axis in zip(*shapes, strict=True)):
            raise GraphError(
                f"equal shapes, or extents of 1 that can be repeated, for {self.kind} to join",
                received=" and ".join(map(times, shapes)),
                hint="Bring the branches to one shape before: by stride, padding or a 1x1 convolution.",
            )
        return tuple(max(axis) for axis in zip(*shapes, strict=True))

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the same position of each input, or the whole of an axis that is broadcast."""
        whole = self.output_shape(*shapes)[1:]
        return tuple(
            tuple(SAME if n == m else EVERYTHING for n, m in zip(shape[1:], whole, strict=True))
            for shape in shapes
        )


@dataclass(frozen=True)
class Add(_Pointwise):
    """Elementwise sum of the inputs: a residual connection."""

    kind = "add"
    implementation = "convscope.nets.modules.merge.Add"


@dataclass(frozen=True)
class Multiply(_Pointwise):
    """Elementwise product of the inputs: a gate."""

    kind = "multiply"
    implementation = "convscope.nets.modules.merge.Multiply"


@dataclass(frozen=True)
class Concat(Layer):
    """Concatenation of the inputs along the channel axis."""

    kind = "concat"
    implementation = "convscope.nets.modules.merge.Concat"
    inputs = (1, None)

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the sum of the channels, and the common spatial extent."""
        if len({shape[1:] for shape in shapes}) > 1:
            raise GraphError(
                "channels of equal spatial extent, for concat to join",
                received=" and ".join(map(times, shapes)),
                hint="Bring the branches to one height and width before: by stride, padding or pooling.",
            )
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
