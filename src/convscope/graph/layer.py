"""The base class of layer kinds, and the `Window` of inputs that one output reads."""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from math import prod
from typing import Any, ClassVar, Self

from convscope.errors import GraphError, nearest
from convscope.graph.spec import Shape


@dataclass(frozen=True)
class Window:
    """The inputs that one output reads along one axis: the window of a convolution or pooling.

    Imagine the input spread out on a grid `up` times finer. Output `k` reads the grid positions
    `start + k * stride + t * dilation` for `t` in `0 .. size - 1`; only those that hold an input, the
    multiples of `up`, count. Positions below 0 or beyond the end are padding. A convolution has `up` 1;
    transposed convolution, upsampling and adaptive pooling are described exactly, too.

    Attributes:
        size: number of taps.
        stride: grid positions from one output to the next.
        start: grid position of the first tap of output 0; negative inside the padding.
        dilation: grid positions from one tap to the next.
        up: grid positions from one input to the next.
    """

    size: int = 1
    stride: int = 1
    start: int = 0
    dilation: int = 1
    up: int = 1

    def taps(self, k: int) -> range | list[int]:
        """Return the positions that an output reads, padding included.

        Args:
            k: index of the output, also a negative one.

        Returns:
            Input positions in rising order; those below 0 or beyond the end of the input are padding.
        """
        first = self.start + k * self.stride
        grid = range(first, first + self.size * self.dilation, self.dilation)
        return grid if self.up == 1 else [g // self.up for g in grid if g % self.up == 0]

    def reads(self, k: int, extent: int) -> range | list[int]:
        """Return the input positions that an output reads, without padding.

        Args:
            k: index of the output.
            extent: length of the input.

        Returns:
            Positions from 0 to `extent - 1`, in rising order; empty where the output reads only padding.
        """
        taps = self.taps(k)
        low = bisect_left(taps, 0)
        return taps[low : bisect_left(taps, extent, low)]


SAME = Window()
"""Output `k` reads input `k` alone."""

EVERYTHING = None
"""Every output reads the whole axis."""


@dataclass(frozen=True)
class Layer(ABC):
    """Base class of layer kinds: options as frozen data, and pure functions of the input shapes.

    A new kind is one file in `graph/layers` that subclasses this, and one entry in
    `graph/layers/__init__.py`. Options have PyTorch's names. Extents that follow from the input
    (`in_channels`, `in_features`) are not options. All shapes are without batch axis, channels first.
    """

    kind: ClassVar[str]
    """The name in chains, JSON and tables."""
    implementation: ClassVar[str]
    """Import path of the `torch.nn.Module` that runs it; a name, so that this package needs no torch."""
    family: ClassVar[str] = ""
    """Default name in a chain, before the number: `conv`, `pool`; if empty, the kind without `1d` or `2d`."""
    numbered: ClassVar[bool] = True
    """Whether its default name has a number even where it is the only one of its family."""
    positional: ClassVar[tuple[str, ...]] = ()
    """Options that a chain takes without a name, in this order."""
    inputs: ClassVar[tuple[int, int | None]] = (1, 1)
    """Fewest and most inputs; None for any number."""
    index_inputs: ClassVar[tuple[int, ...]] = ()
    """Which of the inputs hold indices: these have no channels, all of their axes are positions."""

    def options(self) -> dict[str, Any]:
        """Return every option by name, JSON-ready: tuples become lists."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Build the layer with these options; the inverse of `options`.

        Args:
            options: options by name; those with a default may be left out, lists become tuples.

        Returns:
            The layer.

        Raises:
            GraphError: an option is unknown, missing or wrong.
        """
        known = {f.name: f for f in fields(cls)}
        for name in options:
            if name not in known:
                raise GraphError(f"an option of {cls.kind}", received=name, hint=nearest(name, known))
        missing = [n for n, f in known.items() if f.default is MISSING and n not in options]
        if missing:
            raise GraphError(
                f"{cls.kind} with {' and '.join(missing)}",
                received=f"{dict(options)}",
                hint="Write it after the kind, as in: conv 8 3x3, dense 10, maxpool 2",
            )
        return cls(**{name: _frozen(value) for name, value in options.items()})

    @property
    def module(self) -> str:
        """Import path of the `torch.nn.Module` that runs this layer with these options."""
        return self.implementation

    @abstractmethod
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the output shape for the given input shapes.

        Args:
            *shapes: shape of each input, without batch axis.

        Returns:
            The shape of the output, without batch axis.

        Raises:
            GraphError: the layer cannot take these shapes.
        """

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return name and shape of every trainable tensor.

        Args:
            *shapes: shape of each input, without batch axis.

        Returns:
            Shapes by name, as in `named_parameters` of the layer's module; none by default.
        """
        return {}

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the keyword arguments of the constructor of the layer's module.

        Args:
            *shapes: shape of each input, without batch axis, from which extents such as `in_channels` follow.

        Returns:
            Arguments by name; by default the options.
        """
        return asdict(self)

    def macs(self, *shapes: Shape) -> int:
        """Return the number of multiply-accumulates for one example.

        Args:
            *shapes: shape of each input, without batch axis.

        Returns:
            The number; 0 by default, for layers that add no products up.
        """
        return 0

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the window that one output reads, along each spatial axis of each input.

        Args:
            *shapes: shape of each input, without batch axis.

        Returns:
            For each input one window per spatial axis, `None` where an output reads the whole axis; by
            default every output reads the same position of each input.
        """
        return tuple((SAME,) * max(len(shape) - 1, 0) for shape in shapes)

    def output_axes(self, *shapes: Shape) -> tuple[tuple[int | None, ...], ...]:
        """Return along which spatial axis of the output each spatial axis of each input goes on.

        Args:
            *shapes: shape of each input, without batch axis.

        Returns:
            For each input and each of its spatial axes the index of an axis of the output, or None where
            it ends; by default the same one, where the output has as many axes as that input.
        """
        rank = len(self.output_shape(*shapes))
        return tuple(
            tuple(range(len(shape) - 1)) if len(shape) == rank else (None,) * max(len(shape) - 1, 0)
            for shape in shapes
        )

    def filter_weights(self, *shapes: Shape) -> int:
        """Return the number of weights of one filter, without its bias.

        Args:
            *shapes: shape of each input, without batch axis.

        Returns:
            The number, of the largest filter where they differ; 0 for layers without filters.
        """
        return 0

    def parameter_count(self, *shapes: Shape) -> int:
        """Return the number of trainable values.

        Args:
            *shapes: shape of each input, without batch axis.

        Returns:
            The sum of the sizes of all `parameters`.
        """
        return sum(prod(shape) for shape in self.parameters(*shapes).values())


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
