"""Read and write sound files: WAV, FLAC, OGG and others, as one channel at any sample rate."""

import importlib.util
import io
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import DataError, MissingError
from convscope.system.files import read_bytes

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au")
"""Usual endings of the files that libsndfile reads."""
LARGEST_FILE = 2**30
"""Bytes of the largest file that is read."""
MOST_VALUES = 2**28
"""Values, of all channels, of the longest sound that is read: 93 minutes at 48 kHz."""
SHORTEST = 0.005
"""Seconds of the shortest sound: a click of fewer samples has neither pitch nor spectrum."""
HIGHEST_RATE = 768_000
"""Highest sample rate, in hertz; higher ones are those of damaged headers."""
STREAMED = 0x7FFF_0000
"""Sizes from this on are written by programs that do not know the size."""
ADVICE = "Convert it to WAV, FLAC or OGG, or replace the file."


@dataclass(frozen=True)
class Recording:
    """A sound as its file holds it, mixed down to one channel.

    Attributes:
        waveform: samples in [-1, 1], float32.
        sample_rate: samples per second.
        channels: number of channels of the file, whose mean the waveform is.
        name: where it was read from; empty if unknown.
    """

    waveform: NDArray[np.float32]
    sample_rate: int
    channels: int = 1
    name: str = ""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.waveform) / self.sample_rate


def require_audio() -> None:
    """Check that the packages that read and resample sounds are installed, before any work begins.

    Raises:
        MissingError: soundfile or soxr is not installed.
    """
    for package in ("soundfile", "soxr"):
        if importlib.util.find_spec(package) is None:
            raise MissingError(
                f"{package}, which reads sounds", hint="Install them: pip install soundfile soxr"
            )


def read_audio(source: str | PathLike[str] | bytes) -> Recording:
    """Read a sound file, and mix its channels down to one: their mean.

    Samples beyond [-1, 1], which floating point files may hold, are divided by the largest magnitude.

    Args:
        source: path or bytes of a file that libsndfile reads: WAV, FLAC, OGG, MP3, AIFF, AU.

    Returns:
        The recording at its own sample rate.

    Raises:
        DataError: the file is missing, no sound, damaged, empty, or too short or too long.
        MissingError: soundfile is not installed.
    """
    require_audio()
    import soundfile

    name = "these bytes" if isinstance(source, bytes) else str(source)
    expected = f"a sound file (WAV, FLAC, OGG) in {name}"
    try:
        content = source if isinstance(source, bytes) else read_bytes(source, LARGEST_FILE)
    except (OSError, ValueError) as error:
        raise DataError(expected, received=str(error), hint="Check the path.") from None
    if not content:
        raise DataError(expected, received="an empty file", hint="Replace the file.")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            _check_extent(file.frames, file.channels, file.samplerate, expected)
            values = file.read(file.frames, dtype="float32", always_2d=True)
            rate, channels = int(file.samplerate), int(file.channels)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        raise DataError(expected, received=_reason(error), hint=ADVICE) from None
    missing = _bytes_missing(content)
    if missing:
        raise DataError(expected, received=f"a file of which {missing:,} bytes are missing", hint=ADVICE)
    _check_extent(len(values), channels, rate, expected)
    if not np.isfinite(values).all():
        raise DataError(expected, received="samples that are not finite", hint="Write it again.")
    wave = values.mean(axis=1, dtype=np.float32)
    peak = float(np.abs(wave).max())
    return Recording(wave / peak if peak > 1 else wave, rate, channels, name)


def _bytes_missing(content: bytes) -> int:
    """Return how many bytes of samples the header of a WAV file states and the file lacks.

    libsndfile reads what there is. Programs that write to a pipe state the largest size, or none: of those
    nothing is known.
    """
    if content[:4] != b"RIFF":
        return 0
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if name == b"data":
            return 0 if size >= STREAMED else max(0, at + 8 + size - len(content))
        at += 8 + size + size % 2
    return 0


def _check_extent(frames: int, channels: int, rate: int, expected: str) -> None:
    """Refuse sounds without samples, too short for a spectrum, or too long for memory."""
    if frames < 1:
        raise DataError(expected, received="a sound of no samples", hint="Record it again.")
    if not 1 <= rate <= HIGHEST_RATE:
        raise DataError(expected, received=f"a sample rate of {rate:,} Hz", hint="Its header may be damaged.")
    if frames < max(2, SHORTEST * rate):
        raise DataError(
            f"{SHORTEST * 1000:g} milliseconds of sound or more: {expected}",
            received=f"{frames} samples at {rate:,} Hz",
            hint="Give a longer recording.",
        )
    if frames * channels > MOST_VALUES:
        raise DataError(
            f"at most {MOST_VALUES:,} samples: {expected}",
            received=f"{frames:,} of {channels} channels",
            hint="Cut it into shorter files.",
        )


def _reason(error: Exception) -> str:
    """Return the message of libsndfile, without the name of the object that it begins with."""
    return str(error).rpartition(">: ")[2] or type(error).__name__


def resampled(wave: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """Resample a waveform.

    Args:
        wave: samples.
        rate: their sample rate.
        to: the sample rate that is wanted.

    Returns:
        `round(len(wave) * to / rate)` samples, one at least; the same array where the rates are equal.

    Source: soxr, quality HQ: a linear-phase filter that passes up to 91% of half of the lower rate.
    """
    if rate == to:
        return wave
    require_audio()
    import soxr

    found = soxr.resample(wave, rate, to)
    length = max(1, round(len(wave) * to / rate))
    return np.pad(found[:length], (0, max(0, length - len(found)))).astype(np.float32, copy=False)


def to_int16(wave: Any) -> NDArray[np.int16]:
    """Convert samples in [-1, 1] to 16 bits, rounded and clipped.

    Args:
        wave: samples of any shape.

    Returns:
        An array of the same shape.
    """
    return np.clip(np.round(np.asarray(wave, dtype=np.float32) * 32768), -32768, 32767).astype(np.int16)


def to_wav(wave: Any, rate: int) -> bytes:
    """Encode a waveform as a WAV file of 16 bits.

    Args:
        wave: samples `[t]` in [-1, 1]; others are clipped.
        rate: samples per second.

    Returns:
        The bytes of the file.
    """
    import wave as waves

    out = io.BytesIO()
    with waves.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(to_int16(wave).astype("<i2").tobytes())
    return out.getvalue()


def is_audio_file(path: str | PathLike[str]) -> bool:
    """Return whether a path has the ending of a sound file.

    Args:
        path: any path.

    Returns:
        True for the endings in `SUFFIXES`, in upper or lower case.
    """
    return Path(path).suffix.lower() in SUFFIXES
