"""Folders that users handed over, and their corrections: files moved to another class, or removed.

Uploads are never changed. A correction says where a file counts from now on; it can be taken back at any
time, and a training knows how many there were when it began, so that it can be made again. No torch.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from convscope.errors import DataError, PlaceError, UsageError, nearest
from convscope.lab.folder import UPLOAD, LabFolder
from convscope.system.files import read_json, write_text
from convscope.worlds import SPLITS

HAND_OVER = "Hand it over: POST /api/v1/uploaded-sets"
LARGEST = 2**26
"""Bytes of the largest list of files that is read."""
Action = Literal["move", "remove"]
File = dict[str, str]
"""An upload: its `id`, and the `name` that the user gave it, with the folders in which it lay."""
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Correction:
    """One correction.

    Attributes:
        number: from 1, in the order in which they were made.
        name: the file, as the user named it.
        action: whether it was moved to another class, or removed from the data.
        to: the class; empty where it was removed.
        undone: number of the entry that took it back; 0 while it holds.
    """

    number: int
    name: str
    action: Action
    to: str
    undone: int = 0


class UploadedSets:
    """The folders that were handed over, each by the checksum of its list of files.

    Args:
        lab: the lab's folder.
    """

    def __init__(self, lab: LabFolder) -> None:
        self.lab, self.folder = lab, lab.internal / "sets"

    def add(self, files: Sequence[File]) -> str:
        """Note a folder whose files were uploaded.

        Args:
            files: the files, with names of their own.

        Returns:
            Its id; the same for the same files.

        Raises:
            UsageError: there is none, or two have the same name.
            PlaceError: one was not uploaded.
        """
        kept = sorted(({"id": file["id"], "name": plain(file["name"])} for file in files), key=_name)
        if not kept:
            raise UsageError("at least one file", received="none", hint="Choose a folder with files.")
        twice = next((name for name, count in Counter(map(_name, kept)).items() if count > 1), None)
        if twice is not None:
            raise UsageError(
                "a name of its own for each file", received=twice[:80], hint="Rename one of them."
            )
        for file in kept:
            self.lab.upload(file["id"])
        text = json.dumps(kept, ensure_ascii=False)
        id_ = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._path(id_).exists():
            write_text(self._path(id_), text)
        return id_

    def files(self, id_: str, version: int | None = None) -> list[File]:
        """Return the files of a folder as they count.

        Args:
            id_: the folder.
            version: number of entries that count, corrections and those that took one back; all if left out.

        Returns:
            `id`, `name` (as corrected) and `original` (as the user named it) of each that was not removed.

        Raises:
            PlaceError: there is no such folder.
        """
        found = [{**file, "original": file["name"]} for file in self._files(id_)]
        moved = {one.name: one for one in self.corrections(id_, version) if not one.undone}
        taken = {file["name"] for file in found if file["name"] not in moved}
        kept = []
        for file in found:
            change = moved.get(file["name"])
            if change is not None and change.action == "remove":
                continue
            if change is not None:
                file["name"] = _free(_in_class(file["name"], change.to), taken)
                taken.add(file["name"])
            kept.append(file)
        return kept

    def version(self, id_: str) -> int:
        """Return how many entries there are: corrections, and those that took one back.

        Args:
            id_: the folder.

        Returns:
            The number.
        """
        return len(self._entries(id_))

    def corrections(self, id_: str, version: int | None = None) -> list[Correction]:
        """Return the corrections, in the order in which they were made.

        Args:
            id_: the folder.
            version: see `files`.

        Returns:
            The corrections; a later one of the same file takes the place of an earlier one, which counts as
            taken back by it.
        """
        found: dict[int, Correction] = {}
        for number, entry in enumerate(self._entries(id_)[:version], start=1):
            if "undo" in entry:
                old = found[entry["undo"]]
                found[old.number] = Correction(old.number, old.name, old.action, old.to, number)
                continue
            for old in list(found.values()):
                if old.name == entry["name"] and not old.undone:
                    found[old.number] = Correction(old.number, old.name, old.action, old.to, number)
            found[number] = Correction(number, entry["name"], entry["action"], entry.get("to", ""))
        return list(found.values())

    def correct(self, id_: str, name: str, action: Action, to: str = "") -> Correction:
        """Move a file to another class, or remove it from the data; the upload stays as it is.

        Args:
            id_: the folder.
            name: the file, as the user named it.
            action: what is done.
            to: the class to which it is moved.

        Returns:
            The correction.

        Raises:
            PlaceError: there is no such folder or file.
            UsageError: there is no such class, or the file is in it already.
        """
        names = [file["name"] for file in self._files(id_)]
        if name not in names:
            raise PlaceError("a file of this folder", received=name[:80], hint=nearest(name, names[:2000]))
        classes = self.classes(id_)
        if action == "move" and to not in classes:
            raise UsageError("a class of this folder", received=to[:80], hint=nearest(to, classes))
        if action == "move" and class_of(name) == to:
            return self._back(id_, name, to)
        entry = {
            "name": name,
            "action": action,
            "at": time.time(),
            **({"to": to} if action == "move" else {}),
        }
        with _LOCK:
            number = self._append(id_, entry)
        return Correction(number, name, action, to)

    def undo(self, id_: str, number: int) -> None:
        """Take a correction back.

        Args:
            id_: the folder.
            number: of the correction.

        Raises:
            PlaceError: there is no such correction, or it was taken back already.
        """
        with _LOCK:
            if number not in {one.number for one in self.corrections(id_) if not one.undone}:
                hint = "See the list of corrections."
                raise PlaceError("the number of a correction that holds", received=str(number), hint=hint)
            self._append(id_, {"undo": number, "at": time.time()})

    def classes(self, id_: str) -> dict[str, int]:
        """Return how many files of each class there are, as corrected.

        Args:
            id_: the folder.

        Returns:
            Numbers by class, also of classes that corrections have emptied; none for files in no folder.
        """
        every = dict.fromkeys(sorted(filter(None, (class_of(file["name"]) for file in self._files(id_)))), 0)
        return {**every, **Counter(filter(None, (class_of(file["name"]) for file in self.files(id_))))}

    def moves(self, id_: str) -> list[tuple[str, str | None]]:
        """Return what the corrections that hold change in the folder.

        Args:
            id_: the folder.

        Returns:
            For each file its name, and the one that it gets; None where it is removed.
        """
        now = {file["original"]: file["name"] for file in self.files(id_)}
        names = [file["name"] for file in self._files(id_)]
        return [(name, now.get(name)) for name in names if now.get(name) != name]

    def _back(self, id_: str, name: str, to: str) -> Correction:
        """Move a file back to its own class, which takes back what was done to it."""
        held = [one for one in self.corrections(id_) if one.name == name and not one.undone]
        if not held:
            hint = "Choose another class."
            raise UsageError("another class than its own", received=f"{name[:80]} to {to[:80]}", hint=hint)
        self.undo(id_, held[-1].number)
        return held[-1]

    def _path(self, id_: str) -> Path:
        if not UPLOAD.fullmatch(id_):
            raise PlaceError("the id of a folder that was handed over", received=id_[:80], hint=HAND_OVER)
        return self.folder / f"{id_}.json"

    def _files(self, id_: str) -> list[File]:
        path = self._path(id_)
        if path.is_symlink() or not path.is_file():
            raise PlaceError("the id of a folder that was handed over", received=id_[:80], hint=HAND_OVER)
        return read_json(path, LARGEST)

    def _entries(self, id_: str) -> list[dict[str, Any]]:
        self._files(id_)
        path = self._path(id_).with_suffix(".corrections")
        if not path.is_file():
            return []
        found = read_json(path, LARGEST)
        if not isinstance(found, list):
            hint = "Move the file away; the corrections of this folder then begin anew."
            raise DataError(f"a list of corrections in {path}", received=type(found).__name__, hint=hint)
        return found

    def _append(self, id_: str, entry: Mapping[str, Any]) -> int:
        entries = [*self._entries(id_), dict(entry)]
        write_text(self._path(id_).with_suffix(".corrections"), json.dumps(entries, ensure_ascii=False))
        return len(entries)


def plain(name: str) -> str:
    """Return the name of a file without what is no name: empty parts, dots, drives.

    Args:
        name: as a client sent it.

    Returns:
        A relative path with `/`, at most 500 characters of it.

    Raises:
        UsageError: nothing is left.
    """
    parts = [part.strip() for part in name.replace("\\", "/").split("/")]
    kept = "/".join(part for part in parts if part.strip(". ") and part.isprintable())
    if not kept:
        raise UsageError("the name of a file", received=name[:80] or "none", hint="Rename the file.")
    return kept[-500:].lstrip("/")


def class_of(name: str) -> str:
    """Return the class of a file: the first folder of its name that is not that of a part.

    Args:
        name: such as `dogs/1.png` or `train/dogs/1.png`.

    Returns:
        The class; empty for a file in no folder.
    """
    above = name.split("/")[:-1]
    return above[1] if len(above) > 1 and above[0] in SPLITS else above[0] if above else ""


def _in_class(name: str, to: str) -> str:
    parts = name.split("/")
    parts[1 if len(parts) > 2 and parts[0] in SPLITS else 0] = to
    return "/".join(parts)


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no other file has: the same, or with a number after its stem."""
    path, number, found = PurePosixPath(name), 1, name
    while found in taken:
        number += 1
        found = str(path.with_stem(f"{path.stem}-{number}"))
    return found


def _name(file: File) -> str:
    return file["name"]
