"""Where the lab keeps what is its own, inside the folder of trainings and results. Standard library."""

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
RUN = re.compile(r"[^/\\\0.][^/\\\0]{0,199}")
"""Name of a folder directly below that of the runs; hidden ones are not the user's."""


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
        inside = RUN.fullmatch(name) and path.is_dir() and path.resolve().parent == self.runs.resolve()
        if not inside:
            hint = "See the list of networks: GET /api/v1/networks"
            raise PlaceError("the name of a run", received=name[:80], hint=hint)
        return path

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

    def _of(self, job: str, kind: str) -> Path:
        if not JOB.fullmatch(job):
            raise PlaceError("the id of a job", received=job[:40], hint="See: GET /api/v1/jobs")
        return self.internal / kind / job
