"""Specifications of what goes into a network and what comes out of it.

A `TensorSpec` states an input: which world it belongs to, its axes, shape, dtype, value range and
normalisation. A wrong value range is the commonest silent bug of this field, so every network states its own,
and every data set is converted to it. An `OutputSpec` states what an output means, and the
names of its classes.
"""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from convscope.errors import GraphError

Shape = tuple[int, ...]
"""Extent of a tensor without batch axis: `(channels, height, width)`, `(channels, time)`, `(features,)`."""

IMAGE = "image"
"""Kind of inputs that are images of any number of channels."""
TEXT = "text"
"""Kind of inputs that are sentences: indices of tokens in a vocabulary."""
DIGIT = "digit"
"""Kind of inputs that hold one handwritten digit: paper 0, ink 1, centred as in MNIST."""
GO = "go"
"""Kind of inputs that are planes of a Go board."""
SOUND = "sound"
"""Kind of inputs that are waveforms of one channel."""
SPECTROGRAM = "spectrogram"
"""Kind of inputs that are spectrograms: rows are frequencies, low ones first, and columns frames in time."""
DEFAULTS = {3: (IMAGE, "c h w"), 2: ("signal", "c t"), 1: ("vector", "c")}
"""Kind and axes of an input by its number of axes, where they are not given."""
LARGEST = 1e30
"""Largest magnitude of a number; larger ones overflow float32 as soon as they are multiplied."""


def _is_finite(value: Any) -> bool:
    """Return whether a value is a number (of Python's or NumPy's) that float32 can represent."""
    try:
        return not isinstance(value, bool | str) and isfinite(value) and abs(value) <= LARGEST
    except (TypeError, OverflowError):
        return False


@dataclass(frozen=True)
class ImageTransform:
    """Hold how image files are brought to an input's size, as the weights of a network were trained.

    Attributes:
        crop: share of the shorter side that is kept: 0.875 resizes to size / 0.875, then crops the centre;
            0.01 to 10.
        interpolation: filter with which images are resized: `nearest`, `bilinear`, `bicubic`, `lanczos`,
            `box` or `hamming`.

    Raises:
        GraphError: a value is of the wrong type or out of range.
    """

    crop: float = 1.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if not _is_finite(self.crop) or not isinstance(self.interpolation, str):
            raise GraphError(
                "a crop that is a finite number and an interpolation that is a text",
                received=f"crop={self.crop!r}, interpolation={self.interpolation!r}",
            )
        if not 0.01 <= self.crop <= 10:  # timm has some above 1, which crop nothing
            raise GraphError("a crop from 0.01 to 10", received=f"{self.crop}")


TOKENS = ("words", "characters", "bytes")
"""What the tokens of a text can be."""
PADDING, UNKNOWN = 0, 1
"""Indices of padding, and of every token that a vocabulary lacks."""
SPECIAL = ("<padding>", "<unknown>")
"""Names of these two, with which every vocabulary of a text begins."""
CLEANING = ("kim", "trec", "sst", "none")
"""How a text can be prepared before it is divided into words (`worlds.text.tokens`)."""


@dataclass(frozen=True)
class TextTransform:
    """Hold how a text becomes the tokens of an input, as the weights of a network were trained.

    Attributes:
        tokens: `words`, `characters` or `bytes` (of UTF-8).
        cleaning: of words: `kim` (that of the published code, in lower case), `trec` (the same, case kept),
            `sst` (without a division at apostrophes and punctuation) or `none` (any script, in lower case).
        lead: positions of padding before the first token: a convolution of `lead + 1` tokens then sees the
            first one at every place of its kernel.

    Raises:
        GraphError: a value is of the wrong type or out of range.
    """

    tokens: str = "words"
    cleaning: str = "kim"
    lead: int = 0

    def __post_init__(self) -> None:
        if self.tokens not in TOKENS or self.cleaning not in CLEANING:
            raise GraphError(
                f"tokens {', '.join(TOKENS)} and cleaning {', '.join(CLEANING)}",
                received=f"tokens={self.tokens!r}, cleaning={self.cleaning!r}"[:200],
                hint="For example: TextTransform('words', 'kim', lead=4).",
            )
        if type(self.lead) is not int or not 0 <= self.lead <= 1000:
            raise GraphError(
                "a lead from 0 to 1000",
                received=repr(self.lead)[:100],
                hint="Take one less than the longest kernel.",
            )


