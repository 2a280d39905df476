"""What a network expects at an input.

A wrong value range is the commonest silent bug of this field, so every network states its own, and every
world converts to it.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from convscope.errors import GraphError

Shape = tuple[int, ...]
"""Extent of a tensor without batch axis: `(channels, height, width)`, `(channels, width)`, `(features,)`."""

DIGIT = "digit"
"""The name of an input that holds one handwritten digit: paper 0, ink 1, centred as in MNIST."""


def is_rgb(shape: Shape) -> bool:
    """Return whether an input of this shape is taken for a colour image: 3 channels over height and width.

    The one rule by which colour is decided: where canvases decorrelate channels as Lucid does for the colours
    of photographs, and where pictures are drawn in colour. Three channels of a signal `(3, n)`, or three
    features, are no colours: their statistics are not those of photographs.

    Args:
        shape: of the input, without the batch axis.
    """
    return len(shape) == 3 and shape[0] == 3


@dataclass(frozen=True)
class InputContract:
    """Channels, size, value range and normalisation of one input.

    A tensor "in the contract's range" holds values in `value_range`; the network subtracts `mean` and divides
    by `std` itself. Leave out `height` for signals in one dimension, and both `height` and `width` for plain
    vectors.
    """

    channels: int = 3
    height: int | None = None
    width: int | None = None
    value_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    name: str = "input"
    crop: float = 1.0
    """Share of the shorter side that is kept: 0.875 resizes to size / 0.875, then crops the centre."""
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        sizes = [self.channels, *(s for s in (self.height, self.width) if s is not None)]
        if not all(isinstance(s, int) and not isinstance(s, bool) for s in sizes):
            raise GraphError("an input whose extents are whole numbers", received=repr(tuple(sizes)))
        if any(not 1 <= s < 2**31 for s in sizes) or (self.height and not self.width):
            raise GraphError(
                "an input of positive extent, with a width wherever there is a height",
                received=f"{self.shape}",
            )
        self._check_numbers()
        if len(self.mean) not in (1, self.channels) or len(self.std) not in (1, self.channels):
            raise GraphError(
                "mean and std hold one number, or one for each channel",
                received=f"{self.channels} channels, mean={self.mean}, std={self.std}",
            )
        if min(self.std) <= 0 or not self.value_range[0] < self.value_range[1]:
            raise GraphError(
                "std above 0 and a value range from low to high",
                received=f"std={self.std}, value_range={self.value_range}",
            )
        if not 0.01 <= self.crop <= 10:  # timm has some above 1, which crop nothing
            raise GraphError("a crop from 0.01 to 10", received=f"{self.crop}")

    def _check_numbers(self) -> None:
        """Refuse what is no finite number: NaN compares with nothing, so it would pass every later test."""
        for name in ("value_range", "mean", "std"):
            values: Any = getattr(self, name)
            if not isinstance(values, tuple) or not values or not all(map(_is_finite, values)):
                raise GraphError(f"{name} holds finite numbers", received=f"{name}={values!r}")
        if len(self.value_range) != 2:
            raise GraphError("a value range of two numbers", received=f"{self.value_range}")
        if not _is_finite(self.crop):
            raise GraphError("a crop that is a finite number", received=f"crop={self.crop!r}")
        if not isinstance(self.name, str) or not isinstance(self.interpolation, str):
            raise GraphError(
                "a name and an interpolation that are texts",
                received=f"{self.name!r}, {self.interpolation!r}",
            )

    @property
    def size(self) -> Shape:
        """Spatial extent: `(height, width)`, `(width,)` or `()`."""
        return tuple(s for s in (self.height, self.width) if s is not None)

    @property
    def shape(self) -> Shape:
        """Extent without the batch axis, channels first."""
        return (self.channels, *self.size)

    @property
    def is_rgb(self) -> bool:
        """Whether inputs are colour images; see the function of this name."""
        return is_rgb((self.channels, *(1 for _ in self.size)))

    @property
    def is_digit(self) -> bool:
        """Whether inputs are single handwritten digits in MNIST's form, which is what the name `digit` says.

        The one rule by which files are read as digits. A shape of 1x28x28 does not tell: Fashion-MNIST has
        it too.
        """
        return self.name == DIGIT and self.channels == 1 and len(self.size) == 2

    @property
    def axes(self) -> str:
        """Axis names: `c h w`, `c w` or `c`."""
        return {2: "c h w", 1: "c w", 0: "c"}[len(self.size)]

    def resized(self, *size: int) -> "InputContract":
        """The same contract for another spatial extent."""
        from dataclasses import replace

        return replace(self, **dict(zip(("height", "width")[-len(size) :], size, strict=True)))


MOST = 1e30
"""Larger numbers leave float32 as soon as they are multiplied."""


def _is_finite(value: Any) -> bool:
    """Whether a value is a number (of Python's or NumPy's) that float32 can work with."""
    try:
        return not isinstance(value, bool | str) and isfinite(value) and abs(value) <= MOST
    except (TypeError, OverflowError):
        return False
