"""The interface of a world: how things of one kind become inputs of a network, and inputs become pictures.

Everything that depends on what an input is (a photograph, a sound, a sentence, a board) is here, and nowhere
else: reading files, drawing tensors, mapping positions back to files, augmentations, symmetries, data sets.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Generator, Tensor

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.recipe.result import Result
from convscope.worlds.dataset import Dataset

if TYPE_CHECKING:
    from convscope.worlds.images.checking.check import DatasetReport

Span = tuple[float, float]
"""First position and the one after the last, along one axis."""


@dataclass(frozen=True)
class Placement:
    """Map positions of a file to positions of the input that was made of it: an affine map for each axis.

    Attributes:
        scale: positions of the input for each position of the file, one for each axis of the input's size.
        offset: position of the input at which the file begins; negative where it is cropped.
        extent: size of the file, in its own positions (pixels, samples, tokens).
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    extent: tuple[float, ...]

    def to_input(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Map a box of the file to the input.

        Args:
            spans: one span for each axis, in the order of the input's axes (y before x).

        Returns:
            The same box in positions of the input; it may reach beyond it.
        """
        axes = zip(spans, self.scale, self.offset, strict=True)
        return tuple((a * scale + offset, b * scale + offset) for (a, b), scale, offset in axes)

    def to_file(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Map a box of the input back to the file.

        Args:
            spans: one span for each axis, in the order of the input's axes (y before x).

        Returns:
            The same box in positions of the file, clipped to it.
        """
        axes = zip(spans, self.scale, self.offset, self.extent, strict=True)
        return tuple(
            (min(max((a - offset) / scale, 0.0), end), min(max((b - offset) / scale, 0.0), end))
            for (a, b), scale, offset, end in axes
        )


@dataclass(frozen=True)
class Sample(Result):
    """One thing of a world, as a network takes it.

    Attributes:
        input: `[*shape]` of the spec, in its value range, on the CPU.
        original: what was opened: an image, an array, a text.
        placement: where the original lies in the input; None where that is not one affine map, as for digits,
            whose ink is found and centred.
    """

    input: Tensor
    original: Any
    placement: Placement | None = None


@dataclass(frozen=True)
class Piece:
    """A text in an input, and the positions that it stands for.

    Attributes:
        text: a word or a character.
        first: its first position.
        last: the position after its last one.
        gap: what stands between it and the next piece.
    """

    text: str
    first: int
    last: int
    gap: str = " "


InputLike = str | PathLike[str] | bytes | Image.Image | np.ndarray | Tensor | Sample
"""What a person has of an input: a file, an opened image, an array or tensor, or a sample that was read
before.
"""


class World(ABC):
    """Base class of worlds. A new one is a subclass in one file, and one line that registers it.

    Attributes:
        kind: `TensorSpec.kind` of its inputs.
        thing: what a user gives, with an article, for messages: `an image`, `a sound`.
        things: several of them, without an article.
        suffixes: usual endings of its files, with the dot, in lower case.
        collected: endings of the files that data sets of it are made of, where only such files are; () for
            images, which are recognised by their content.
        augmentations: random changes of batches `[b ...]` that keep what a class looks like, by the names
            that `--augment` takes.
        symmetries: exact changes of a batch of inputs that leave its meaning as it is.
        is_ink: whether `render` draws black ink with alpha, on whatever paper is below: high values are dark,
            in files, on sheets and on pages, where dark mode inverts them.
        has_timeline: whether `render` draws inputs of one axis, time, as pictures whose width is time.
        rows_upwards: whether the rows of its feature maps are drawn from the bottom, as frequencies are.
        draws_channels: whether `render` makes one picture of any number of channels, each of which has a
            meaning of its own; else synthetic inputs of several channels are drawn side by side.
        reads_arrays: whether `open` and `open_batch` read arrays and tensors; else these are inputs in the
            value range of the spec, with its axes.
    """

    kind: str
    thing: str
    things: str = "such files"
    suffixes: tuple[str, ...] = ()
    collected: tuple[str, ...] = ()
    is_ink: bool = False
    has_timeline: bool = False
    rows_upwards: bool = False
    draws_channels: bool = False
    reads_arrays: bool = False
    augmentations: Mapping[str, Callable[[Tensor, Generator], Tensor]] = MappingProxyType({})
    symmetries: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({})

    @abstractmethod
    def open(self, source: Any, spec: TensorSpec) -> Sample:
        """Read a file, or an opened thing, as one input.

        Args:
            source: a path, an object of this world, or an array or tensor, with or without a batch axis of 1.
            spec: specification of the network's input.

        Returns:
            The input in the range and at the size of the spec.

        Raises:
            DataError: the file is missing or not of this world.
            UsageError: the spec is not for such things.
        """

    def open_batch(self, source: np.ndarray | Tensor, spec: TensorSpec) -> Float[Tensor, "b *shape"]:
        """Read an array or tensor of one thing or several; for worlds that have `reads_arrays`.

        Args:
            source: with or without a batch axis.
            spec: specification of the network's input.

        Returns:
            The inputs in the range of the spec.

        Raises:
            DataError: the array is not clearly of such things.
            UsageError: the spec is not for such things.
        """
        raise UsageError(f"a world that reads arrays of {self.thing}", received=f"an array for {spec.shape}")

    def open_whole(self, source: Any, spec: TensorSpec, *, longest: int | None = None) -> Sample:
        """Read one thing whole: at its own size, neither cropped nor fitted to the size of the spec.

        Args:
            source: as for `open`.
            spec: specification of the network's input; only its size is not used.
            longest: extent of the longest axis to which the thing is resized; its own if left out.

        Returns:
            The input in the range of the spec.

        Raises:
            DataError: the file is missing or not of this world.
            UsageError: things of this world have no size of their own.
        """
        del longest
        raise UsageError(
            "an input that can be read at its own size, as images can",
            received=f"{self.thing} for {spec.shape}",
            hint="Choose a network of images: convscope nets lists them.",
        )

    @abstractmethod
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw an input.

        Args:
            tensor: one input of any size, without batch axis, in the spec's value range.
            spec: its value range is used.

        Returns:
            An image: RGB or L, or LA with black ink and alpha if `is_ink`.
        """

    def to_file(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> tuple[str, bytes] | None:
        """Encode an input as a file of its own kind, which people can hear, play or read.

        Args:
            tensor: one input of any size, without batch axis, in the spec's value range.
            spec: specification of the input.

        Returns:
            The ending of the file and its bytes; None where the picture that `render` draws is all there is.
        """
        del tensor, spec
        return None

    def example(self, spec: TensorSpec, index: int = 0) -> Sample | None:
        """Return a thing of this world that ships with the package.

        Args:
            spec: specification of the network's input.
            index: which one, from 0; beyond the last one it begins again.

        Returns:
            The sample; None if none ships.
        """
        del spec, index
        return None

    def has_example(self, spec: TensorSpec) -> bool:
        """Return whether `example` has one, where possible without opening it.

        Args:
            spec: specification of the network's input.

        Returns:
            Whether a thing of this world ships for such inputs.
        """
        return self.example(spec) is not None

    def bundled_data(self, spec: TensorSpec) -> str | None:
        """Return the name of the labelled data set that ships for inputs of a specification.

        Args:
            spec: specification of the network's input.

        Returns:
            What `worlds.open` takes, with the splits `train` and `test`; None where none ships.
        """
        del spec
        return None

    def recognises(self, file: Path) -> bool:
        """Return whether a file may be one of this world, damaged or not.

        Args:
            file: the file; it need not be opened.

        Returns:
            By default whether it has one of the usual endings.
        """
        return file.suffix.lower() in self.suffixes

    def first_use(self) -> str:
        """Return what is computed once on this machine before the first input is read, as a sentence.

        Returns:
            The sentence, without a full stop; empty where there is nothing, or it was done before.
        """
        return ""

    def folder_spec(self, root: str | Path) -> TensorSpec | None:
        """Choose the input of a network that is trained from nothing on a folder of files of this world.

        Args:
            root: the folder.

        Returns:
            The specification; None where the folder holds no such files, or where other rules decide, as for
            images.

        Raises:
            DataError: there is no such folder, or no file can be read.
        """
        del root
        return None

    def pieces(self, tensor: Tensor, spec: TensorSpec) -> tuple[Piece, ...]:
        """Return the texts in an input, where it is made of texts, which pages can show as such.

        Args:
            tensor: one input, without batch axis.
            spec: its specification.

        Returns:
            The texts in their order; by default none.
        """
        del tensor, spec
        return ()

    def parts(self, root: str | Path) -> tuple[str, ...]:
        """Return the names of the parts into which a folder of files is divided: train, test, ...

        Args:
            root: the folder.

        Returns:
            The names, those to learn from before those to test on; by default none.

        Raises:
            DataError: the folder holds no such files.
        """
        del root
        return ()

    def notes(self, sample: Sample) -> tuple[str, ...]:
        """Return what of an opened thing its input does not show, as sentences; by default nothing.

        Args:
            sample: as `open` returned it.

        Returns:
            Sentences without a full stop.
        """
        del sample
        return ()

    def check(self, root: str | Path, *, duplicates: bool = True) -> "DatasetReport":
        """Validate files before anything is learned from them: read every one, and count.

        Args:
            root: a folder, or a file that holds a whole data set.
            duplicates: whether to look for things that are there twice.

        Returns:
            Counts, problems, duplicates and remarks.

        Raises:
            UsageError: files of this world cannot be checked.
            DataError: there is nothing, or nothing of this world.
        """
        del duplicates
        raise UsageError(
            "pictures, sounds, texts or game records", received=f"{root}, as {self.things}", hint=""
        )

    def open_folder(self, root: str | Path, split: str | None, spec: TensorSpec) -> Dataset:
        """Open a folder of files as a data set.

        Args:
            root: the folder.
            split: which part of it; None for the one to learn from.
            spec: specification of the samples.

        Returns:
            The data set.

        Raises:
            UsageError: folders of this world cannot be opened, or there is no such split.
            DataError: the folder holds no such files.
        """
        del split, spec
        raise UsageError(
            f"a folder of things that convscope can open, for {self.thing}",
            received=str(root),
            hint="Choose a network of images: convscope nets lists them.",
        )