@dataclass(frozen=True)
class TensorSpec:
    """Specify one input of a network: kind, axes, shape, dtype, value range and normalisation.

    A tensor "in the input's range" holds values in `value_range`; the network subtracts `mean` and divides by
    `std` itself.

    Attributes:
        shape: extents without the batch axis, in the order of `axes`: `(3, 224, 224)` for an RGB image,
            `(1, 16000)` for a sound, `(4,)` for four features.
        kind: the world of the input, which decides how files are read for it and how it is drawn (see
            `convscope.worlds.WORLDS`). By default `image` for three axes, `signal` for two, `vector` for one.
        axes: one letter for each axis, the channels `c` first if there are any. By default `c h w`, `c t` or
            `c`. Tokens have the axes `t`.
        dtype: `float32`, or `int64` for indices, which are not normalised.
        value_range: lowest and highest value of a tensor that is handed to the network, before normalisation.
        mean: subtracted from each channel: one number, or one for each channel.
        std: divides each channel, after the mean is subtracted: one positive number, or one for each channel.
        name: name of the input in messages.
        vocabulary: for `int64` inputs the names of the indices, for boards those of the planes, in order; may
            be empty. Of a text, 0 is padding and 1 a token that the vocabulary lacks.
        sample_rate: samples per second of a sound or another signal in time; None if unknown.
        transform: how image files are resized and cropped.
        text: how texts are divided into tokens.

    Raises:
        GraphError: an extent, a number or a text is of the wrong type or out of range.
    """

    shape: Shape = (3,)
    kind: str = ""
    axes: str = ""
    dtype: str = "float32"
    value_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    name: str = "input"
    vocabulary: tuple[str, ...] = ()
    sample_rate: int | None = None
    transform: ImageTransform = ImageTransform()
    text: TextTransform = TextTransform()

    def __post_init__(self) -> None:
        self._check_texts()
        self._check_shape()
        self._check_numbers()
        if len(self.mean) not in (1, self.channels) or len(self.std) not in (1, self.channels):
            raise GraphError(
                "mean and std of one number, or of one for each channel",
                received=f"{self.channels} channels, mean={self.mean}, std={self.std}",
            )
        if min(self.std) <= 0 or not self.value_range[0] < self.value_range[1]:
            raise GraphError(
                "std above 0 and a value range from low to high",
                received=f"std={self.std}, value_range={self.value_range}",
            )

    def _check_texts(self) -> None:
        """Refuse what is no text, and set the default kind and axes."""
        texts = (self.kind, self.axes, self.dtype, self.name)
        if not all(isinstance(text, str) for text in texts):
            raise GraphError("kind, axes, dtype and name that are texts", received=repr(texts))
        if self.dtype not in ("float32", "int64"):
            raise GraphError("the dtype float32 or int64", received=repr(self.dtype))
        if not isinstance(self.vocabulary, tuple) or not all(isinstance(w, str) for w in self.vocabulary):
            raise GraphError("a vocabulary that is a tuple of texts", received=repr(self.vocabulary)[:100])
        if not isinstance(self.transform, ImageTransform):
            raise GraphError("a transform that is an ImageTransform", received=repr(self.transform))
        if not isinstance(self.text, TextTransform):
            raise GraphError("a text that is a TextTransform", received=repr(self.text))
        if not isinstance(self.shape, tuple):
            raise GraphError("a shape that is a tuple, like (3, 224, 224)", received=repr(self.shape))
        kind, axes = DEFAULTS.get(len(self.shape), ("tensor", ""))
        object.__setattr__(self, "kind", self.kind or kind)
        object.__setattr__(self, "axes", self.axes or axes)

    def _check_shape(self) -> None:
        """Refuse extents that are no positive whole numbers, and axes that do not fit them."""
        sizes = (*self.shape, *(() if self.sample_rate is None else (self.sample_rate,)))
        if not all(isinstance(s, int) and not isinstance(s, bool) for s in sizes):
            raise GraphError("an input whose extents are whole numbers", received=repr(sizes))
        if not self.shape or any(not 1 <= s < 2**31 for s in sizes):
            raise GraphError("an input of positive extents", received=f"{self.shape}")
        letters = self.axes.split()
        if len(letters) != len(self.shape) or len(set(letters)) != len(letters) or "c" in letters[1:]:
            raise GraphError(
                f"{len(self.shape)} different axes, the channels c first, like c h w",
                received=f"axes {self.axes!r} for the shape {self.shape}",
            )

    def _check_numbers(self) -> None:
        """Refuse values that are not finite: NaN compares as False, so it would pass every later test."""
        for name in ("value_range", "mean", "std"):
            values: Any = getattr(self, name)
            if not isinstance(values, tuple) or not values or not all(map(_is_finite, values)):
                raise GraphError(f"finite numbers in {name}", received=f"{name}={values!r}")
        if len(self.value_range) != 2:
            raise GraphError("a value range of two numbers", received=f"{self.value_range}")

    @property
    def channels(self) -> int:
        """Number of channels, or of features of a vector; 1 without a channel axis."""
        return self.shape[0] if self.has_channels else 1

    @property
    def has_channels(self) -> bool:
        """Whether the first axis holds channels."""
        return self.axes.split()[0] == "c"

    @property
    def size(self) -> Shape:
        """Extents of the axes beside the channels: `(height, width)`, `(time,)` or `()`."""
        return self.shape[1:] if self.has_channels else self.shape

    @property
    def is_integer(self) -> bool:
        """Whether the input holds indices, such as tokens, which have no gradient."""
        return self.dtype == "int64"

    @property
    def is_rgb(self) -> bool:
        """Whether inputs are RGB images: of the kind `image`, with 3 channels.

        The one rule by which colour is decided: where image parameterizations decorrelate channels as Lucid
        does for the colours of photographs, and where results are drawn in colour. Three channels of a
        signal, or three planes of a board, are no colours: their statistics are not those of photographs.
        """
        return self.kind == IMAGE and self.channels == 3

    def resized(self, *size: int) -> "TensorSpec":
        """Return this spec with other extents of the axes beside the channels.

        Args:
            *size: as many extents as `size` has, `height, width` for an image.

        Returns:
            A copy in which only the given extents differ.

        Raises:
            GraphError: an extent is not a positive whole number, or there are too many or too few.
        """
        return replace(self, shape=(*self.shape[: len(self.shape) - len(self.size)], *size))


