"""Image classification data set in a folder, one subfolder for each class, decoded when needed."""

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Self

import PIL
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError, nearest
from convscope.graph.spec import TensorSpec
from convscope.system.counting import counted
from convscope.system.threads import cores
from convscope.worlds.caching.fingerprint import files_fingerprint
from convscope.worlds.caching.pixel_cache import PixelCache
from convscope.worlds.dataset import Indices, Problem, checked
from convscope.worlds.images import photos
from convscope.worlds.images.datasets.labelled import LabelledImages, Picture, gathered
from convscope.worlds.images.decode import (
    SOUND_FILE,
    PhotoError,
    decode,
    read_bytes,
    read_start,
    stored_size,
)
from convscope.worlds.images.fit import placement
from convscope.worlds.images.listing import LAYOUT, Listing, in_text, in_threads, list_folder
from convscope.worlds.world import Placement

SOUND_SET = "Choose a network of sounds, such as sound-frequency: convscope nets sound lists them."
ONE_CLASS = "Pictures without classes go into one folder: FOLDER/all/<pictures>."
CACHE_BYTES = 2**29
"""Bytes; decoded images are kept when all of them fit into this: 512 MiB, 3,500 of 3x224x224."""
PAGE = 4096
"""Bytes of a page of memory."""
DECODING = 1
"""Version of how files become pixels; images on disk of another one are not used."""
HEADERS = 100
"""Most files whose size is looked up in their header."""
AHEAD = 2
"""Batches that are decoded while the current one is in use."""
LOOKED_AT = 32
"""Most files that are decoded to see whether a folder holds what is expected."""
NAMED = 3
"""Most files that an error names."""


@dataclass(frozen=True)
class ImageReading:
    """Hold how the decoded files of a folder become images of bytes.

    Attributes:
        to_bytes: an upright image in RGB -> uint8 `[c h w]` of the spec; raises DataError for an image
            that is not what the network takes.
        name: of this way of reading, for images that are kept on disk; empty for the usual one.
        wrong: kind of the problem of a file that `to_bytes` refuses.
        blank: level of an image that stands for a class without a readable one.
    """

    to_bytes: Callable[[Image.Image, TensorSpec], UInt8[Tensor, "c h w"]] = photos.to_bytes
    name: str = ""
    wrong: str = ""
    blank: int = 255


PHOTOGRAPHS = ImageReading()
"""Images are resized and cropped to the spec."""


