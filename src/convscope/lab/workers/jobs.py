"""The job worker: claims jobs from the queue on disk, and runs one after the other.

A training stores its state, and goes on from there when the worker was killed. Another job that was cut off
says `interrupted`.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from convscope import jobs
from convscope.errors import ConvscopeError, Interrupted
from convscope.jobs.output.results import as_json
from convscope.lab.folder import LabFolder
from convscope.lab.queue.job import QueuedJob
from convscope.lab.queue.table import LostJobError, Queue
from convscope.lab.workers.following import Follower
from convscope.lab.workers.requests import recipe_of

IDLE = 0.1
"""Seconds between two looks into an empty queue."""
BEAT = 1.0
"""Seconds between two heartbeats."""
WATCH = 0.1
"""Seconds between two looks for requests to the running job."""
MOST_TRIES = 3
"""How often a job is begun at most that has ended its process each time."""


def run(channel: Any, settings: Mapping[str, Any]) -> None:
    """Run jobs until the channel to the web process is closed.

    Args:
        channel: see `convscope.lab.workers.channel`.
        settings: `folder`, that of the runs.
    """
    channel.ready()
    work(Path(settings["folder"]), channel.closed)


def work(folder: Path, closed: threading.Event, *, until_idle: bool = False) -> None:
    """Run jobs, the oldest first; first see to those whose process has died.

    Args:
        folder: that of the runs.
        closed: ends the running job in a state from which it goes on, and this function.
        until_idle: whether to return when no job waits.

    Raises:
        DataError: the queue is damaged.
    """
    places = LabFolder(folder)
    queue = Queue(places.queue)
    for job in queue.abandoned():
        recover(queue, job)
    while not closed.is_set():
        job = queue.claim()
        if job is not None:
            _Run(queue, places, job, closed).perform()
        elif until_idle:
            return
        else:
            closed.wait(IDLE)


def recover(queue: Queue, job: QueuedJob) -> None:
    """Put a job back whose process has died, if it can go on; else end it, and say so.

    Args:
        queue: the queue.
        job: the job, which this process has taken over.
    """
    if job.cancelled:
        queue.end(job.id, "cancelled")
    elif can_resume(job) and job.tries < MOST_TRIES:
        queue.give_back(job.id, "goes on where its process ended")
    else:
        tried = f" for the {job.tries}. time" if job.tries > 1 else ""
        error = {
            "expected": "a job that runs to its end",
            "received": f"its process was ended from outside{tried}, at {job.fraction:.0%}",
            "hint": "The machine may have run out of memory, or was switched off. Begin it again.",
        }
        queue.end(job.id, "interrupted", error=error)


def can_resume(job: QueuedJob) -> bool:
    """Return whether a job can go on where it was.

    Args:
        job: the job.

    Returns:
        True for a training that has stored a state.
    """
    return bool(job.place) and (Path(job.place) / "state").is_dir()


class _Run:
    """One job in this process, from its row to its end."""

    def __init__(self, queue: Queue, places: LabFolder, job: QueuedJob, closed: threading.Event) -> None:
        self.queue, self.places, self.row, self.closed = queue, places, job, closed
        self.over = threading.Event()
        self.cancelled = False

    def perform(self) -> None:
        """Run the job, and note how it ended."""
        try:
            self._steps()
        except LostJobError:
            return  # it is another process's, or was removed
        except Interrupted as stop:
            self._stopped(stop)
        except ConvscopeError as error:
            self.queue.end(self.row.id, "failed", error=_fields(error))
        except BaseException as error:
            hint = "This is a fault of convscope; the terminal that runs the lab shows where."
            surprise = ConvscopeError(
                "an answer", received=f"{type(error).__name__}: {error}"[:400], hint=hint
            )
            self.queue.end(self.row.id, "failed", error=_fields(surprise))
            if not isinstance(error, Exception):
                raise
        finally:
            self.over.set()

    def _steps(self) -> None:
        recipe = recipe_of(self.row, self.places)
        place = self.places.result(self.row.id)
        place.parent.mkdir(parents=True, exist_ok=True)
        self.queue.place(self.row.id, str(place))
        job = jobs.run(recipe, place, log=self._log)
        follower = Follower(self.queue, self.row.id, job)
        threading.Thread(target=self._watch, args=(job.cancel,), name="watch", daemon=True).start()
        try:
            for step in job:
                follower.step(step)
        finally:
            follower.files(place)
        self.queue.end(self.row.id, "done", document=as_json(job.document))

    def _watch(self, cancel: Callable[[], None]) -> None:
        """Beat while the job runs, and stop it when that is asked for or the server ends."""
        beaten, stopping = 0.0, False
        while not self.over.wait(WATCH):
            try:
                if time.monotonic() - beaten > BEAT:
                    beaten = time.monotonic()
                    self.queue.beat(self.row.id)
                self.cancelled = self.cancelled or self.queue.job(self.row.id).cancelled
            except ConvscopeError:  # it is not this process's any more
                self.cancelled = True
            if not stopping and (self.cancelled or self.closed.is_set()):
                stopping = True
                cancel()
        self.queue.database.close()

    def _stopped(self, stop: Interrupted) -> None:
        """Note that the job was stopped: by its user, or because the server ends."""
        if self.cancelled:
            self.queue.end(self.row.id, "cancelled", error=_fields(stop))
        else:
            self.queue.end(self.row.id, "interrupted", error=_fields(stop))

    def _log(self, text: str) -> None:
        self.queue.tell(self.row.id, "log", {"text": text})


def _fields(error: ConvscopeError) -> dict[str, str]:
    return {"expected": error.expected, "received": error.received, "hint": error.hint}
