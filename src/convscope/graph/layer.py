"""What every kind of layer states about itself."""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from math import prod
from typing import Any, ClassVar, Self

from convscope.errors import GraphError, nearest
from convscope.graph.contract import Shape


@dataclass(frozen=True)
class Window:
    """Which inputs one output reads along one axis.

    Imagine the input spread out on a grid `up` times finer. Output `k` reads the grid positions
    `start + k * stride + t * dilation` for `t` in `0 .. size - 1`; only those that hold an input, the
    multiples of `up`, count. Positions below 0 or beyond the end are padding. A convolution has `up` 1; a
    transposed one, an upsampling or an adaptive pooling is exact too.
    """

    size: int = 1
    stride: int = 1
    start: int = 0
    dilation: int = 1
    up: int = 1

    def taps(self, k: int) -> range | list[int]:
        """The positions that output `k` reads, in order, padding included."""
        first = self.start + k * self.stride
        grid = range(first, first + self.size * self.dilation, self.dilation)
        return grid if self.up == 1 else [g // self.up for g in grid if g % self.up == 0]

    def reads(self, k: int, extent: int) -> range | list[int]:
        """The input positions that output `k` reads of `extent`, in order, without padding."""
        taps = self.taps(k)
        low = bisect_left(taps, 0)
        return taps[low : bisect_left(taps, extent, low)]


SAME = Window()
"""Output `k` reads input `k` alone."""

EVERYTHING = None
"""Every output reads the whole axis."""


@dataclass(frozen=True)
class Layer(ABC):
    """One kind of layer as frozen data: its options, and pure functions of the shapes that come in.

    A new kind is one file in `graph/layers` that subclasses this, and one entry in
    `graph/layers/__init__.py`. Options bear PyTorch's names. Extents that follow from the input
    (`in_channels`, `in_features`) are not options.
    """

    kind: ClassVar[str]
    """The name in chains, JSON and tables."""
    implementation: ClassVar[str]
    """Import path of the `torch.nn.Module` that runs it; a name, so that this package needs no torch."""
    family: ClassVar[str] = ""
    """What a chain calls it, before the number: `conv`, `pool`. The kind without `1d` or `2d` when empty."""
    numbered: ClassVar[bool] = True
    """Whether a chain numbers it even where it is the only one of its family."""
    positional: ClassVar[tuple[str, ...]] = ()
    """Options that a chain takes without a name, in this order."""
    inputs: ClassVar[tuple[int, int | None]] = (1, 1)
    """Fewest and most inputs; None for any number."""

    def options(self) -> dict[str, Any]:
        """Every option, JSON-ready."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """The layer with these options; the inverse of `options`.

        Raises:
            GraphError: an option is unknown, missing or wrong.
        """
        known = {f.name: f for f in fields(cls)}
        for name in options:
            if name not in known:
                raise GraphError(f"an option of {cls.kind}", received=name, hint=nearest(name, known))
        missing = [n for n, f in known.items() if f.default is MISSING and n not in options]
        if missing:
            raise GraphError(f"{cls.kind} with {' and '.join(missing)}", received=f"{dict(options)}")
        return cls(**{name: _frozen(value) for name, value in options.items()})

    @property
    def module(self) -> str:
        """Import path of the `torch.nn.Module` that runs this layer with these options."""
        return self.implementation

    @abstractmethod
    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape that comes out for the shapes that go in, all without batch axis.

        Raises:
            GraphError: the layer cannot take these shapes.
        """

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Name and shape of every trainable tensor, as the module's `named_parameters` has them."""
        return {}

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """What the module's constructor takes."""
        return asdict(self)

    def macs(self, *shapes: Shape) -> int:
        """Multiply-accumulates for one example."""
        return 0

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """For each input, what one output reads along each spatial axis of it; `None` is the whole axis."""
        return tuple((SAME,) * max(len(shape) - 1, 0) for shape in shapes)

    def filter_weights(self, *shapes: Shape) -> int:
        """Weights of one filter, without its bias: of the largest where they differ, 0 for no filters."""
        return 0

    def parameter_count(self, *shapes: Shape) -> int:
        """Number of trainable values."""
        return sum(prod(shape) for shape in self.parameters(*shapes).values())


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
