"""Folders of sounds: one subfolder for each class, or `train` and `test` with one for each class."""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from convscope.errors import DataError, UsageError, nearest
from convscope.graph.spec import SOUND, TensorSpec
from convscope.worlds.images.listing import Listing, in_text, list_folder
from convscope.worlds.sound.audio import is_audio_file, require_audio
from convscope.worlds.sound.recordings import Clip, LabelledSounds

HEADERS = 200
"""Most files whose header is read to choose rate and length of an input."""
HIGHEST_RATE = 16_000
"""Highest sample rate that is chosen for a network that is trained from nothing: speech has little above."""
LONGEST = 2.0
"""Longest input, in seconds, that is chosen for a network that is trained from nothing."""
SPEAKERS = (re.compile(r"([0-9a-f]{8})_nohash_\d+"), re.compile(r"[^_]+_([^_]+)_\d+"))
"""How published sets write the speaker into a file's name: Speech Commands, and FSDD."""


def open_folder(root: str | Path, split: str | None, spec: TensorSpec) -> LabelledSounds:
    """Read the sounds of a folder.

    Files with another ending than those of sounds are left out. Where every name holds a speaker, as those of
    Speech Commands (`1a2b3c4d_nohash_0.wav`) and of FSDD (`7_jackson_0.wav`) do, the data set has `speakers`.

    Args:
        root: `root/<class>/*`, or `root/{train,val,test}/<class>/*`.
        split: which of the splits, where there are some; `train` when left out, or the first without one.
        spec: specification of the inputs.

    Returns:
        The data set, in memory.

    Raises:
        DataError: there is no such folder, or no sound in it.
        UsageError: there is no such split, or the spec is not for sounds.
        MissingError: soundfile or soxr is not installed.
    """
    require_audio()
    listing = list_folder(root)
    if split is not None and split not in listing.splits:
        names = [name for name in listing.splits if name]
        raise UsageError(
            f"a part of {root}: {', '.join(names) or 'it has none'}",
            received=split,
            hint=nearest(split, names) if names else "Leave it out.",
        )
    chosen = (
        split if split is not None else "train" if "train" in listing.splits else next(iter(listing.splits))
    )
    classes = listing.classes
    clips = [
        Clip(path, str(path), classes.index(name), speaker_of(path))
        for name, paths in listing.splits[chosen].items()
        for path in paths
        if is_audio_file(path)
    ]
    if not all(clip.speaker for clip in clips):
        clips = [Clip(c.source, c.name, c.label) for c in clips]
    name = "/".join(filter(None, (in_text(Path(root).resolve().name), chosen)))
    return LabelledSounds.read(clips, classes, spec, name, listing.faults)


def speaker_of(path: Path) -> str:
    """Return the speaker in the name of a file.

    Args:
        path: the file.

    Returns:
        The name; empty where the file is named in no known way.
    """
    matches = (pattern.fullmatch(path.stem) for pattern in SPEAKERS)
    return next((found[1] for found in matches if found), "")


def folder_spec(root: str | Path) -> TensorSpec | None:
    """Choose the input of a network that is trained from nothing on a folder of sounds.

    Its sample rate is the commonest of the files, at most `HIGHEST_RATE`; it is as long as the longest file,
    at most `LONGEST` seconds, rounded up to a tenth of one.

    Args:
        root: the folder.

    Returns:
        The specification; None where fewer than half of the files are sounds.
    """
    listing = list_folder(root)
    files = sound_files(listing)
    if not files or 2 * len(files) < sum(1 for _ in listing.files()):
        return None
    require_audio()
    import soundfile

    rates: Counter[int] = Counter()
    longest = 0.0
    for path in files[:: max(1, len(files) // HEADERS)]:
        try:
            found = soundfile.info(str(path))
        except (soundfile.SoundFileError, RuntimeError):
            continue  # counted as a problem when it is read
        rates[found.samplerate] += 1
        longest = max(longest, found.duration)
    if not rates:
        raise DataError(f"readable sounds in {root}", received="none", hint="Convert them to WAV or FLAC.")
    rate = min(HIGHEST_RATE, max(rates, key=lambda r: (rates[r], r)))
    seconds = min(LONGEST, np.ceil(max(longest, 0.1) * 10 - 1e-9) / 10)
    return sound_spec(rate, float(seconds))


def sound_spec(rate: int, seconds: float) -> TensorSpec:
    """Return the specification of sounds.

    Args:
        rate: samples per second.
        seconds: length of an input.

    Returns:
        One channel in [-1, 1], of kind `sound`.
    """
    return TensorSpec((1, round(rate * seconds)), kind=SOUND, value_range=(-1.0, 1.0), sample_rate=rate)


def sound_files(listing: Listing) -> list[Path]:
    """Return the files of a folder that have the ending of a sound.

    Args:
        listing: the files of the folder.

    Returns:
        Their paths.
    """
    return [path for _, _, path in listing.files() if is_audio_file(path)]
