"""Read texts: one of the terminal, one of a file, or many with a class each."""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from convscope.errors import DataError, nearest
from convscope.system.counting import counted
from convscope.system.files import read_bytes
from convscope.worlds.images.listing import SPLITS, list_folder, natural

LARGEST = 2**28
"""Bytes of the largest file that is read, unpacked."""
ENDINGS = (".txt", ".csv", ".tsv")
"""Endings of files of texts, each also with `.gz` after it."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
LABELS = ("label", "class", "category", "sentiment", "target", "y")
"""Headings of a column of classes."""
LAYOUT = (
    "Write one sentence in a line, its class before it: 'positive a fine film'; or a table .csv or .tsv with "
    "two columns, label and text; or a folder for each class with .txt files."
)
COMMON = 2
"""A first word is a class where each of them begins so many lines on average, or more."""


@dataclass(frozen=True)
class Labelled:
    """Texts with the names of their classes.

    Attributes:
        texts: the texts.
        labels: the class of each.
        empty: number of lines and files that held no text, and were left out.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    empty: int = 0

    def __add__(self, other: "Labelled") -> "Labelled":
        return Labelled(self.texts + other.texts, self.labels + other.labels, self.empty + other.empty)


def read_text_file(path: str | PathLike[str]) -> str:
    """Read a file of UTF-8, also with a byte order mark, of UTF-16 with one, or either packed by gzip.

    Args:
        path: the file.

    Returns:
        Its text.

    Raises:
        DataError: the file is missing, too large, damaged or in another encoding.
    """
    expected, content = f"a text in UTF-8 at {path}", b""
    try:
        content = read_bytes(path, LARGEST)
        if content[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(content)) as packed:
                content = packed.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise ValueError(f"more than {LARGEST:,} bytes when unpacked")
        return decoded(content)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            expected,
            received=f"other bytes in line {line}: {content[error.start : error.start + 4].hex(' ')}",
            hint="Convert it: iconv -f latin1 -t utf-8 OLD > NEW (for Chinese -f gb18030 or -f big5).",
        ) from None
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise DataError(expected, received=str(error), hint="Check the path, or copy it again.") from None


def decoded(content: bytes) -> str:
    """Decode UTF-8, or UTF-16 with a byte order mark.

    Args:
        content: the bytes.

    Returns:
        The text, without the mark; null characters are refused.

    Raises:
        UnicodeDecodeError: it is neither.
        ValueError: there is a null character, as in files that are no texts.
    """
    utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = content.decode("utf-16" if utf16 else "utf-8-sig")
    if "\0" in text:
        raise ValueError("a null character, which no text has")
    return text


