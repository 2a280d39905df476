"""The input contract: shape, value range and normalisation that a network expects at an input.

A wrong value range is the commonest silent bug of this field, so every network states its own, and every
data set is converted to it.
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
    """Return whether an input of this shape is taken for an RGB image: 3 channels over height and width.

    The one rule by which colour is decided: where image parameterizations decorrelate channels as Lucid does
    for the colours of photographs, and where results are drawn in colour. Three channels of a signal `(3,
    n)`, or three features, are not colours: their statistics are not those of photographs.

    Args:
        shape: shape of the input, without the batch axis.

    Returns:
        True for `(3, height, width)`.
    """
    return len(shape) == 3 and shape[0] == 3


@dataclass(frozen=True)
class InputContract:
    """Shape, value range and normalisation of one input of a network.

    A tensor "in the contract's range" holds values in `value_range`; the network subtracts `mean` and divides
    by `std` itself. Leave out `height` for signals in one dimension, and both `height` and `width` for plain
    vectors.

    Attributes:
        channels: number of channels, or of features of a plain vector.
        height: height in pixels; None for signals and vectors.
        width: width in pixels, or length of a signal; None for vectors.
        value_range: lowest and highest value of a tensor that is handed to the network, before normalisation.
        mean: subtracted from each channel: one number, or one for each channel.
        std: divides each channel, after the mean is subtracted: one positive number, or one for each channel.
        name: name of the input; `digit` means one handwritten digit, see `is_digit`.
        interpolation: filter with which images are resized: `nearest`, `bilinear`, `bicubic`, `lanczos`,
            `box` or `hamming`.

    Raises:
        GraphError: an extent, a number or a text is of the wrong type or out of range.
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
        """Refuse values that are not finite: NaN compares as False, so it would pass every later test."""
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
        """Shape without the batch axis, channels first."""
        return (self.channels, *self.size)

    @property
    def is_rgb(self) -> bool:
        """Whether inputs are RGB images; see the function of this name."""
        return is_rgb((self.channels, *(1 for _ in self.size)))

    @property
    def is_digit(self) -> bool:
        """Whether inputs are single handwritten digits in MNIST's form, which the name `digit` declares.

        The one rule by which image files are preprocessed as digits. The shape 1x28x28 alone cannot decide
        it: Fashion-MNIST has the same.
        """
        return self.name == DIGIT and self.channels == 1 and len(self.size) == 2

    @property
    def axes(self) -> str:
        """Names of the axes: `c h w`, `c w` or `c`."""
        return {2: "c h w", 1: "c w", 0: "c"}[len(self.size)]

    def resized(self, *size: int) -> "InputContract":
        """Return this contract with another spatial extent.

        Args:
            *size: `height, width`, or `width` alone for a signal, in pixels.

        Returns:
            A copy in which only the given extents differ.

        Raises:
            GraphError: an extent is not a positive whole number.
        """
        from dataclasses import replace

        return replace(self, **dict(zip(("height", "width")[-len(size) :], size, strict=True)))


MOST = 1e30
"""Largest magnitude of a number; larger ones overflow float32 as soon as they are multiplied."""


def _is_finite(value: Any) -> bool:
    """Return whether a value is a number (of Python's or NumPy's) that float32 can represent."""
    try:
        return not isinstance(value, bool | str) and isfinite(value) and abs(value) <= MOST
    except (TypeError, OverflowError):
        return False
