"""Free Spoken Digit Dataset: English digits at 8 kHz by several speakers."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from convscope.errors import DataError, MissingError, UsageError, nearest
from convscope.graph.spec import SOUND, TensorSpec
from convscope.worlds.sound.folder import sound_spec
from convscope.worlds.sound.recordings import Clip, LabelledSounds

NAME = "fsdd"
WITHOUT = f"{NAME}-without-"
"""Before the name of a speaker: learn from all others, and test on this one."""
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
"""Speakers of the set as it was published; copies may lack some."""
DIGITS = tuple("0123456789")
SPEC = sound_spec(8000, 1.0)
TESTED = 5
"""Recordings 0 to 4 of each speaker and digit are the test part, as the authors split."""
LARGEST = 2**22
"""Bytes of the largest recording that is read from the archive."""
FILE = re.compile(r"([0-9])_([a-z]+)_(\d+)\.wav")
ARCHIVE = "recordings.zip"


def names() -> tuple[str, ...]:
    """Return the names by which `worlds.open` knows the set and its splits by speaker."""
    return (NAME, *(WITHOUT + speaker for speaker in SPEAKERS))


def open_fsdd(
    ref: str, root: str | Path | None, split: str, spec: TensorSpec | None = None
) -> LabelledSounds:
    """Read the Free Spoken Digit Dataset.

    Args:
        ref: `fsdd` splits as its authors do, recordings 0 to 4 of each speaker and digit to test on: every
            voice is then both learned from and tested on. `fsdd-without-SPEAKER` tests on the recordings of
            that speaker and learns from those of the others.
        root: folder with the WAV files, a folder `recordings` of them, or `recordings.zip`.
        split: `train` or `test`.
        spec: specification of the inputs; by default one second at 8 kHz.

    Returns:
        The data set, in memory, with its `speakers`.

    Raises:
        UsageError: there is no such split or speaker.
        MissingError: the folder does not hold the set, or soundfile is not installed.
        DataError: the archive or a file is damaged.

    Source: Zohar Jackson and others, github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0.
    """
    if split not in ("train", "test"):
        raise UsageError(f"a split of {ref}", received=split, hint=nearest(split, ("train", "test")))
    clips = list(_clips(root))
    if not clips:
        raise _missing(root)
    speaker = ref.removeprefix(WITHOUT) if ref.startswith(WITHOUT) else ""
    present = sorted({clip.speaker for clip in clips})
    if speaker and speaker not in present:
        raise UsageError(
            f"a speaker in {root}: {', '.join(present)}", received=speaker, hint=nearest(speaker, present)
        )
    chosen = [clip for clip in clips if _is_tested(clip, speaker) == (split == "test")]
    fits = spec if spec is not None and spec.kind == SOUND else SPEC
    return LabelledSounds.read(chosen, DIGITS, fits, f"{ref}/{split}")


def _is_tested(clip: Clip, speaker: str) -> bool:
    return clip.speaker == speaker if speaker else int(Path(clip.name).stem.rpartition("_")[2]) < TESTED


def _clips(root: str | Path | None) -> Iterator[Clip]:
    """Yield the recordings in a folder or its archive, in the order of their names."""
    if root is None:
        return
    for folder in (Path(root), Path(root) / "recordings"):
        found = sorted(path for path in folder.glob("*.wav") if FILE.fullmatch(path.name))
        if found:
            yield from (_clip(path, path.name) for path in found)
            return
    archive = Path(root) / ARCHIVE
    if not archive.is_file():
        return
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in sorted(opened.infolist(), key=lambda entry: entry.filename):
                name = Path(entry.filename).name
                if FILE.fullmatch(name):
                    if entry.file_size > LARGEST:
                        raise DataError(
                            f"recordings of at most {LARGEST:,} bytes in {archive}",
                            received=f"{name} of {entry.file_size:,}",
                            hint="Copy or download it again.",
                        )
                    yield _clip(opened.read(entry), name)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise DataError(
            f"a readable archive {archive}", received=str(error), hint="Copy or download it again."
        ) from None


def _clip(source: object, name: str) -> Clip:
    matched = FILE.fullmatch(name)
    if matched is None:
        raise ValueError(name)
    return Clip(source, name, int(matched[1]), matched[2])


def _missing(root: str | Path | None) -> MissingError:
    return MissingError(
        "a folder that holds fsdd",
        received=f"{root}, which does not hold it" if root is not None else "no folder",
        hint=f"Expected: FOLDER/{ARCHIVE}, FOLDER/recordings/*.wav or FOLDER/*.wav, from "
        "https://github.com/Jakobovski/free-spoken-digit-dataset (CC BY-SA 4.0). Name it with root (--root "
        "FOLDER).",
    )
