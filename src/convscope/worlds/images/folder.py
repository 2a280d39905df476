"""Image classification data set in a folder, one subfolder for each class, decoded when needed."""

import copy
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError, nearest
from convscope.graph.spec import TensorSpec
from convscope.system.threads import cores
from convscope.worlds.dataset import Indices, LabelledImages, Picture, Problem, checked
from convscope.worlds.images import photos
from convscope.worlds.images.decode import PhotoError, decode, read_bytes, read_start, stored_size
from convscope.worlds.images.listing import LAYOUT, Listing, in_text, in_threads, list_folder

CACHE_BYTES = 2**29
"""Bytes; decoded images are kept when all of them fit into this: 512 MiB, 3,500 of 3x224x224."""
HEADERS = 100
"""Most files whose size is looked up in their header."""
AHEAD = 2
"""Batches that are decoded while the current one is in use."""


class ImageFolder(LabelledImages):
    """Data set of images in `root/<class>/*` or `root/{train,val,test}/<class>/*`.

    Classes are sorted naturally (`2` before `10`), over all splits together. The format of a file is
    recognised by its content, whatever its name. Files without the signature of an image are left out at
    once; a file that turns out to be damaged when it is decoded is replaced by the next readable one of its
    class in this data set (by a white image, where the class has none), so that batches stay whole and labels
    right: `readable` and `unreadable_classes` find them before. Both are listed in `problems`. Nothing is
    ever written.

    Args:
        root: the folder.
        split: which of the splits, where the folder has some; `train` when left out, or the first without
            one.
        spec: shape and value range of the images; they are resized and cropped to it.
        cache_bytes: keep decoded images when all fit into this many bytes.
        workers: number of decoding threads; one for each core, at most 8, when left out.

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
        workers: int | None = None,
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
        self._store = _Store([path for path, _ in good], self.labels, spec, cache_bytes, workers)
        self._store.problems += [problem for problem in problems if problem is not None]
        self._store.problems += [_unlistable(folder) for folder in listing.unreadable]
        if not good:
            raise DataError(
                f"pictures in {listing.root / split}",
                received=_summary(self.problems) or "no file in any class folder",
                hint=LAYOUT,
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
        rows = self._rows[checked(indices, len(self))].tolist()
        return _stack(list(in_threads(self._image, rows, self._store.workers)), self.spec)

    @override
    def batches(self, indices: Indices, size: int) -> Iterator[tuple[Picture, Int64[Tensor, " b"]]]:
        """Iterate over batches of images and labels; the next batches are decoded meanwhile."""
        chosen = checked(indices, len(self))
        parts = iter(chosen.split(size) if len(chosen) else ())
        pool = ThreadPoolExecutor(self._store.workers)
        waiting: deque[tuple[Tensor, list[Future[Tensor]]]] = deque()

        def start(count: int) -> None:
            for part in islice(parts, count):
                rows = self._rows[part].tolist()
                waiting.append((part, [pool.submit(self._image, row) for row in rows]))

        try:
            start(AHEAD + 1)
            while waiting:
                part, images = waiting.popleft()
                yield _stack([image.result() for image in images], self.spec), self.labels[part]
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
    """Cache of the decoded images of some files, shared by all subsets of a folder; thread-safe."""

    def __init__(
        self, paths: list[Path], labels: Tensor, spec: TensorSpec, cache_bytes: int, workers: int
    ) -> None:
        self.paths, self.spec, self.workers = paths, spec, workers
        self.problems: list[Problem] = []
        self._labels = labels
        self._bad: set[int] = set()
        self._lock = threading.Lock()
        extent = (len(paths), *spec.shape)
        fits = torch.Size(extent).numel() <= cache_bytes
        self._cache = torch.empty(extent, dtype=torch.uint8) if fits else None
        self._cached = [False] * len(paths)

    def is_readable(self, row: int) -> bool:
        """Return whether the image in a row can be decoded."""
        return self._own(row) is not None

    def image(self, row: int, among: Tensor) -> UInt8[Tensor, "c h w"]:
        """Return the image in a row, or the next readable one of its class, or white without any.

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
        return torch.full(self.spec.shape, 255, dtype=torch.uint8)

    def no_readable_error(self) -> DataError:
        """Return the error for a folder of which every file is damaged."""
        return DataError(
            "at least one readable picture", received=_summary(tuple(self.problems)), hint=LAYOUT
        )

    def _own(self, row: int) -> Tensor | None:
        """Return the image of this very row, or None when its file is bad."""
        if row in self._bad:
            return None
        if self._cache is not None and self._cached[row]:
            return self._cache[row]
        path = self.paths[row]
        try:
            image = photos.to_bytes(decode(read_bytes(path), str(path)), self.spec)
        except PhotoError as error:
            with self._lock:
                if row not in self._bad:
                    self._bad.add(row)
                    self.problems.append(Problem(in_text(path), error.kind, error.reason))
            return None
        if self._cache is not None:
            self._cache[row] = image
            self._cached[row] = True
        return image


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


def _unlistable(folder: Path) -> Problem:
    return Problem(in_text(folder), "unreadable", "the folder may not be listed")


def _summary(problems: tuple[Problem, ...]) -> str:
    kinds = [problem.kind for problem in problems]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
