"""The job worker: claims jobs from the queue on disk, and runs one after the other.

A training stores its state, and goes on from there when the worker was killed. Another job that was cut off
says `interrupted`.
"""

import os
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope import jobs
from convscope.errors import ConvscopeError, Interrupted
from convscope.jobs import Job
from convscope.jobs.output.failures import explained
from convscope.jobs.output.results import as_json
from convscope.lab.folder import OWN, LabFolder
from convscope.lab.queue.job import QueuedJob
from convscope.lab.queue.table import LostJobError, Queue
from convscope.lab.workers.following import Follower
from convscope.lab.workers.requests import recipe_of, trains
from convscope.learn import Epoch, FinishedRunError, Run, TrainRecipe
from convscope.recipe import Recipe

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
        settings: `folder`, that of the runs, and `data`, that of published sets; empty without one.
    """
    folder = Path(settings["folder"]).resolve()
    data = Path(settings["data"]).resolve() if settings.get("data") else None
    empty = folder / OWN / "empty"
    empty.mkdir(parents=True, exist_ok=True)
    os.chdir(empty)  # a name in a setting is never a file that happens to lie in the current folder
    channel.ready()
    work(folder, channel.closed, data)


def work(
    folder: Path, closed: threading.Event, data: Path | None = None, *, until_idle: bool = False
) -> None:
    """Run jobs, the oldest first; between them see to those whose process has died.

    Args:
        folder: that of the runs.
        closed: ends the running job in a state from which it goes on, and this function.
        data: folder of published sets; None without one.
        until_idle: whether to return when no job waits.

    Raises:
        DataError: the queue is damaged.
    """
    places = LabFolder(folder, data)
    queue = Queue(places.queue)
    while not closed.is_set():
        for job in queue.abandoned():  # also later: a former server's worker may end after this one began
            recover(queue, job)
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
        True for a training that has begun its run.
    """
    return trains(job.verb, job.settings) and bool(job.place) and (Path(job.place) / "recipe.toml").is_file()


class _Run:
    """One job in this process, from its row to its end."""

    def __init__(self, queue: Queue, places: LabFolder, job: QueuedJob, closed: threading.Event) -> None:
        self.queue, self.places, self.row, self.closed = queue, places, job, closed
        self.over = threading.Event()
        self.cancelled, self.place = False, ""
        self.epochs: tuple[Epoch, ...] = ()

    def perform(self) -> None:
        """Run the job, and note how it ended."""
        try:
            self._steps()
        except LostJobError:
            return  # it is another process's, or was removed
        except Interrupted as stop:
            self._stopped(stop)
        except FinishedRunError as error:  # a kill came after its last epoch
            document = {**(self.row.document or {}), "out": str(error.run.folder)}
            self.queue.end(self.row.id, "done", document=as_json(document))
        except ConvscopeError as error:
            self.queue.end(self.row.id, "failed", error=_fields(error))
        except BaseException as error:
            traceback.print_exc()
            self.queue.end(self.row.id, "failed", error=_fields(explained(error)))
            if not isinstance(error, Exception):
                raise
        finally:
            self.over.set()

    def _steps(self) -> None:
        recipe = recipe_of(self.row, self.places)
        if isinstance(recipe, TrainRecipe):
            job = self._training(recipe)
            epochs = [epoch.to_json() for epoch in self.epochs]
            follower = Follower(self.queue, self.row, job, Path(self.place), epochs)
        else:
            job = self._begun(recipe, self.places.result(self.row.id))
            follower = Follower(self.queue, self.row, job)
        threading.Thread(target=self._watch, args=(job,), name="watch", daemon=True).start()
        try:
            for step in job:
                follower.step(step)
        except Interrupted:
            follower.stopped()
            raise
        finally:
            follower.files(Path(self.place))
        self.queue.end(self.row.id, "done", document=as_json(follower.whole(job.document or {})))

    def _training(self, recipe: TrainRecipe) -> Job:
        """Begin a training in a folder of its own, or go on with its run."""
        if can_resume(self.row):
            place = Path(self.row.place)
            self.epochs = Run.open(place, type(recipe)).epochs
            again = type(recipe).parse({"resume": place}) if recipe.resume is None else recipe
            job = self._begun(again, place)
            job.workspace.controls.paused = self.queue.paused(self.row.id)
            return job
        if recipe.resume is not None:
            return self._begun(recipe, recipe.resume)
        about = getattr(recipe, "recipe", "") or getattr(recipe, "network", "") or ""
        return self._begun(recipe, self.places.new_run(f"{recipe.verb}-{about}"))

    def _begun(self, recipe: Recipe, place: Path) -> Job:
        """Begin a job, whose result lies or will lie at a place."""
        place.parent.mkdir(parents=True, exist_ok=True)
        self.place = str(place)
        self.queue.place(self.row.id, self.place)
        return jobs.run(recipe, None if getattr(recipe, "resume", None) else place, log=self._log)

    def _watch(self, job: Job) -> None:
        """Beat while the job runs, hand on what it is asked for, and stop it when the server ends."""
        beaten, stopping = 0.0, False
        while not self.over.wait(WATCH):
            try:
                if time.monotonic() - beaten > BEAT:
                    beaten = time.monotonic()
                    self.queue.beat(self.row.id)
                for control in self.queue.controls(self.row.id):
                    job.workspace.controls.ask(control.action, control.value)
                self.cancelled = self.cancelled or self.queue.cancelled(self.row.id)
            except ConvscopeError:  # it is not this process's any more
                self.cancelled = True
            if not stopping and (self.cancelled or self.closed.is_set()):
                stopping = True
                job.cancel()
        self.queue.database.close()

    def _stopped(self, stop: Interrupted) -> None:
        """Note that the job was stopped: by its user, or because the server ends."""
        if self.cancelled:
            self.queue.end(self.row.id, "cancelled", error=_fields(stop))
            return
        self.closed.set()  # a signal that the training has handled is one to this process
        if trains(self.row.verb, self.row.settings):
            self.queue.went_on(self.row.id)
            self.queue.give_back(self.row.id, "goes on when the lab is started again")
        else:
            self.queue.end(self.row.id, "interrupted", error=_fields(stop))

    def _log(self, text: str) -> None:
        self.queue.tell(self.row.id, "log", {"text": text})


def _fields(error: ConvscopeError) -> dict[str, str]:
    return {"expected": error.expected, "received": error.received, "hint": error.hint}