class ImageFolder(LabelledImages):
    """Data set of images in `root/<class>/*` or `root/{train,val,test}/<class>/*`.

    Classes are sorted naturally (`2` before `10`), over all splits together. The format of a file is
    recognised by its content, whatever its name. Files without the signature of an image are left out at
    once; a file that turns out to be damaged when it is decoded is replaced by the next readable one of its
    class in this data set (by a white image, where the class has none), so that batches stay whole and labels
    right: `readable` and `unreadable_classes` find them before. Both are listed in `problems`. Nothing is
    written into the folder.

    What is decoded is kept: in memory, or where it is too large for that in a file in the user's cache
    folder, mapped into memory, which later runs read too (see `worlds.caching.pixel_cache`).

    Args:
        root: the folder.
        split: which of the splits, where the folder has some; `train` when left out, or the first without
            one.
        spec: shape and value range of the images; they are resized and cropped to it.
        cache_bytes: keep decoded images in memory when all fit into this many bytes.
        on_disk: keep those that do not fit on disk.
        workers: number of decoding threads; one for each core, at most 8, when left out.
        reading: how files become images; by default they are resized and cropped.

    Raises:
        DataError: there is no such folder, or no image in it.
        UsageError: there is no such split, or the spec is not for images.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        spec: TensorSpec = photos.SPEC,
        *,
        cache_bytes: int = CACHE_BYTES,
        on_disk: bool = True,
        workers: int | None = None,
        reading: ImageReading = PHOTOGRAPHS,
    ) -> None:
        listing = list_folder(root)
        split = _choose_split(listing, split)
        self.name = "/".join(filter(None, (in_text(Path(root).resolve().name), split)))
        self.classes, self.spec = listing.classes, spec
        self._notes = listing.faults
        photos.picture_size(spec)
        files = [(path, name) for name, paths in listing.splits[split].items() for path in paths]
        workers = workers or min(8, cores())
        problems = list(in_threads(_check_signature, [path for path, _ in files], workers))
        good = [file for file, problem in zip(files, problems, strict=True) if problem is None]
        index = {name: k for k, name in enumerate(self.classes)}
        self.labels = torch.tensor([index[name] for _, name in good], dtype=torch.int64)
        self._rows = torch.arange(len(good))
        memory = len(good) * prod(spec.shape) <= cache_bytes
        name = self.name if on_disk else ""
        paths = [path for path, _ in good]
        self._store = _Store(paths, self.labels, spec, workers, memory=memory, name=name, reading=reading)
        self._store.problems += [problem for problem in problems if problem is not None]
        self._store.problems += [_unlistable(folder) for folder in listing.unreadable]
        if not good:
            raise DataError(
                f"pictures in {listing.root / split}",
                received=_summary(self.problems) or _none_in_a_class(len(listing.stray)),
                hint=SOUND_SET if _are_sounds(self.problems) else f"{LAYOUT} {ONE_CLASS}",
            )

    @property
    @override
    def problems(self) -> tuple[Problem, ...]:
        """Files that could not be used, as far as they have been tried, in the order of their paths."""
        return tuple(sorted(self._store.problems, key=lambda problem: problem.path))

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        """What makes labels wrong: a single class, folders below classes, classes that are written alike."""
        return self._notes

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file of each image."""
        return tuple(self._store.paths[row] for row in self._rows.tolist())

    @override
    def pixels(self, indices: Indices) -> Picture:
        """Return a batch of images, decoded in threads.

        Raises:
            DataError: every file of this folder has turned out to be damaged.
            UsageError: an index is out of range.
        """
        rows = self._rows[checked(indices, len(self))]
        if self._store.is_kept(rows):
            return self._store.gather(rows)
        return _stack(list(in_threads(self._image, rows.tolist(), self._store.workers)), self.spec)

    @override
    def pixel_batches(self, indices: Indices, size: int) -> Iterator[tuple[Picture, Int64[Tensor, " b"]]]:
        """Iterate over batches of images and labels; the next batches are read or decoded meanwhile."""
        chosen = checked(indices, len(self))
        parts = iter(chosen.split(size) if len(chosen) else ())
        pool = ThreadPoolExecutor(self._store.workers)
        waiting: deque[tuple[Tensor, list[Future[Tensor]] | Future[None]]] = deque()

        def start(count: int) -> None:
            for part in islice(parts, count):
                rows = self._rows[part]
                if self._store.is_kept(rows):
                    waiting.append((part, pool.submit(self._store.touch, rows)))
                else:
                    waiting.append((part, [pool.submit(self._image, row) for row in rows.tolist()]))

        try:
            start(AHEAD + 1)
            while waiting:
                part, images = waiting.popleft()
                if isinstance(images, list):
                    yield _stack([image.result() for image in images], self.spec), self.labels[part]
                else:
                    images.result()
                    yield self._store.gather(self._rows[part]), self.labels[part]
                start(1)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    @override
    def take(self, indices: Indices) -> Self:
        """Return the subset of some images; decoded images and problems are shared with it."""
        indices = checked(indices, len(self))
        part = copy.copy(self)
        part._rows, part.labels = self._rows[indices], self.labels[indices]
        return part

    @override
    def original_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return height and width of the files, read from the headers of at most 100, evenly spread."""
        paths = self.paths
        count = min(len(paths), HEADERS)
        chosen = [paths[i * len(paths) // count] for i in range(count)]
        sizes = in_threads(_size, chosen, self._store.workers)
        return tuple(size for size in sizes if size is not None)

    @override
    def placements(self) -> tuple[Placement, ...]:
        if self._store.reading != PHOTOGRAPHS:
            return ()
        return tuple(placement((width, height), self.spec) for height, width in self.original_sizes())

    def _image(self, row: int) -> Tensor:
        """Return the image in a row of the store, or another one of its class in this data set."""
        return self._store.image(row, self._rows)

    def unreadable_classes(self) -> dict[str, int]:
        """Find classes of which no image can be decoded; decodes at least one of each class.

        Returns:
            The number of images of each such class.
        """
        found = {}
        for label, name in enumerate(self.classes):
            rows = self._rows[self.labels == label].tolist()
            if rows and not any(map(self._store.is_readable, rows)):
                found[name] = len(rows)
        return found

    def require_readable(self, expected: str, hint: str, *, share: float = 1 / 3) -> None:
        """Refuse a folder of which too many files cannot be read, by decoding a sample of them.

        Args:
            expected: what the files should be, for the error.
            hint: the next step, for the error.
            share: largest share of the sample that may be unreadable.

        Raises:
            DataError: more than that is.
        """
        count = min(len(self), LOOKED_AT)
        rows = [int(self._rows[i * len(self) // count]) for i in range(count)]
        good = list(in_threads(self._store.is_readable, rows, self._store.workers))
        bad = [self._store.paths[row] for row, fine in zip(rows, good, strict=True) if not fine]
        if len(bad) <= share * count:
            return
        names = ", ".join(in_text(path) for path in bad[:NAMED]) + ", ..." * (len(bad) > NAMED)
        raise DataError(
            expected, received=f"{len(bad)} of {count} that were opened are none: {names}", hint=hint
        )

    def readable(self) -> Self:
        """Return the subset of images that can be decoded; decodes every one of them once.

        Raises:
            DataError: there is none.
        """
        rows = self._rows.tolist()
        good = list(in_threads(self._store.is_readable, rows, self._store.workers))
        if not any(good):
            raise self._store.no_readable_error()
        return self.take(torch.tensor(good).nonzero().flatten())


class _Store:
    """The images of some files, decoded once, shared by all subsets of a folder; thread-safe.

    Args:
        paths: the files.
        labels: class of each, `[n]`.
        spec: shape of the images.
        workers: number of threads that decode.
        memory: whether to keep the images in memory.
        name: of the data set, to keep images on disk where they are not kept in memory; empty for neither.
        reading: how files become images.
    """

    def __init__(
        self,
        paths: list[Path],
        labels: Tensor,
        spec: TensorSpec,
        workers: int,
        *,
        memory: bool,
        name: str,
        reading: ImageReading,
    ) -> None:
        self.paths, self.spec, self.workers, self.reading = paths, spec, workers, reading
        self.problems: list[Problem] = []
        self._labels = labels
        self._bad: set[int] = set()
        self._lock = threading.Lock()
        self._images = torch.empty(len(paths), *spec.shape, dtype=torch.uint8) if memory else None
        self._disk: PixelCache | None = None
        self._name = "" if memory else name
        self._kept = torch.zeros(len(paths), dtype=torch.bool)
        """Which of the images are what they should be."""

    def is_kept(self, rows: Tensor) -> bool:
        """Return whether the images in these rows need neither be decoded nor verified."""
        return bool(self._kept[rows].all())

    def touch(self, rows: Tensor) -> None:
        """Read a byte of each memory page of the images in some rows, so that they come from the disk now."""
        if self._disk is not None:
            self._disk.pixels.flatten(1)[rows, ::PAGE].sum()

    def gather(self, rows: Tensor) -> Picture:
        """Return a copy of the images in some rows, all of which are kept."""
        if self._images is None:
            return torch.empty((0, *self.spec.shape), dtype=torch.uint8)
        return gathered(self._images, rows)

    def is_readable(self, row: int) -> bool:
        """Return whether the image in a row can be decoded."""
        return self._own(row) is not None

    def image(self, row: int, among: Tensor) -> UInt8[Tensor, "c h w"]:
        """Return the image in a row, or the next readable one of its class, or a blank one without any.

        Args:
            row: the row.
            among: rows of the data set: a damaged training image must not be replaced by a test image.

        Raises:
            DataError: every file is damaged.
        """
        image = self._own(row)
        if image is not None:
            return image
        members = among[self._labels[among] == self._labels[row]].tolist()
        at = members.index(row)
        for other in members[at + 1 :] + members[:at]:
            image = self._own(other)
            if image is not None:
                return image
        if not any(map(self.is_readable, range(len(self.paths)))):
            raise self.no_readable_error()
        return torch.full(self.spec.shape, self.reading.blank, dtype=torch.uint8)

    def no_readable_error(self) -> DataError:
        """Return the error for a folder of which every file is damaged."""
        return DataError(
            "at least one readable picture", received=_summary(tuple(self.problems)), hint=LAYOUT
        )

    def _own(self, row: int) -> Tensor | None:
        """Return the image of this very row, or None when its file is bad."""
        if row in self._bad:
            return None
        if self._images is not None and self._kept[row]:
            return self._images[row]
        disk = self._open_disk()
        image = None if disk is None else disk.read(row)
        if image is not None:
            self._kept[row] = True
            return image
        path = self.paths[row]
        try:
            image = self.reading.to_bytes(decode(read_bytes(path), str(path)), self.spec)
        except PhotoError as error:
            return self._refuse(row, error.kind, error.reason)
        except DataError as error:
            return self._refuse(row, self.reading.wrong, error.received)
        if disk is not None:
            self._kept[row] = disk.write(row, image)
        elif self._images is not None:
            self._images[row] = image
            self._kept[row] = True
        return image

    def _refuse(self, row: int, kind: str, reason: str) -> None:
        """Remember once that the file of a row cannot be used, and why."""
        with self._lock:
            if row not in self._bad:
                self._bad.add(row)
                self.problems.append(Problem(in_text(self.paths[row]), kind, reason))

    def _open_disk(self) -> PixelCache | None:
        """Return the images on disk, opened when the first one is needed; None where they are in memory."""
        with self._lock:
            name, self._name = self._name, ""
            if name:
                facts = (DECODING, PIL.__version__, self.spec.shape, self.spec.transform)
                facts += (self.reading.name,) if self.reading.name else ()
                fingerprint = files_fingerprint(self.paths, *facts)
                self._disk = PixelCache.open(name, fingerprint, len(self.paths), self.spec.shape)
                self._images = None if self._disk is None else self._disk.pixels
        return self._disk


def _stack(images: list[Tensor], spec: TensorSpec) -> Picture:
    return torch.stack(images) if images else torch.empty((0, *spec.shape), dtype=torch.uint8)


def _choose_split(listing: Listing, split: str | None) -> str:
    """Return the split to read: the given one, or the default."""
    there = list(listing.splits)
    if there == [""]:
        if split in (None, ""):
            return ""
        raise UsageError(
            f"a folder with a part named {split}",
            received=f"{listing.root}, whose folders are classes",
            hint=f"Leave the split out, or lay it out as {split}/<class>/<pictures>.",
        )
    if split is None:
        split = "train" if "train" in there else there[0]
    if split not in there:
        raise UsageError(f"a part of {listing.root}", received=split, hint=nearest(split, there))
    return split


def _check_signature(path: Path) -> Problem | None:
    """Return what is wrong with a file by its first bytes, if anything."""
    try:
        read_start(path)
    except PhotoError as error:
        return Problem(in_text(path), error.kind, error.reason)
    return None


def _size(path: Path) -> tuple[int, int] | None:
    """Return height and width that a file's header states; None where it makes no sense."""
    try:
        return stored_size(path)
    except PhotoError:
        return None


def _none_in_a_class(stray: int) -> str:
    """Say that no folder of a class holds a file, and how many files lie beside such folders."""
    beside = f"{counted(stray, 'file')} outside of class folders, and " if stray else ""
    return f"{beside}no file in any class folder"


def _unlistable(folder: Path) -> Problem:
    return Problem(in_text(folder), "unreadable", "the folder may not be listed")


def _summary(problems: tuple[Problem, ...]) -> str:
    kinds = [problem.kind for problem in problems]
    return ", ".join(f"{counted(kinds.count(kind), 'file')} ({kind})" for kind in dict.fromkeys(kinds))


def _are_sounds(problems: tuple[Problem, ...]) -> bool:
    """Return whether all files are sounds."""
    return bool(problems) and all(problem.reason.endswith(SOUND_FILE) for problem in problems)
