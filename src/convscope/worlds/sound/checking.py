"""Validation of a folder of sounds: damaged, silent and doubled files, empty classes."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convscope.errors import DataError
from convscope.worlds.images.checking.check import (
    BadFile,
    DatasetReport,
    Duplicate,
    empty_classes,
    faults,
    most_common,
    relative,
    remarks,
    unlistable,
)
from convscope.worlds.images.listing import Listing, in_text, in_threads, list_folder
from convscope.worlds.sound.audio import is_audio_file, read_audio, require_audio
from convscope.worlds.sound.folder import speaker_of

THING = "sound"


@dataclass(frozen=True)
class _Heard:
    """One file: what is wrong with it, or its properties and a hash of its samples."""

    path: str
    split: str
    label: str
    bad: BadFile | None = None
    seconds: float = 0.0
    rate: int = 0
    silent: bool = False
    digest: str = ""


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
    heard = list(in_threads(lambda file: _heard(file, listing.root), files))
    good = [one for one in heard if one.bad is None]
    counts = _counts(listing, good)
    notes = [*remarks(listing, counts, THING), *_remarks(good, others)]
    return DatasetReport(
        folder=in_text(root),
        pictures=counts,
        problems=(*(one.bad for one in heard if one.bad is not None), *unlistable(listing)),
        duplicates=_duplicates(good) if duplicates else (),
        empty_classes=empty_classes(counts),
        stray=tuple(relative(path, listing.root) for path in listing.stray),
        hidden=listing.hidden,
        sizes=most_common(f"{one.seconds:.1f} s" for one in good),
        modes=most_common(f"{one.rate:,} Hz" for one in good),
        formats=most_common(Path(one.path).suffix.lstrip(".").upper() for one in good),
        faults=tuple(map(in_text, faults(listing, counts, THING))),
        remarks=tuple(map(in_text, notes)),
        thing=THING,
        things="sounds",
    )


def _heard(file: tuple[str, str, Path], root: Path) -> _Heard:
    """Decode one file."""
    split, label, path = file
    where = relative(path, root)
    try:
        found = read_audio(path)
    except DataError as error:
        reason = error.received or error.expected
        return _Heard(where, split, label, bad=BadFile(where, "damaged", reason))
    digest = hashlib.blake2b(str(found.sample_rate).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(found.waveform).tobytes())
    silent = not found.waveform.any()
    facts = found.seconds, found.sample_rate, silent, digest.hexdigest()
    return _Heard(where, split, label, None, *facts)


def _counts(listing: Listing, good: list[_Heard]) -> dict[str, dict[str, int]]:
    found = Counter((one.split, one.label) for one in good)
    return {split: {name: found[split, name] for name in names} for split, names in listing.splits.items()}


def _remarks(good: list[_Heard], others: int) -> list[str]:
    """Return what one should know of the files, as sentences."""
    found = []
    silent = [one.path for one in good if one.silent]
    if silent:
        found.append(f"{len(silent):,} sounds are silent, such as {silent[0]}")
    if others:
        found.append(f"{others:,} files that are no sounds are left out")
    if good and all(speaker_of(Path(one.path)) for one in good):
        names = {speaker_of(Path(one.path)) for one in good}
        found.append(f"the names of the files tell {len(names):,} speakers, of whom whole ones are held out")
    return found


def _duplicates(good: list[_Heard]) -> tuple[Duplicate, ...]:
    groups: dict[str, list[_Heard]] = {}
    for one in good:
        groups.setdefault(one.digest, []).append(one)
    return tuple(
        Duplicate(
            tuple(one.path for one in group),
            across_splits=len({one.split for one in group}) > 1,
            across_classes=len({one.label for one in group}) > 1,
        )
        for group in groups.values()
        if len(group) > 1
    )
