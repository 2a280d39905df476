"""Validation of a folder of sounds: damaged, silent and doubled files, empty classes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convscope.errors import DataError
from convscope.system.counting import counted
from convscope.worlds.images.checking.check import (
    BadFile,
    CheckedFile,
    DatasetReport,
    folder_report,
    relative,
)
from convscope.worlds.images.listing import in_threads, list_folder
from convscope.worlds.sound.audio import is_audio_file, read_audio, require_audio
from convscope.worlds.sound.folder import speaker_of


@dataclass(frozen=True)
class _CheckedSound(CheckedFile):
    """One file, and whether all of its samples are zero."""

    silent: bool = False


def check_sounds(root: str | Path, *, duplicates: bool = True) -> DatasetReport:
    """Validate a folder of sounds: decode every file, count it, and compare it with all others.

    Args:
        root: a folder with one folder for each class, with or without train, val and test above.
        duplicates: whether to look for sounds of the same samples.

    Returns:
        Counts, problems, duplicates and remarks.

    Raises:
        DataError: the folder is missing, or is not a folder.
        MissingError: soundfile or soxr is not installed.
    """
    require_audio()
    listing = list_folder(root)
    files = [file for file in listing.files() if is_audio_file(file[2])]
    others = sum(1 for _ in listing.files()) - len(files)
    checked = list(in_threads(lambda file: _check_file(file, listing.root), files))
    notes = _remarks([file for file in checked if file.bad is None], others)
    return folder_report(root, listing, checked, thing="sound", notes=notes, duplicates=duplicates)


def _check_file(file: tuple[str, str, Path], root: Path) -> _CheckedSound:
    """Decode one file."""
    split, label, path = file
    where = relative(path, root)
    try:
        found = read_audio(path)
    except DataError as error:
        reason = error.received or error.expected
        return _CheckedSound(where, split, label, bad=BadFile(where, "damaged", reason))
    digest = hashlib.blake2b(str(found.sample_rate).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(found.waveform).tobytes())
    return _CheckedSound(
        where,
        split,
        label,
        size=f"{found.seconds:.1f} s",
        mode=f"{found.sample_rate:,} Hz",
        format=Path(where).suffix.lstrip(".").upper(),
        digest=digest.hexdigest(),
        silent=not found.waveform.any(),
    )


def _remarks(good: list[_CheckedSound], others: int) -> list[str]:
    """Return what one should know of the files, as sentences."""
    found = []
    silent = [one.path for one in good if one.silent]
    if silent:
        found.append(f"{counted(len(silent), 'sound is', 'sounds are')} silent, such as {silent[0]}")
    if others:
        found.append(
            f"{counted(others, 'file that is no sound is', 'files that are no sounds are')} left out"
        )
    if good and all(speaker_of(Path(one.path)) for one in good):
        names = {speaker_of(Path(one.path)) for one in good}
        found.append(
            f"the names of the files tell {counted(len(names), 'speaker')}, of whom whole ones are held out"
        )
    return found
