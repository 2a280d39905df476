"""Follow a running job for the queue: progress, log, and its files as they come."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convscope.jobs import Artifact, Document, Job
from convscope.jobs.output.results import as_json
from convscope.lab.queue.job import QueuedJob
from convscope.lab.queue.table import Queue
from convscope.lab.workers.training import TrainingFollower
from convscope.system.progress import Progress

PROGRESS_INTERVAL = 0.25
"""Seconds between two events of progress."""
RESULT_INTERVAL = 0.5
"""Least seconds between two times that the result so far is computed."""
RESULT_SHARE = 0.1
"""Largest share of the time that is spent on results so far."""
KINDS = {"image": "image", "animation": "image", "page": "page", "wav": "sound", "csv": "table"}
"""Kinds of files by what a job calls them; others are a `file`."""


class Follower:
    """Tell the queue how a job goes, and not more often than someone can see.

    Args:
        queue: where it is told.
        row: the job as it was claimed.
        job: the running job.
        run_folder: folder of a training, whose files are written in place.
        epochs: finished epochs of a training that goes on.
    """

    def __init__(
        self,
        queue: Queue,
        row: QueuedJob,
        job: Job,
        run_folder: Path | None = None,
        epochs: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.queue, self.id, self.job, self.run_folder = queue, row.id, job, run_folder
        self._shown, self._next_result = 0.0, time.monotonic() + RESULT_INTERVAL
        self._known: list[dict[str, Any]] = []
        self._training = TrainingFollower(queue, row, epochs)
        self._unreported: Progress[Document | None] | None = None
        self._before = row.fraction if row.tries > 1 else None

    def step(self, step: Progress[Document | None]) -> None:
        """Tell a step: its progress, and from time to time its result so far.

        Args:
            step: the step; called before the next one is made.
        """
        now = time.monotonic()
        self._unreported = step
        if now - self._shown >= PROGRESS_INTERVAL or step.milestone:
            self._shown = now
            self.queue.set_progress(self.id, step.fraction, step.message, step.left)
        paused = self.job.workspace.controls.paused  # as it was asked to be, for as long as it likes
        if self._before is not None and (step.fraction > self._before or paused):
            self._before = None
            self.queue.reset_tries(self.id)
        if now >= self._next_result or step.fraction >= 1 or step.milestone:
            self.result(step)
            spent = time.monotonic() - now
            self._next_result = time.monotonic() + max(RESULT_INTERVAL, spent / RESULT_SHARE)

    def result(self, step: Progress[Document | None]) -> None:
        """Store the document so far, which writes the files so far, and tell what is new.

        Args:
            step: the step.
        """
        self._unreported = None
        document = step.result()
        if document is not None:
            self.queue.set_document(self.id, as_json(self.whole(document)))
        self.files()

    def whole(self, document: Document) -> Document:
        """Tell what is new in a document, and put together a training that went on.

        Args:
            document: the document so far, or the last one.

        Returns:
            The document, with what a training was before it went on.
        """
        if "training" not in document:
            return document
        return {**document, "training": self._training.report(document["training"])}

    def stopped(self) -> None:
        """Store what a training has come to when it was stopped."""
        if self.run_folder is not None and self._unreported is not None:
            self.result(self._unreported)

    def files(self, result_folder: Path | None = None) -> None:
        """Note the files that are there, and tell those that are new or changed.

        Args:
            result_folder: the folder in which they lie; that of the unfinished result if left out.
        """
        folder = result_folder or self.job.workspace.pending or self.run_folder
        if folder is None:
            return
        found = [_described(folder, artifact) for artifact in self.job.workspace.artifacts]
        listed = [entry for entry in found if entry is not None]
        changed = [i for i, entry in enumerate(listed) if i >= len(self._known) or entry != self._known[i]]
        if changed or result_folder is not None:
            self._known = listed
            self.queue.set_artifacts(self.id, str(folder), listed, changed)


def _described(folder: Path, artifact: Artifact) -> dict[str, Any] | None:
    """Return what is known of a file; None where it is not there."""
    try:
        facts = (folder / artifact.file).stat()
    except OSError:
        return None
    return {
        "file": artifact.file,
        "kind": KINDS.get(artifact.kind, "file"),
        "title": artifact.caption,
        "bytes": facts.st_size,
        "version": facts.st_mtime_ns // 1_000_000,
    }
