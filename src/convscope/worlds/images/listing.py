"""List the files of a folder of images: `root/<class>/*`, or `root/{train,val,test}/<class>/*`."""

import mimetypes
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from convscope.errors import DataError
from convscope.system.threads import cores

SPLITS = ("train", "val", "valid", "validation", "test")
HIDDEN = frozenset({"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN"})
"""Left by operating systems and tools; ignored, like every name that starts with a dot."""

LAYOUT = "Expected layout: FOLDER/<class>/<pictures>, or FOLDER/train/<class>/<pictures> and FOLDER/test/..."

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass
class Listing:
    """The files of a folder of images.

    Attributes:
        root: the folder.
        splits: files by split ("" where there are none) and class, all in natural order.
        hidden: number of ignored names.
        stray: files that lie outside any class.
        unreadable: folders that may not be listed.
        unfollowed: links to folders below a class, whose files are left out.
    """

    root: Path
    splits: dict[str, dict[str, list[Path]]]
    hidden: int = 0
    stray: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    unfollowed: list[Path] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of all splits, naturally sorted; a label means the same in each split."""
        return tuple(sorted({name for split in self.splits.values() for name in split}, key=natural))

    @property
    def nested(self) -> dict[str, tuple[str, ...]]:
        """Folders with files inside the folder of a class, by the path of that class, to which they count."""
        found: dict[str, dict[str, None]] = {}
        for split, name, path in self.files():
            inner = path.relative_to(self.root).parts[1 + bool(split) : -1]
            if inner:
                found.setdefault("/".join(filter(None, (split, name))), {})[inner[0]] = None
        return {where: tuple(folders) for where, folders in found.items()}

    @property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """Groups of classes whose names differ only in upper and lower case or in how Unicode writes them."""
        groups: dict[str, list[str]] = {}
        for name in self.classes:
            groups.setdefault(unicodedata.normalize("NFKC", name).casefold().strip(), []).append(name)
        return tuple(tuple(names) for names in groups.values() if len(names) > 1)

    @property
    def faults(self) -> tuple[str, ...]:
        """What makes labels wrong or results meaningless, as sentences."""
        found = [
            f"one class only, {name}: every answer of a classifier would be right"
            for name in self.classes
            if len(self.classes) == 1
        ]
        for where, folders in self.nested.items():
            shown = ", ".join(folders[:3]) + ", ..." * (len(folders) > 3)
            found.append(
                f"{where} holds folders ({shown}), and all their pictures count as the class "
                f"{where.rpartition('/')[2]}: they may lie one level too deep"
            )
        found += [f"classes that differ only in how they are written: {', '.join(n)}" for n in self.alike]
        return tuple(found)

    def files(self) -> Iterator[tuple[str, str, Path]]:
        """Iterate over split, class and path of every file."""
        for split, classes in self.splits.items():
            for name, paths in classes.items():
                for path in paths:
                    yield split, name, path


def natural(name: str) -> tuple[object, ...]:
    """Return a sort key for natural order: `img2` before `img10`.

    Args:
        name: the text to sort.

    Returns:
        A key that compares numbers by value and other text without regard to case; equal ones by the text
        itself.
    """
    parts = re.split(r"([0-9]+)", name)
    return tuple(part.casefold() if i % 2 == 0 else int(part) for i, part in enumerate(parts)), name


def in_text(name: str | Path) -> str:
    """Return a file's name as text that can be printed and stored: bytes that are not UTF-8 are escaped.

    Args:
        name: the name or path; Python represents such bytes by surrogates.

    Returns:
        The name as valid Unicode.
    """
    return str(name).encode("utf-8", "backslashreplace").decode()


def list_folder(root: str | Path) -> Listing:
    """List the files of a folder of images; links to folders below a class are not followed.

    The folder is taken to have splits when all its subfolders are named in `SPLITS` and one of them holds
    folders.

    Args:
        root: the folder.

    Returns:
        The files by split and class. They are not opened.

    Raises:
        DataError: it is missing, or not a folder; or two classes have the same name once escaped.
    """
    root = Path(root)
    if not root.is_dir():
        there = "there is nothing" if not root.exists() else "a file"
        raise DataError(f"a folder of pictures at {root}", received=there, hint=LAYOUT)
    listing = Listing(root, {})
    folders, listing.stray = _visible(root, listing)
    if folders and all(f.name in SPLITS for f in folders) and any(_holds_folders(f) for f in folders):
        for split in folders:
            classes, stray = _visible(split, listing)
            listing.splits[split.name] = _classes(classes, listing)
            listing.stray += stray
    else:
        listing.splits[""] = _classes(folders, listing)
    return listing


def files_below(root: Path) -> list[Path]:
    """List every file below a folder, whatever its subfolders.

    Args:
        root: the folder; hidden names (see `HIDDEN`) and links to subfolders are left out.

    Returns:
        The files, those of a folder before those of its subfolders, in natural order. An empty folder named
        like a picture or sound stands for itself: it is a file that cannot be read.

    Raises:
        DataError: it is missing, or not a folder.
    """
    if not root.is_dir():
        there = "there is nothing" if not root.exists() else "a file"
        raise DataError(f"a folder of pictures at {root}", received=there, hint="Check the path.")
    return list(_below(root, Listing(root, {})))


def named_like_a_file(folder: Path) -> bool:
    """Return whether a folder has the name of a picture or sound: an empty one is a bad file, not nothing.

    Args:
        folder: it need not be there.

    Returns:
        True for names such as `photo.jpg`.
    """
    kind, _ = mimetypes.guess_type(folder.name, strict=False)
    return kind is not None and kind.startswith(("image/", "audio/"))


def in_threads(work: Callable[[In], Out], items: Iterable[In], workers: int | None = None) -> Iterator[Out]:
    """Apply a function to items in threads, as `map` does, in order.

    Args:
        work: the function; it must be thread-safe.
        items: its arguments.
        workers: number of threads; one for each core, at most 8, when left out.

    Yields:
        The results, in the order of the items. Ctrl-C and closing the iterator drop calls that have not
        begun.
    """
    pool = ThreadPoolExecutor(workers or min(8, cores()))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _classes(folders: list[Path], listing: Listing) -> dict[str, list[Path]]:
    """Return the files of each class; names that are not UTF-8 are escaped, and must remain different."""
    names = [in_text(folder.name) for folder in folders]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(
            f"a name of its own for each class in {in_text(listing.root)}",
            received=f"two folders that read as {twice}",
            hint="Rename the one whose name is no UTF-8.",
        )
    return {name: list(_below(folder, listing)) for name, folder in zip(names, folders, strict=True)}


def _below(folder: Path, listing: Listing) -> Iterator[Path]:
    """Yield every file below a folder, except those behind links to folders."""
    folders, files = _visible(folder, listing)
    yield from files
    for inner in folders:
        if inner.is_symlink():
            listing.unfollowed.append(inner)
            continue
        found = list(_below(inner, listing))
        if not found and named_like_a_file(inner) and inner not in listing.unreadable:
            yield inner
        yield from found


def _visible(folder: Path, listing: Listing) -> tuple[list[Path], list[Path]]:
    """Return folders and files that are not hidden; count hidden ones, and folders that may not be listed."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: natural(entry.name))
    except OSError:
        listing.unreadable.append(folder)
        return [], []
    seen = [entry for entry in entries if not (entry.name.startswith(".") or entry.name in HIDDEN)]
    listing.hidden += len(entries) - len(seen)
    kinds: Mapping[bool, list[Path]] = {True: [], False: []}
    for entry in seen:
        kinds[entry.is_dir()].append(entry)
    return kinds[True], kinds[False]


def _holds_folders(folder: Path) -> bool:
    try:
        return any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())
    except OSError:
        return False
