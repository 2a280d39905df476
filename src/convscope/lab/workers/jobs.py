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
from convscope.lab.folder import INTERNAL, LabFolder
from convscope.lab.queue.job import QueuedJob
from convscope.lab.queue.table import LostJobError, Queue
from convscope.lab.workers.following import Follower
from convscope.lab.workers.requests import recipe_of, trains
from convscope.learn import Epoch, FinishedRunError, Run, TrainRecipe
from convscope.recipe import Recipe

IDLE_INTERVAL = 0.1
"""Seconds between two looks into an empty queue."""
HEARTBEAT_INTERVAL = 1.0
"""Seconds between two heartbeats."""
CONTROL_INTERVAL = 0.1
"""Seconds between two looks for requests to the running job."""
MAX_TRIES = 3
"""How often a job is begun at most that has ended its process each time."""


def run(channel: Any, settings: Mapping[str, Any]) -> None:
    """Run jobs until the channel to the web process is closed.

    Args:
        channel: see `convscope.lab.workers.channel`.
        settings: `folder`, that of the runs, and `data`, that of published sets; empty without one.
    """
    folder = Path(settings["folder"]).resolve()
    data = Path(settings["data"]).resolve() if settings.get("data") else None
    empty = folder / INTERNAL / "empty"
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
    lab_folder = LabFolder(folder, data)
    queue = Queue(lab_folder.queue)
    while not closed.is_set():
        for (
            job
        ) in queue.take_abandoned():  # also later: a former server's worker may end after this one began
            recover(queue, job)
        job = queue.claim()
        if job is not None:
            _JobRun(queue, lab_folder, job, closed).perform()
        elif until_idle:
            return
        else:
            closed.wait(IDLE_INTERVAL)


def recover(queue: Queue, job: QueuedJob) -> None:
    """Put a job back whose process has died, if it can go on; else end it, and say so.

    Args:
        queue: the queue.
        job: the job, which this process has taken over.
    """
    if job.cancelled:
        queue.end(job.id, "cancelled")
    elif can_resume(job) and job.tries < MAX_TRIES:
        queue.requeue(job.id, "goes on where its process ended")
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
    return (
        trains(job.verb, job.settings)
        and bool(job.result_folder)
        and (Path(job.result_folder) / "recipe.toml").is_file()
    )


class _JobRun:
    """One job in this process, from its row to its end."""

    def __init__(self, queue: Queue, lab_folder: LabFolder, job: QueuedJob, closed: threading.Event) -> None:
        self.queue, self.lab_folder, self.row, self.closed = queue, lab_folder, job, closed
        self.over = threading.Event()
        self.cancelled, self.result_folder = False, ""
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
            self.queue.end(self.row.id, "failed", error=error.to_json())
        except BaseException as error:
            traceback.print_exc()
            self.queue.end(self.row.id, "failed", error=explained(error).to_json())
            if not isinstance(error, Exception):
                raise
        finally:
            self.over.set()

    def _steps(self) -> None:
        recipe = recipe_of(self.row, self.lab_folder)
        if isinstance(recipe, TrainRecipe):
            job = self._training(recipe)
            epochs = [epoch.to_json() for epoch in self.epochs]
            follower = Follower(self.queue, self.row, job, Path(self.result_folder), epochs)
        else:
            job = self._begun(recipe, self.lab_folder.result(self.row.id))
            follower = Follower(self.queue, self.row, job)
        threading.Thread(target=self._watch, args=(job,), name="watch", daemon=True).start()
        try:
            for step in job:
                follower.step(step)
        except Interrupted:
            follower.stopped()
            raise
        finally:
            follower.files(Path(self.result_folder))
        self.queue.end(self.row.id, "done", document=as_json(follower.whole(job.document or {})))

    def _training(self, recipe: TrainRecipe) -> Job:
        """Begin a training in a folder of its own, or go on with its run."""
        if can_resume(self.row):
            folder = Path(self.row.result_folder)
            self.epochs = Run.open(folder, type(recipe)).epochs
            again = type(recipe).parse({"resume": folder}) if recipe.resume is None else recipe
            job = self._begun(again, folder)
            job.workspace.controls.paused = self.queue.pause_requested(self.row.id)
            return job
        if recipe.resume is not None:
            return self._begun(recipe, recipe.resume)
        trained = getattr(recipe, "recipe", "") or getattr(recipe, "network", "") or ""
        return self._begun(recipe, self.lab_folder.new_run(f"{recipe.verb}-{trained}"))

    def _begun(self, recipe: Recipe, folder: Path) -> Job:
        """Begin a job, whose result lies or will lie in a folder."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.result_folder = str(folder)
        self.queue.set_result_folder(self.row.id, self.result_folder)
        return jobs.run(recipe, None if getattr(recipe, "resume", None) else folder, log=self._log)

    def _watch(self, job: Job) -> None:
        """Send heartbeats while the job runs, pass requests on to it, and stop it when the server ends."""
        beaten, stopping = 0.0, False
        while not self.over.wait(CONTROL_INTERVAL):
            try:
                if time.monotonic() - beaten > HEARTBEAT_INTERVAL:
                    beaten = time.monotonic()
                    self.queue.heartbeat(self.row.id)
                for control in self.queue.take_controls(self.row.id):
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
            self.queue.end(self.row.id, "cancelled", error=stop.to_json())
            return
        self.closed.set()  # a signal that the training has handled is one to this process
        if trains(self.row.verb, self.row.settings):
            self.queue.reset_tries(self.row.id)
            self.queue.requeue(self.row.id, "goes on when the lab is started again")
        else:
            self.queue.end(self.row.id, "interrupted", error=stop.to_json())

    def _log(self, text: str) -> None:
        self.queue.add_event(self.row.id, "log", {"text": text})
