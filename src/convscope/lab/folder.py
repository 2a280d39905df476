"""Where the lab keeps what is its own, and what it calls the trainings of the user. Standard library."""

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from convscope.errors import PlaceError

INTERNAL = ".lab"
"""Folder inside that of the runs, for what only the lab reads."""
UPLOAD = re.compile(r"[0-9a-f]{64}")
JOB = re.compile(r"[0-9a-f]{16}")
FOLDER_NAME = re.compile(r"[^/\\\0.][^/\\\0]{0,199}")
"""Name of a folder directly below that of the runs; hidden ones are not the user's."""
RUN = "run:"
"""Prefix of the networks of trainings, by the name of their folder: `run:mine`."""
CHECKPOINT = "@"
"""Between the name of a training and that of one of its checkpoints: `run:mine@best`."""


@dataclass(frozen=True)
class LabFolder:
    """Paths by id: no text of a client becomes a path without being one of these.

    Attributes:
        runs: folder of trainings and results.
        data: folder of published sets, each in a folder of its name; None without one.
    """

    runs: Path
    data: Path | None = None

    @property
    def internal(self) -> Path:
        """Folder of queue, uploads and results of jobs."""
        return self.runs / INTERNAL

    @property
    def queue(self) -> Path:
        """File of the jobs."""
        return self.internal / "queue.sqlite3"

    def upload(self, id_: str) -> Path:
        """Return the file of an upload.

        Args:
            id_: SHA-256 of its content.

        Returns:
            The path.

        Raises:
            PlaceError: it is no such id, or was not uploaded.
        """
        path = self.internal / "uploads" / id_
        if not UPLOAD.fullmatch(id_) or path.is_symlink() or not path.is_file():
            hint = "Upload it first: PUT /api/v1/uploads"
            raise PlaceError("the id of an upload", received=id_[:80], hint=hint)
        return path

    def result(self, job: str) -> Path:
        """Return where the result of a job lies, or will.

        Args:
            job: its id.

        Returns:
            The path.

        Raises:
            PlaceError: it is no id.
        """
        return self._of(job, "results")

    def inputs(self, job: str) -> Path:
        """Return the folder of what was uploaded for a job, under the names that the user gave.

        Args:
            job: its id.

        Returns:
            The path.

        Raises:
            PlaceError: it is no id.
        """
        return self._of(job, "inputs")

    def run(self, name: str) -> Path:
        """Return the folder of a training or another result of the user.

        Args:
            name: its name, below the folder of the runs.

        Returns:
            The path; links that lead out of the folder of the runs are refused.

        Raises:
            PlaceError: there is no such folder.
        """
        path = self.runs / name
        if not self._has_run(name):
            hint = "See the list of networks: GET /api/v1/networks"
            raise PlaceError("the name of a run", received=name[:80], hint=hint)
        return path

    def network(self, name: str) -> str:
        """Return what `nets.load` takes for a network of the lab.

        Args:
            name: its name in the lab.

        Returns:
            The name; of a training its folder.

        Raises:
            PlaceError: there is no such folder.
        """
        return str(self.run(name.removeprefix(RUN))) if name.startswith(RUN) else name

    def run_and_checkpoint(self, name: str) -> tuple[str, str]:
        """Return the folder of a training's network, and which of its checkpoints is meant.

        Args:
            name: name of the network in the lab: `run:mine`, or `run:mine@best`.

        Returns:
            Name of the folder, whether or not it is there, and that of the checkpoint; empty for the saved
            network. A folder whose name has an `@` is found before a checkpoint.
        """
        whole = name.removeprefix(RUN)
        run, _, checkpoint = whole.rpartition(CHECKPOINT)
        return (whole, "") if not (run and checkpoint) or self._has_run(whole) else (run, checkpoint)

    def reference(self, name: str) -> str:
        """Return what the terminal and Python call a network of the lab, where the lab was started.

        Args:
            name: its name in the lab.

        Returns:
            The name; of a training its folder, with a slash in it, so that it is never the name of a network.
        """
        if not name.startswith(RUN):
            return name
        return f"{self.runs}/{self.run_and_checkpoint(name)[0]}"

    def new_run(self, name: str) -> Path:
        """Return a folder for a training, which is not there yet.

        Args:
            name: what it is; other characters than letters, digits, `-` and `.` become dashes.

        Returns:
            `<date>-<name>` below the folder of the runs, with `-2`, `-3`, ... where that is taken.
        """
        plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name).strip("-.")
        first = self.runs / f"{date.today().isoformat()}-{plain[:60] or 'training'}"
        number, found = 1, first
        while os.path.lexists(found):
            number += 1
            found = first.with_name(f"{first.name}-{number}")
        return found

    def _has_run(self, name: str) -> bool:
        """Return whether a folder lies directly below that of the runs; links that lead out of it do not."""
        path = self.runs / name
        inside = FOLDER_NAME.fullmatch(name) and path.is_dir()
        return bool(inside) and path.resolve().parent == self.runs.resolve()

    def _of(self, job: str, kind: str) -> Path:
        if not JOB.fullmatch(job):
            raise PlaceError("the id of a job", received=job[:40], hint="See: GET /api/v1/jobs")
        return self.internal / kind / job


def to_path(name: str) -> str:
    """Return the name of a network as a part of an address.

    Args:
        name: its name in the lab.

    Returns:
        The name, with `~` for `/`.
    """
    return name.replace("/", "~")


def from_path(part: str) -> str:
    """Return the name of a network that is a part of an address.

    Args:
        part: the name, with `~` for `/`.

    Returns:
        The name, as the live worker knows it.
    """
    return part.replace("~", "/")
