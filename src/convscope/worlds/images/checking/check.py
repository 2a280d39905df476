"""Validation of a folder of images: broken files, duplicates, empty classes."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from PIL import Image

from convscope.recipe.result import Result
from convscope.system.counting import counted
from convscope.system.printable import printable
from convscope.worlds.images.decode import KINDS, MOST_PIXELS, PhotoError, decode, read_bytes, read_header
from convscope.worlds.images.listing import LAYOUT, Listing, in_text, in_threads, list_folder
from convscope.worlds.images.world import ImageWorld

SMALLEST = 8
"""Pictures with a shorter side than this get a remark."""
LISTED = 5
"""Most files that a remark names."""


@dataclass(frozen=True)
class Duplicate:
    """Files that hold the same image, pixel for pixel.

    Attributes:
        paths: the files, relative to the checked folder.
        across_splits: whether they lie in several splits, so that a network is tested on training images.
        across_classes: whether they lie in several classes, so that one image has two labels.
    """

    paths: tuple[str, ...]
    across_splits: bool
    across_classes: bool


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be used.

    Attributes:
        path: the file, relative to the checked folder.
        kind: one of `photos.KINDS`.
        reason: what is wrong, in words.
    """

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class DatasetReport(Result):
    """The result of `check_data`.

    Attributes:
        folder: the folder or file that was checked.
        pictures: number of readable images or other things, by split ("" where there are none) and class.
        problems: files that cannot be used.
        duplicates: groups of equal images; of texts, those that stand in several classes or splits.
        empty_classes: classes without a readable image in some split, as `split/class`.
        stray: files that lie outside every class.
        hidden: number of ignored names.
        sizes: number of images by "WIDTHxHEIGHT" as stored, most frequent first; of sounds by seconds, of
            boards by their size.
        modes: number of images by Pillow's colour mode, most frequent first; of sounds by sample rate.
        formats: number of images or sounds by file format, most frequent first.
        faults: what makes labels wrong or results meaningless, as sentences.
        remarks: what else one should know, as sentences.
        thing: what one of them is called,
        things: and several.
    """

    folder: str
    pictures: Mapping[str, Mapping[str, int]]
    problems: tuple[BadFile, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    empty_classes: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()
    hidden: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    formats: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    thing: str = "picture"
    things: str = "pictures"

    @property
    def total(self) -> int:
        """Number of readable images or other things."""
        return sum(count for classes in self.pictures.values() for count in classes.values())

    @property
    def kinds(self) -> dict[str, int]:
        """Number of bad files by kind; kinds that do not occur are left out."""
        found = Counter(problem.kind for problem in self.problems)
        return {kind: found[kind] for kind in dict.fromkeys((*KINDS, *found)) if found[kind]}

    @property
    def ok(self) -> bool:
        """Whether there are images, all usable, none twice, no class empty, no fault; strays are allowed."""
        return bool(
            self.total and not (self.problems or self.duplicates or self.empty_classes or self.faults)
        )

    def to_json(self) -> dict[str, object]:
        """Return all fields, and `ok`, `total` and `kinds`, as plain values."""
        return {"ok": self.ok, "total": self.total, "kinds": self.kinds, **asdict(self)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "DatasetReport":
        """Return the report of which `to_json` has made plain values.

        Args:
            values: what `to_json` returned.

        Returns:
            The report.
        """
        named = {entry.name: values[entry.name] for entry in fields(cls) if entry.name in values}
        found = {
            "problems": tuple(BadFile(**problem) for problem in values["problems"]),
            "duplicates": tuple(Duplicate(**duplicate) for duplicate in values["duplicates"]),
        }
        return cls(**{**named, **found})

    def __str__(self) -> str:
        classes = {name for split in self.pictures.values() for name in split}
        lines = [
            f"{self.folder}: {self.total:,} {self.things} in {counted(len(classes), 'class', 'classes')}"
        ]
        lines += [f"  {split or 'all'}: {_counted(counts)}" for split, counts in self.pictures.items()]
        lines += [f"  {count} {kind}" for kind, count in self.kinds.items()]
        lines += [f"  {problem.path}: {problem.reason}" for problem in self.problems[:20]]
        for duplicate in self.duplicates[:20]:
            where = " across splits" * duplicate.across_splits + " across classes" * duplicate.across_classes
            lines.append(f"  the same {self.thing}{where}: {', '.join(duplicate.paths)}")
        lines += [f"  no {self.thing} in class {name}" for name in self.empty_classes]
        if self.stray:
            more = f" and {len(self.stray) - LISTED:,} more" if len(self.stray) > LISTED else ""
            lines.append(f"  outside every class: {', '.join(self.stray[:LISTED])}{more}")
        lines += [f"  {counted(self.hidden, 'hidden name')} ignored"] * (self.hidden > 0)
        lines += [f"  {fault}" for fault in self.faults]
        lines += [f"  remark: {remark}" for remark in self.remarks]
        return "\n".join(map(printable, lines))


@dataclass(frozen=True)
class CheckedFile:
    """The result of checking one file: what is wrong with it, or its properties and a hash of its content.

    Attributes:
        path: the file, relative to the checked folder.
        split: the split in which it lies, "" where there are none.
        label: its class.
        bad: what is wrong with it; the other attributes say nothing then.
        size: as `DatasetReport.sizes` counts it,
        mode: as `modes` does,
        format: and as `formats` does.
        digest: equal for files of the same content.
        remark: why there is little or nothing to see in it; empty where there is.
    """

    path: str
    split: str
    label: str
    bad: BadFile | None = None
    size: str = ""
    mode: str = ""
    format: str = ""
    digest: str = ""
    remark: str = ""


def check_images(
    folder: str | Path,
    *,
    duplicates: bool = True,
    most_pixels: int = MOST_PIXELS,
    workers: int | None = None,
) -> DatasetReport:
    """Validate a folder of images: decode every file, count it, and compare it with all others.

    Bad files are counted and raise nothing. Images are equal when their upright RGB pixels are.

    Args:
        folder: a folder in ImageFolder's layout, with or without train/val/test.
        duplicates: whether to look for equal images.
        most_pixels: number of pixels above which an image counts as too large and is not decoded.
        workers: number of threads; one for each core, at most 8, when left out.

    Returns:
        Counts, problems, duplicates and remarks.

    Raises:
        DataError: the folder is missing, or is not a folder.
    """
    listing = list_folder(folder)
    files = listing.files()
    results = list(
        in_threads(lambda file: _check_file(file, listing.root, duplicates, most_pixels), files, workers)
    )
    if not any(listing.splits.values()):  # no folder for each class: what is damaged is said all the same
        stray = [("", "", path) for path in listing.stray if path.suffix.lower() in ImageWorld.suffixes]
        found = in_threads(lambda file: _check_file(file, listing.root, False, most_pixels), stray, workers)
        results += [file for file in found if file.bad is not None]
    return folder_report(folder, listing, results, duplicates=duplicates)


def folder_report(
    folder: str | Path,
    listing: Listing,
    checked: Sequence[CheckedFile],
    *,
    thing: str = "picture",
    notes: Iterable[str] = (),
    duplicates: bool = True,
) -> DatasetReport:
    """Summarise what was found of the files of a folder.

    Args:
        folder: the folder, as the user names it.
        listing: its files.
        checked: what was found of each that counts.
        thing: what one of them is called.
        notes: further remarks, as sentences.
        duplicates: whether to group files of the same content.

    Returns:
        Counts, problems, duplicates and remarks.
    """
    good = [file for file in checked if file.bad is None]
    counts = _counts(listing, good)
    return DatasetReport(
        folder=in_text(folder),
        pictures=counts,
        problems=(*(file.bad for file in checked if file.bad is not None), *_unlistable(listing)),
        duplicates=_duplicates(good) if duplicates else (),
        empty_classes=empty_classes(counts),
        stray=tuple(relative(path, listing.root) for path in listing.stray),
        hidden=listing.hidden,
        sizes=most_common(file.size for file in good),
        modes=most_common(file.mode for file in good),
        formats=most_common(file.format for file in good),
        faults=tuple(map(in_text, _faults(listing, counts, thing))),
        remarks=tuple(map(in_text, (*_remarks(listing, counts, thing), *_of_files(good), *notes))),
        thing=thing,
        things=f"{thing}s",
    )


def _faults(listing: Listing, counts: Mapping[str, Mapping[str, int]], thing: str) -> Iterator[str]:
    """Find what makes labels wrong or results meaningless, as sentences without a full stop."""
    sums = _per_class(counts)
    if listing.stray and not sums:
        yield f"{thing}s without a folder for each class. {LAYOUT.replace('picture', thing)}"
    if not any(sums.values()):
        yield f"no {thing} that can be used" + (", only hidden names" * (listing.hidden > 0 and not sums))
    filled = [name for name, count in sums.items() if count]
    if len(filled) == 1 and len(sums) > 1:
        yield f"{thing}s of one class only, {filled[0]}: every answer of a classifier would be right"
    yield from listing.faults
    names = {split: set(classes) for split, classes in listing.splits.items()}
    for split, there in names.items():
        only = sorted(
            name for name in there if all(name not in names[other] for other in names if other != split)
        )
        if only and len(names) > 1:
            yield f"classes that only {split} has: {', '.join(only)}"


def _remarks(listing: Listing, counts: Mapping[str, Mapping[str, int]], thing: str) -> Iterator[str]:
    """Find what one should know besides, as sentences without a full stop."""
    single = [name for name, count in _per_class(counts).items() if count == 1]
    if single:
        shown = ", ".join(single[:5]) + ", ..." * (len(single) > 5)
        yield f"a single {thing} in {shown}: it cannot be both learned from and tested on"
    for link in listing.unfollowed:
        yield f"a link to a folder is not followed: {link.relative_to(listing.root)}"


def _per_class(pictures: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    """Return the number of readable images of each class, over all splits."""
    sums: Counter[str] = Counter()
    for classes in pictures.values():
        sums.update(classes)
    return sums


def _counts(listing: Listing, results: Iterable[CheckedFile]) -> dict[str, dict[str, int]]:
    counts = Counter((result.split, result.label) for result in results)
    return {split: {name: counts[split, name] for name in names} for split, names in listing.splits.items()}


def _check_file(file: tuple[str, str, Path], root: Path, digest: bool, most_pixels: int) -> CheckedFile:
    """Decode one file and return what it holds, or what is wrong with it."""
    split, label, path = file
    where = relative(path, root)
    try:
        content = read_bytes(path)
        header = read_header(content, where, most_pixels)
        size, mode, kind = "{}x{}".format(*header.size), header.mode, header.format or ""
        image = decode(content, where, most_pixels)
    except PhotoError as error:
        return CheckedFile(where, split, label, bad=BadFile(where, error.kind, error.reason))
    pixels = hashlib.blake2b(repr(image.size).encode(), digest_size=16)
    if digest:
        pixels.update(image.tobytes())
    remark = ""
    if min(header.size) < SMALLEST:
        remark = f"smaller than {SMALLEST} pixels"
    elif _is_transparent(header):
        remark = "transparent: nothing to see"
    return CheckedFile(where, split, label, None, size, mode, kind, pixels.hexdigest(), remark)


def _is_transparent(image: Image.Image) -> bool:
    """Return whether every pixel of a picture that can be decoded is fully transparent."""
    if not image.has_transparency_data:
        return False
    return image.convert("RGBA").getchannel("A").getextrema() == (0, 0)


def _of_files(checked: Iterable[CheckedFile]) -> Iterator[str]:
    """Say in which files there is little or nothing to see, the first ones of each reason by name."""
    groups: dict[str, list[str]] = {}
    for file in checked:
        if file.remark:
            groups.setdefault(file.remark, []).append(file.path)
    for remark, paths in groups.items():
        more = f" and {len(paths) - LISTED:,} more" if len(paths) > LISTED else ""
        yield f"{remark}: {', '.join(paths[:LISTED])}{more}"


def _duplicates(results: Iterable[CheckedFile]) -> tuple[Duplicate, ...]:
    groups: dict[str, list[CheckedFile]] = {}
    for result in results:
        groups.setdefault(result.digest, []).append(result)
    return tuple(
        Duplicate(
            tuple(result.path for result in group),
            across_splits=len({result.split for result in group}) > 1,
            across_classes=len({result.label for result in group}) > 1,
        )
        for group in groups.values()
        if len(group) > 1
    )


def empty_classes(counts: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """Return classes without a usable file in some split, also those that only other splits have.

    Args:
        counts: number of usable ones, by split and class.

    Returns:
        `split/class` of each.
    """
    every = dict.fromkeys(name for classes in counts.values() for name in classes)
    return tuple(
        "/".join(filter(None, (split, name)))
        for split, classes in counts.items()
        for name in every
        if not classes.get(name)
    )


def _unlistable(listing: Listing) -> list[BadFile]:
    """Return the folders that may not be listed, as what is wrong."""
    reason = "the folder may not be listed"
    return [BadFile(relative(path, listing.root), "unreadable", reason) for path in listing.unreadable]


def relative(path: Path, root: Path) -> str:
    """Return a path below a folder as text that can be printed.

    Args:
        path: the path.
        root: the folder.

    Returns:
        The text.
    """
    return in_text(path.relative_to(root))


def most_common(values: Iterable[str]) -> dict[str, int]:
    """Count values.

    Args:
        values: any texts.

    Returns:
        The number of each, most frequent first.
    """
    return dict(Counter(values).most_common())


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "no class"
