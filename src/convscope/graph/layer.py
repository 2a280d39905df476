"""What every kind of layer states about itself."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import prod
from typing import ClassVar

from convscope.graph.contract import Shape


@dataclass(frozen=True)
class Window:
    """Which inputs one output reads along one axis.

    Output `k` reads positions `start + k * stride` to `start + k * stride + size - 1` of its input, rounded outwards
    where `stride` is a fraction (upsampling). Positions below 0 or beyond the end are padding.
    """

    size: int = 1
    stride: Fraction = Fraction(1)
    start: Fraction = Fraction(0)


SAME = Window()
"""Output `k` reads input `k` alone."""

EVERYTHING = None
"""Every output reads the whole axis."""


@dataclass(frozen=True)
class Layer(ABC):
    """One kind of layer as frozen data: its options, and pure functions of the shapes that come in.

    A new kind is one file in `graph/layers` that subclasses this, and one entry in `graph/layers/__init__.py`. Options
    bear PyTorch's names. Extents that follow from the input (`in_channels`, `in_features`) are not options.
    """

    kind: ClassVar[str]
    """The name in chains, JSON and tables."""
    module: ClassVar[str]
    """Import path of the `torch.nn.Module` that runs it; a name, so that this package needs no torch."""
    positional: ClassVar[tuple[str, ...]] = ()
    """Options that a chain takes without a name, in this order."""
    inputs: ClassVar[tuple[int, int | None]] = (1, 1)
    """Fewest and most inputs; None for any number."""

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
        """For each input, what one output reads along each spatial axis; `None` is the whole axis."""
        axes = max(len(self.output_shape(*shapes)) - 1, 0)
        return tuple((SAME,) * axes for _ in shapes)

    def parameter_count(self, *shapes: Shape) -> int:
        """Number of trainable values."""
        return sum(prod(shape) for shape in self.parameters(*shapes).values())

    def dead_weights(self, *shapes: Shape) -> int:
        """Values inside `parameters` that are masked to zero and do not count as free (LeNet-5's C3)."""
        return 0
