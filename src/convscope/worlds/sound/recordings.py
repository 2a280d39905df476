"""Labelled recordings: sounds of any length in memory, each fitted to the input when it is asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from convscope.errors import ConvscopeError, DataError
from convscope.graph.spec import TensorSpec
from convscope.worlds.dataset import Indices, LabelledDataset, Problem, checked, checked_labels
from convscope.worlds.images.listing import in_text, in_threads
from convscope.worlds.sound.audio import Recording, read_audio, resampled, to_int16
from convscope.worlds.sound.fitting import fitted
from convscope.worlds.sound.world import in_value_range, rate_of

MOST_BYTES = 4 * 2**30
"""Bytes of the largest data set that is kept in memory: 18 hours at 16 kHz."""


@dataclass(frozen=True)
class Clip:
    """One labelled sound before it is read.

    Attributes:
        source: path of its file, or the bytes of it.
        name: its name in messages and lists.
        label: index of its class.
        speaker: name of the speaker; empty if unknown.
    """

    source: object
    name: str
    label: int
    speaker: str = ""


class LabelledSounds(LabelledDataset):
    """A data set of labelled sounds, kept whole in memory as 16-bit samples at the rate of the input.

    Args:
        waveforms: samples of each sound `[t]`, int16, at the sample rate of the spec; of any length.
        labels: class of each sound, `[n]`.
        classes: names of the classes; label k is `classes[k]`.
        spec: specification of the inputs: kind `sound`, one channel in time, with a sample rate.
        name: name of the data set.
        speakers: name of the speaker of each sound; empty where that is unknown.
        files: path or name of the file of each sound; empty where they have none.

    Raises:
        DataError: sizes, labels and classes do not fit each other.
        UsageError: the spec is not for sounds.
    """

    def __init__(
        self,
        waveforms: Sequence[NDArray[np.int16]],
        labels: Int64[Tensor, " n"],
        classes: Sequence[str],
        spec: TensorSpec,
        name: str = "sounds",
        speakers: Sequence[str] = (),
        files: Sequence[str] = (),
    ) -> None:
        rate_of(spec)
        if speakers and len(speakers) != len(waveforms):
            raise DataError(
                "a speaker for each sound, or none",
                received=f"{len(waveforms)} sounds, {len(speakers)} speakers",
                hint="Give speakers in the order of the sounds.",
            )
        labels = checked_labels(labels, len(waveforms), classes)
        self.waveforms, self.labels, self.classes = tuple(waveforms), labels, tuple(classes)
        self.spec, self.name, self.speakers = spec, name, tuple(speakers)
        self.files = tuple(files)
        self._problems: tuple[Problem, ...] = ()
        self._notes: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        clips: Sequence[Clip],
        classes: Sequence[str],
        spec: TensorSpec,
        name: str,
        notes: Iterable[str] = (),
    ) -> Self:
        """Read files; those that cannot be read are counted and left out.

        Args:
            clips: the files and their classes.
            classes: names of the classes.
            spec: specification of the inputs, to whose rate sounds are resampled.
            name: name of the data set.
            notes: what is odd about the data.

        Returns:
            The data set.

        Raises:
            DataError: nothing can be read, nothing of one class that has files, or there is too much.
            MissingError: soundfile or soxr is not installed.
            UsageError: the spec is not for sounds.
        """
        rate = rate_of(spec)
        found = list(in_threads(lambda clip: _read(clip, rate), clips))
        problems = tuple(one for one in found if isinstance(one, Problem))
        good = [(c, w) for c, w in zip(clips, found, strict=True) if not isinstance(w, Problem)]
        lost = {c.label for c in clips} - {c.label for c, _ in good}
        if lost or not good:
            reason = problems[0].reason if problems else "no sound file"
            raise DataError(
                f"readable sounds of each class in {name}",
                received=f"none of {', '.join(classes[k] for k in sorted(lost)) or 'any class'}: {reason}",
                hint="Expected layout: FOLDER/<class>/<WAV, FLAC or OGG files>, or FOLDER/train/<class>/... "
                "and FOLDER/test/...",
            )
        if sum(w.nbytes for _, w in good) > MOST_BYTES:
            raise DataError(
                f"at most {MOST_BYTES:,} bytes of samples",
                received=f"{sum(w.nbytes for _, w in good):,}",
                hint="Take fewer files, or a lower sample rate.",
            )
        labels = torch.tensor([c.label for c, _ in good], dtype=torch.int64)
        speakers = [c.speaker for c, _ in good]
        waves, files = [w for _, w in good], [in_text(c.name) for c, _ in good]
        made = cls(waves, labels, classes, spec, name, speakers if all(speakers) else (), files)
        made._problems, made._notes = problems, tuple(notes)
        return made

    @property
    @override
    def problems(self) -> tuple[Problem, ...]:
        """Files that could not be read."""
        return self._problems

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        """What makes labels wrong, such as folders below classes."""
        return self._notes

    @property
    @override
    def groups(self) -> tuple[str, ...]:
        """The speaker of each sound, so that no voice is both learned from and tested on; may be empty."""
        return self.speakers

    @property
    @override
    def content(self) -> Tensor:
        """All samples one after the other, to be hashed."""
        return torch.from_numpy(np.concatenate(self.waveforms) if self.waveforms else np.zeros(0, np.int16))

    @override
    def inputs(self, indices: Indices, spec: TensorSpec | None = None) -> Float[Tensor, "b c t"]:
        """Return sounds, cropped to their loudest part or padded with zeros (see `fitting.window_start`).

        Args:
            indices: which sounds, from 0 to `len(self) - 1`.
            spec: specification of the network's input: sounds of another rate are resampled to it.

        Returns:
            Waveforms `[b 1 t]` in the value range of the spec.

        Raises:
            UsageError: an index is out of range, or the spec is not for sounds.
        """
        spec = spec or self.spec
        rate, (length,) = rate_of(spec), spec.size
        waves = [self._at_rate(k, rate) for k in checked(indices, len(self)).tolist()]
        parts = np.stack([fitted(wave, length) for wave in waves]) if waves else np.zeros((0, length))
        return in_value_range(torch.from_numpy(parts).float()[:, None] / 32768, spec)

    def _at_rate(self, index: int, rate: int) -> NDArray[np.int16]:
        wave = self.waveforms[index]
        if rate == self.spec.sample_rate:
            return wave
        unit = wave.astype(np.float32) / np.float32(32768)
        return to_int16(resampled(unit, rate_of(self.spec), rate))

    @override
    def take(self, indices: Indices) -> Self:
        """Return the subset of some sounds."""
        chosen = checked(indices, len(self)).tolist()
        made = type(self)(
            [self.waveforms[k] for k in chosen],
            self.labels[chosen],
            self.classes,
            self.spec,
            self.name,
            [self.speakers[k] for k in chosen] if self.speakers else (),
            [self.files[k] for k in chosen] if self.files else (),
        )
        made._problems, made._notes = self._problems, self._notes
        return made


def _read(clip: Clip, rate: int) -> NDArray[np.int16] | Problem:
    """Read one clip at a sample rate; return what is wrong with a file that cannot be read."""
    try:
        source = clip.source
        found = source if isinstance(source, Recording) else read_audio(source)  # pyright: ignore[reportArgumentType]
        return to_int16(resampled(found.waveform, found.sample_rate, rate))
    except DataError as error:
        return Problem(in_text(clip.name), "damaged", _short(error))


def _short(error: ConvscopeError) -> str:
    return error.received or error.expected
