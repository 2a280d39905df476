"""Validation of texts with classes: empty ones, and texts that stand in several classes or parts."""

from collections import Counter
from pathlib import Path

from convscope.recipe import shortened
from convscope.system.counting import counted
from convscope.worlds.images.checking.check import DatasetReport, Duplicate, empty_classes, most_common
from convscope.worlds.images.listing import in_text, natural
from convscope.worlds.text.sentences import Labelled, classes_with_folder, read_labelled, without_text

MOST_SHOWN = 60
"""Characters of a text in a report."""
FEW = 5
"""Texts of a class with fewer than so many are not held out to test on."""


def check_texts(root: str | Path, *, duplicates: bool = True) -> DatasetReport:
    """Validate a file or folder of texts with classes: read every text, and count.

    Args:
        root: as for `sentences.read_labelled`.
        duplicates: whether to look for texts that stand in several classes or parts.

    Returns:
        Counts, duplicates and remarks. Texts that are there twice in one class and part are no fault, as
        short sentences are.

    Raises:
        DataError: there is nothing of that form.
    """
    first, splits = read_labelled(root, None)
    parts = {split: read_labelled(root, split)[0] for split in splits} or {"": first}
    labels = {label for found in parts.values() for label in found.labels}
    classes = sorted(labels.union(classes_with_folder(root)), key=natural)
    counts = {split: _counts(found, classes) for split, found in parts.items()}
    sums = Counter(label for found in parts.values() for label in found.labels)
    return DatasetReport(
        folder=in_text(root),
        pictures=counts,
        duplicates=_duplicates(parts) if duplicates else (),
        empty_classes=empty_classes(counts),
        sizes=most_common(_words(text) for found in parts.values() for text in found.texts),
        faults=tuple(_faults(sums)),
        remarks=tuple(_remarks(parts, sums)),
        thing="text",
        things="texts",
    )


def _counts(found: Labelled, classes: list[str]) -> dict[str, int]:
    held = Counter(found.labels)
    return {name: held[name] for name in classes}


def _words(text: str) -> str:
    """Return how long a text is, to a power of two of words."""
    count = len(text.split())
    return f"up to {max(1, 1 << max(0, count - 1).bit_length())} words"


def _faults(sums: Counter[str]) -> list[str]:
    if len(sums) == 1:
        return [f"one class only, {next(iter(sums))}: every answer of a classifier would be right"]
    return []


def _remarks(parts: dict[str, Labelled], sums: Counter[str]) -> list[str]:
    """Return what one should know of the texts, as sentences."""
    found = []
    empty = sum(part.empty for part in parts.values())
    if empty:
        found.append(f"{without_text(empty)} left out")
    rare = [name for name, count in sums.items() if count < FEW]
    if rare and len(parts) == 1:
        found.append(f"fewer than {FEW} texts of {', '.join(rare[:5])}: none of them is held out to test on")
    again = sum(sum(Counter(zip(p.texts, p.labels, strict=True)).values()) for p in parts.values())
    again -= sum(len(set(zip(p.texts, p.labels, strict=True))) for p in parts.values())
    if again:
        found.append(f"{counted(again, 'text stands', 'texts stand')} there again, in the same class")
    return found


def _duplicates(parts: dict[str, Labelled]) -> tuple[Duplicate, ...]:
    """Return the texts that stand in several classes or parts."""
    places: dict[str, set[tuple[str, str]]] = {}
    for split, found in parts.items():
        for text, label in zip(found.texts, found.labels, strict=True):
            places.setdefault(" ".join(text.split()), set()).add((split, label))
    return tuple(
        Duplicate(
            tuple(
                "/".join(filter(None, (split, label, shortened(text, MOST_SHOWN))))
                for split, label in sorted(where)
            ),
            across_splits=len({split for split, _ in where}) > 1,
            across_classes=len({label for _, label in where}) > 1,
        )
        for text, where in places.items()
        if len(where) > 1
    )
