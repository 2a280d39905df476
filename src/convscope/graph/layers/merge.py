"""Layers that join several others."""

from dataclasses import dataclass

from convscope.errors import GraphError
from convscope.graph.contract import Shape
from convscope.graph.layer import EVERYTHING, SAME, Layer, Window
from convscope.graph.window_geometry import times


@dataclass(frozen=True)
class _Pointwise(Layer):
    inputs = (2, None)

    def output_shape(self, *shapes: Shape) -> Shape:
        """The common shape; an axis of extent 1 is repeated to fit."""
        fits = len({len(shape) for shape in shapes}) == 1
        if not fits or any(len({*axis} - {1}) > 1 for axis in zip(*shapes, strict=True)):
            raise GraphError(
                f"{self.kind} joins equal shapes, or extents of 1 that can be repeated",
                received=" and ".join(map(times, shapes)),
            )
        return tuple(max(axis) for axis in zip(*shapes, strict=True))

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """The same position of each, or the only one."""
        whole = self.output_shape(*shapes)[1:]
        return tuple(
            tuple(SAME if n == m else EVERYTHING for n, m in zip(shape[1:], whole, strict=True))
            for shape in shapes
        )


@dataclass(frozen=True)
class Add(_Pointwise):
    """The sum of what comes in, value by value: a residual connection."""

    kind = "add"
    implementation = "convscope.nets.modules.merge.Add"


@dataclass(frozen=True)
class Multiply(_Pointwise):
    """The product of what comes in, value by value: a gate."""

    kind = "multiply"
    implementation = "convscope.nets.modules.merge.Multiply"


@dataclass(frozen=True)
class Concat(Layer):
    """The channels of what comes in, one after another."""

    kind = "concat"
    implementation = "convscope.nets.modules.merge.Concat"
    inputs = (1, None)

    def output_shape(self, *shapes: Shape) -> Shape:
        """The sum of the channels; the space is the same."""
        if len({shape[1:] for shape in shapes}) > 1:
            raise GraphError(
                "concat joins channels of equal spatial extent", received=" and ".join(map(times, shapes))
            )
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
