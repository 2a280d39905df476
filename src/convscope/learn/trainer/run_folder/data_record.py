"""What a run learned from: kept beside its state, and compared when it is resumed.

A resumed run is exact only with the same samples in the same order. `data.json` names them, so that what has
changed since can be named too.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convscope.errors import DataError
from convscope.learn.trainer import values as check
from convscope.system.counting import counted
from convscope.system.files import open_regular, read_json, write_text
from convscope.worlds import DistortedImages, LabelledDataset
from convscope.worlds.datasets.table import ColumnDataset

FILE = "data.json"
FORMAT = "convscope.data/1"
LARGEST = 256 << 20
"""Largest accepted file, in bytes; a million images take about 80 million."""
ENDS = 4096
"""Bytes that are hashed at both ends of an image's file, with its size: reading whole files would take as
long as an epoch."""
WITHOUT = f"Move {FILE} away: then the data is not compared, and must be as it was."
"""Next step where the description itself cannot be read."""
NAMED = 3
"""Most files that a message names."""


def describe_data(data: Any) -> dict[str, Any] | None:
    """Describe what a training learns from, JSON-ready.

    Args:
        data: what is learned from.

    Returns:
        Name, number of samples, a hash of classes, labels and spec, and of each image its name and hash, or
        a hash of all of them where they are in memory; None for data of other kinds.
    """
    if isinstance(data, ColumnDataset):
        return _columns(data)
    if isinstance(data, DistortedImages):
        data = data.originals
    if not isinstance(data, LabelledDataset):
        return None
    labels = hashlib.sha256(repr((data.classes, data.spec)).encode())
    labels.update(data.labels.numpy().tobytes())
    found: dict[str, Any] = {
        "format": FORMAT,
        "name": data.name,
        "samples": len(data),
        "labels": labels.hexdigest()[:16],
        "images": None,
        "pixels": None,
    }
    paths: Sequence[Path] | None = getattr(data, "paths", None)
    if paths is not None:
        found["images"] = [["/".join(path.parts[-2:]), _hash_of(path)] for path in paths]
    elif data.content is not None:
        found["pixels"] = hashlib.sha256(data.content.contiguous().numpy().data).hexdigest()[:16]
    return found


def _columns(data: ColumnDataset) -> dict[str, Any]:
    """Describe tensors of inputs and targets, as `describe_data` does."""
    inputs, targets = hashlib.sha256(repr(data.specs).encode()), hashlib.sha256()
    for tensor in data.inputs:
        inputs.update(tensor.contiguous().numpy().data)
    for name, tensor in data.targets.items():
        targets.update(name.encode())
        targets.update(tensor.contiguous().numpy().data)
    return {
        "format": FORMAT,
        "name": data.name,
        "samples": len(data),
        "labels": targets.hexdigest()[:16],
        "images": None,
        "pixels": inputs.hexdigest()[:16],
    }


def write_record(folder: Path, record: dict[str, Any] | None) -> None:
    """Write the description of the data into a run's folder; nothing where there is none.

    Args:
        folder: the run's folder.
        record: from `describe_data`.

    Raises:
        OSError: it cannot be written.
    """
    if record is not None:
        write_text(folder / FILE, json.dumps(record) + "\n")


def check_record(folder: Path, record: dict[str, Any] | None) -> None:
    """Check that the data of a run is what it learned from before.

    Args:
        folder: the run's folder; nothing is checked where it has no description.
        record: description of the data as it is now.

    Raises:
        DataError: the data has changed, and the message names how; or the description is damaged.
    """
    path = folder / FILE
    try:
        stored = read_json(path, LARGEST)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise DataError(f"the description of the data at {path}", received=str(error), hint=WITHOUT) from None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise DataError(f"the description of the data at {path}", received=check.shown(stored), hint=WITHOUT)
    change = _change(stored, record)
    if change:
        raise DataError(
            f"the data that this run has learned from, {check.shown(stored.get('name'))}",
            received=change,
            hint="Put it back as it was, or begin another run from its weights: convscope train RUN DATA",
        )


def _change(stored: dict[str, Any], now: dict[str, Any] | None) -> str:
    """Return what has changed, in words; empty where nothing has."""
    if now is None:
        return "data of another kind"
    before, after = (_images(record) for record in (stored, now))
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    other = [name for name, digest in before.items() if after.get(name, digest) != digest]
    parts = [
        f"{len(names)} {what} ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})"
        for names, what in ((gone, "gone"), (new, "new"), (other, "changed"))
        if names
    ]
    if parts:
        return "; ".join(parts)
    if stored.get("samples") != now["samples"]:
        return f"{counted(now['samples'], 'sample')}, where there were {check.shown(stored.get('samples'))}"
    if stored.get("labels") != now["labels"]:
        return "other labels or targets, other classes, or another size of the images"
    if stored.get("pixels") != now["pixels"] or stored.get("images") != now["images"]:
        return "other images, or another order of them"
    return ""


def _images(record: dict[str, Any]) -> dict[str, str]:
    """Return the hash of each image by name; empty where the record has none, or is damaged."""
    rows = record.get("images")
    rows = rows if isinstance(rows, list) else []
    pairs = [row for row in rows if isinstance(row, list) and len(row) == 2 and isinstance(row[0], str)]
    return {name: str(digest) for name, digest in pairs}


def _hash_of(path: Path) -> str:
    """Return a hash of a file's size and both its ends; `unreadable` where it cannot be read."""
    try:
        with open_regular(path) as file:
            first = file.read(ENDS)
            size = file.seek(0, 2)
            file.seek(max(0, size - ENDS))
            last = file.read(ENDS)
    except OSError:
        return "unreadable"
    return hashlib.sha256(b"%d " % size + first + last).hexdigest()[:16]