@dataclass(frozen=True)
class OutputSpec:
    """Specify one output of a network: what its numbers mean, and the names of its classes.

    Attributes:
        kind: `logits`, `probabilities`, `log_probabilities`, `independent_probabilities` (each class on its
            own, they need not sum to 1), or a word for what is no class scores, such as `image` or
            `embedding`. Empty if unknown: a result `[b classes]` is then read as probabilities if its rows
            are, else as logits (`nets.activations.classifier_output`).
        classes: names of the units, in order; may be empty.
        name: where the output is found in a result of several: a key of a dict, or an index. Empty for the
            first tensor.
        temperature: what logits are divided by before the softmax that makes probabilities of them, as
            calibration has found it; 0.001 to 1000. The most probable class does not depend on it.

    Raises:
        GraphError: a field is of the wrong type or out of range.
    """

    kind: str = ""
    classes: tuple[str, ...] = ()
    name: str = ""
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or not isinstance(self.name, str):
            raise GraphError(
                "an output whose kind and name are texts", received=f"{self.kind!r}, {self.name!r}"
            )
        if not isinstance(self.classes, tuple) or not all(isinstance(c, str) for c in self.classes):
            raise GraphError("classes that are a tuple of texts", received=repr(self.classes)[:100])
        if not _is_finite(self.temperature) or not 1e-3 <= self.temperature <= 1e3:
            raise GraphError("a temperature from 0.001 to 1000", received=repr(self.temperature)[:100])