def read_labelled(path: str | Path, split: str | None) -> tuple[Labelled, tuple[str, ...]]:
    """Read texts with classes from a file or a folder.

    A folder holds a folder of `.txt` files for each class, with or without `train`, `test`, ... above them;
    or files named `train`, `test`, ... with lines or a table.

    Args:
        path: the file or folder.
        split: the part that is wanted; None for the one to learn from, or all where nothing is divided.

    Returns:
        The texts, and the names of the parts that there are; () for one file and an undivided folder.

    Raises:
        DataError: there is nothing of that form, or no such part.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.exists():
            raise DataError(f"a file or folder of texts at {path}", received="there is nothing", hint=LAYOUT)
        return _only(read_file(path), path), ()
    files = _files_of_splits(path)
    if files:
        return _only(read_file(files[_chosen(tuple(files), split, path)]), path), tuple(files)
    listing, splits = list_folder(path), parts_of(path)
    found = listing.splits[_chosen(splits, split, path) if splits else ""]
    texts = [(name, file) for name, group in found.items() for file in group if is_text(file)]
    if not texts:
        raise DataError(f"texts in {path}", received="no .txt file in a folder of a class", hint=LAYOUT)
    read = [(name, read_text_file(file).strip()) for name, file in texts]
    full = [(name, text) for name, text in read if text]
    return _only(
        Labelled(tuple(t for _, t in full), tuple(n for n, _ in full), len(read) - len(full)), path
    ), splits


def parts_of(path: str | Path) -> tuple[str, ...]:
    """Return the names of the parts of a folder of texts.

    Args:
        path: a file or folder.

    Returns:
        Such as `("train", "test")`, in the order of `SPLITS`; () for a file and an undivided folder.
    """
    path = Path(path)
    if not path.is_dir():
        return ()
    files = tuple(_files_of_splits(path))
    if files:
        return files
    listing = list_folder(path)
    return tuple(name for name in SPLITS if name in listing.splits)


def classes_with_folder(path: str | Path) -> tuple[str, ...]:
    """Return the classes that have a folder of their own in some part, with texts in it or without.

    Args:
        path: a file or folder.

    Returns:
        Names in natural order; () for a file, and for a folder of files that are named as parts.
    """
    path = Path(path)
    return list_folder(path).classes if path.is_dir() and not _files_of_splits(path) else ()


def is_text(path: str | PathLike[str]) -> bool:
    """Return whether a path ends as a file of texts does.

    Args:
        path: any path.

    Returns:
        True for `ENDINGS`, also with `.gz`.
    """
    return str(path).lower().removesuffix(".gz").endswith(ENDINGS)


def _files_of_splits(folder: Path) -> dict[str, Path]:
    """Return files in a folder that are named as parts of a data set, by that name."""
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: natural(file.name)):
        if file.is_file() and is_text(file) and file.name.split(".")[0] in SPLITS:
            found[file.name.split(".")[0]] = file
    return {name: found[name] for name in SPLITS if name in found}


def _chosen(splits: Sequence[str], wanted: str | None, path: Path) -> str:
    """Return the part that is wanted, by default the first one of those to learn from."""
    chosen = wanted or splits[0]
    if chosen not in splits:
        raise DataError(
            f"a part of {path}: {', '.join(splits)}", received=str(wanted), hint=nearest(chosen, splits)
        )
    return chosen


def _only(found: Labelled, path: Path) -> Labelled:
    """Refuse what holds no text."""
    if not found.texts:
        raise DataError(f"sentences with classes in {path}", received="none", hint=LAYOUT)
    return found


def read_file(path: str | Path) -> Labelled:
    """Read texts with classes from one file: a table, or lines.

    Args:
        path: `.csv` or `.tsv` for a table, anything else for lines; also with `.gz`.

    Returns:
        The texts.

    Raises:
        DataError: it is not of that form.
    """
    text = read_text_file(path)
    suffix = Path(str(path).lower().removesuffix(".gz")).suffix
    return _table(text, DELIMITERS[suffix], path) if suffix in DELIMITERS else _lines(text, path)


def _lines(text: str, path: str | Path) -> Labelled:
    """Read lines that begin with their class."""
    labels, texts, empty = [], [], 0
    for line in text.split("\n"):  # splitlines() would divide at characters that texts may hold
        label, *rest = line.strip().split(None, 1)[:2] or [""]
        if not rest:
            empty += bool(label)
            continue
        labels.append(label.removeprefix("__label__"))
        texts.append(rest[0])
    kinds = Counter(labels)
    if labels and len(kinds) * COMMON > max(len(labels), 2 * COMMON):
        raise DataError(
            f"lines in {path} that begin with a class, of which there are few",
            received=f"{len(kinds):,} different first words in {len(labels):,} lines, such as "
            f"{', '.join(list(kinds)[:3])}",
            hint=LAYOUT,
        )
    return Labelled(tuple(texts), tuple(labels), empty)


def _table(text: str, delimiter: str, path: str | Path) -> Labelled:
    """Read a table of two columns, in either order, with headings or without."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise DataError(f"a table at {path}", received=str(error), hint=LAYOUT) from None
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != 2), None)
    if wrong is not None:
        raise DataError(
            f"two cells in every row of {path}, a class and a text",
            received=f"{len(rows[wrong - 1])} in row {wrong}",
            hint="Put a text with commas in quotes. " + LAYOUT,
        )
    heads = [cell.strip().lower() for cell in rows[0]] if rows else []
    named = [heads.index(name) for name in LABELS if name in heads]
    body = rows[1:] if named else rows
    kinds = [len({row[column] for row in body}) for column in (0, 1)]
    at = named[0] if named else int(kinds[1] < kinds[0])
    pairs = [(row[at].strip(), row[1 - at].strip()) for row in body]
    full = [(label, text) for label, text in pairs if label and text]
    return Labelled(tuple(t for _, t in full), tuple(label for label, _ in full), len(pairs) - len(full))


def without_text(count: int) -> str:
    """Name lines or files in which there was no text, with the verb that follows.

    Args:
        count: how many, from 1.

    Returns:
        Such as `2 lines or files without a text are`.
    """
    return counted(count, "line or file without a text is", "lines or files without a text are")
