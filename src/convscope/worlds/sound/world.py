"""The world of sounds: recordings from files, at the sample rate and length of a network's input."""

from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.graph.spec import SOUND, TensorSpec
from convscope.worlds.arrays import is_array_file, open_array
from convscope.worlds.dataset import Dataset
from convscope.worlds.images.listing import SPLITS, list_folder
from convscope.worlds.sound.audio import SUFFIXES, Recording, read_audio, resampled, to_wav
from convscope.worlds.sound.augment import AUGMENTATIONS
from convscope.worlds.sound.fitting import fitted, window_start
from convscope.worlds.sound.render import draw
from convscope.worlds.world import Placement, Sample, World

if TYPE_CHECKING:
    from convscope.worlds.images.checking.check import DatasetReport

EXAMPLE = Path(__file__).parents[1] / "data" / "spoken" / "7.wav"
"""One of the spoken digits that ship with the package."""


class SoundWorld(World):
    """Read sound files as waveforms: one channel, resampled, cropped or padded with zeros."""

    kind = SOUND
    thing = "a sound"
    things = "sounds"
    suffixes = SUFFIXES
    collected = SUFFIXES
    is_ink = True
    has_timeline = True
    rows_upwards = True
    augmentations = MappingProxyType(AUGMENTATIONS)

    @override
    def open(self, source: Any, spec: TensorSpec) -> Sample:
        """Read a sound at the rate and length of the spec.

        What is longer is cropped to the window of the most energy; what is shorter is centred between zeros
        (`fitting.window_start`).
        """
        rate = rate_of(spec)
        if isinstance(source, np.ndarray | Tensor) or is_array_file(source):
            return open_array(source, spec)
        recording = _recording(source)
        wave = resampled(recording.waveform, recording.sample_rate, rate)
        start, (length,) = window_start(wave, spec.size[0]), spec.size
        return _sample(recording, fitted(wave, length), float(-start), rate, spec)

    @override
    def open_whole(self, source: Any, spec: TensorSpec, *, longest: int | None = None) -> Sample:
        """Read a sound whole, at the rate of the spec; `longest` is for images, and not used."""
        del longest
        rate = rate_of(spec)
        if isinstance(source, np.ndarray | Tensor) or is_array_file(source):
            return open_array(source, spec)
        recording = _recording(source)
        wave = resampled(recording.waveform, recording.sample_rate, rate)
        return _sample(recording, wave, 0.0, rate, spec)

    @override
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw a waveform above its spectrogram."""
        return draw(tensor)

    @override
    def to_file(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> tuple[str, bytes]:
        """Return a WAV file; it is made louder where its largest magnitude is below a half."""
        low, high = spec.value_range
        wave = ((tensor.detach().float().cpu() - low) / (high - low) * 2 - 1).mean(0)
        peak = float(wave.abs().max())
        return ".wav", to_wav(wave * (0.5 / peak) if 0 < peak < 0.5 else wave, rate_of(spec))

    @override
    def example(self, spec: TensorSpec, index: int = 0) -> Sample | None:
        """Return one of the spoken digits that ship with the package, beginning with a seven."""
        files = sorted(EXAMPLE.parent.glob("*.wav"))
        return self.open(files[(files.index(EXAMPLE) + index) % len(files)], spec)

    @override
    def bundled_data(self, spec: TensorSpec) -> str:
        """Return the sounds that are made by rule; they are resampled to the rate of the spec."""
        del spec
        return "chirps"

    @override
    def folder_spec(self, root: str | Path) -> TensorSpec | None:
        from convscope.worlds.sound.folder import folder_spec

        return folder_spec(root)

    @override
    def parts(self, root: str | Path) -> tuple[str, ...]:
        splits = list_folder(root).splits
        return tuple(name for name in SPLITS if name in splits)

    @override
    def check(self, root: str | Path, *, duplicates: bool = True) -> "DatasetReport":
        from convscope.worlds.sound.checking import check_sounds

        return check_sounds(root, duplicates=duplicates)

    @override
    def open_folder(self, root: str | Path, split: str | None, spec: TensorSpec) -> Dataset:
        from convscope.worlds.sound.folder import open_folder

        return open_folder(root, split, spec)


def rate_of(spec: TensorSpec) -> int:
    """Return the sample rate of a spec, and check that it is for sounds.

    Args:
        spec: specification of an input.

    Returns:
        Samples per second.

    Raises:
        UsageError: it has no sample rate, or another shape than one channel in time.
    """
    if spec.sample_rate is None or spec.axes != "c t" or spec.channels != 1:
        raise UsageError(
            "an input of one channel in time with a sample rate, for sounds",
            received=f"{spec.shape}, axes {spec.axes}, sample_rate={spec.sample_rate}",
            hint='For example: TensorSpec((1, 8000), kind="sound", value_range=(-1, 1), sample_rate=8000)',
        )
    return spec.sample_rate


def in_value_range(waves: Tensor, spec: TensorSpec) -> Tensor:
    """Scale samples from [-1, 1] to the value range of a spec.

    Args:
        waves: samples in [-1, 1], of any shape.
        spec: specification of an input.

    Returns:
        Samples of the same shape; the same tensor where the range is [-1, 1].
    """
    low, high = spec.value_range
    return waves if (low, high) == (-1.0, 1.0) else low + (high - low) * (waves + 1) / 2


def _recording(source: Any) -> Recording:
    """Return a recording, or that of a file."""
    if isinstance(source, Recording):
        return source
    if not isinstance(source, str | PathLike | bytes):
        raise DataError(
            "a sound: a path, a file's bytes, a Recording, or an array in the range of the input",
            received=type(source).__name__,
            hint="Give the path of a WAV, FLAC or OGG file.",
        )
    return read_audio(source)


def _sample(recording: Recording, wave: np.ndarray, offset: float, rate: int, spec: TensorSpec) -> Sample:
    """Return a waveform in the range of the spec, and where the file lies in it."""
    found = in_value_range(torch.from_numpy(np.ascontiguousarray(wave)).clamp(-1, 1)[None], spec)
    extent = float(len(recording.waveform))
    return Sample(found, recording, Placement((rate / recording.sample_rate,), (offset,), (extent,)))
