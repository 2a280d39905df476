"""The queue: jobs are added, claimed by one process each, followed and ended, and all of it is on disk.

Every change of a job adds an event in the same transaction, so that who follows the events misses nothing,
whenever it begins. What is only the newest of its kind, such as progress, replaces the event before.
"""

import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from convscope.errors import DataError, PlaceError, UsageError
from convscope.lab.queue.database import Database
from convscope.lab.queue.job import ENDED, Control, Event, QueuedJob, State
from convscope.lab.queue.process import alive, this_process

CLAIM = """
UPDATE job SET state = 'running', pid = ?, process_start = ?, heartbeat = ?, tries = tries + 1,
  started = coalesce(started, ?)
WHERE number = (SELECT number FROM job WHERE state = 'queued' ORDER BY number LIMIT 1)
RETURNING *
"""
OWNED = "id = ? AND state = 'running' AND pid = ? AND process_start = ?"
"""Condition of everything that the process which has a job writes about it."""

SUMMARY_COLUMNS = ", ".join(
    {"document": "'null' AS document"}.get(field.name, field.name) for field in fields(QueuedJob)
)
"""Columns of a job, without its document, which may be large."""


class LostJobError(DataError):
    """A job that another process has taken meanwhile, or that was removed."""


class Queue:
    """Jobs in a SQLite file, for any number of threads and processes of one machine.

    Args:
        path: the file.

    Raises:
        DataError: it is no list of jobs.
    """

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self._process = this_process()

    def add(
        self,
        verb: str,
        settings: dict[str, Any],
        *,
        uploads: dict[str, list[dict[str, str]]] | None = None,
        command: str = "",
    ) -> str:
        """Add a job to the end of the queue.

        Args:
            verb: what it does.
            settings: values by field.
            uploads: fields that take files -> `id` and `name` of each.
            command: the command with the same effect.

        Returns:
            The job's id.
        """
        id_ = secrets.token_hex(8)
        values = (id_, verb, json.dumps(settings), json.dumps(uploads or {}), command, time.time())
        with self.database.writing() as db:
            db.execute(
                "INSERT INTO job (id, verb, settings, uploads, command, created) VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
            self._insert_event(id_, "state", {"state": "queued", "verb": verb})
        return id_

    def claim(self) -> QueuedJob | None:
        """Take the oldest job that waits, for this process.

        Returns:
            The job, which is running from now on; None if none waits.
        """
        if self.database.connection.execute("SELECT 1 FROM job WHERE state = 'queued'").fetchone() is None:
            return None
        now, (pid, started) = time.time(), self._process
        with self.database.writing() as db:
            row = db.execute(CLAIM, (pid, started, now, now)).fetchone()
            if row is None:
                return None
            job = QueuedJob.from_row(row)
            self._insert_event(job.id, "state", {"state": "running", "tries": job.tries})
        return job

    def job(self, id_: str) -> QueuedJob:
        """Return a job.

        Args:
            id_: its id.

        Returns:
            The job as it is now.

        Raises:
            PlaceError: there is none of this id.
        """
        row = self.database.connection.execute("SELECT * FROM job WHERE id = ?", (id_,)).fetchone()
        if row is None:
            hint = "It was removed, or never was: GET /api/v1/jobs"
            raise PlaceError("the id of a job", received=id_[:40], hint=hint)
        return QueuedJob.from_row(row)

    def state(self, id_: str) -> State:
        """Return the state of a job, without reading its document.

        Args:
            id_: its id.

        Returns:
            The state.

        Raises:
            PlaceError: there is none of this id.
        """
        row = self.database.connection.execute("SELECT state FROM job WHERE id = ?", (id_,)).fetchone()
        return self.job(id_).state if row is None else row[0]

    def jobs(self, state: State | None = None, limit: int = 100) -> list[QueuedJob]:
        """Return jobs without their documents, the newest first.

        Args:
            state: only those in this state.
            limit: how many at most.

        Returns:
            The jobs.
        """
        where = "" if state is None else "WHERE state = ?"
        given = (*(() if state is None else (state,)), limit)
        query = f"SELECT {SUMMARY_COLUMNS} FROM job {where} ORDER BY number DESC LIMIT ?"
        return [QueuedJob.from_row(row) for row in self.database.connection.execute(query, given)]

    def heartbeat(self, id_: str) -> bool:
        """Say that this process still works on a job.

        Args:
            id_: the job.

        Returns:
            Whether the job was asked to end.

        Raises:
            LostJobError: this process does not have the job any more.
        """
        query = f"UPDATE job SET heartbeat = ? WHERE {OWNED} RETURNING cancelled"
        with self.database.writing() as db:
            row = db.execute(query, (time.time(), id_, *self._process)).fetchone()
        return bool(self._check_owned(row, id_)[0])

    def cancelled(self, id_: str) -> bool:
        """Return whether a job was asked to end; without writing.

        Args:
            id_: the job.

        Returns:
            Whether it was; also where it was removed.
        """
        query = "SELECT cancelled FROM job WHERE id = ?"
        row = self.database.connection.execute(query, (id_,)).fetchone()
        return row is None or bool(row[0])

    def set_progress(self, id_: str, fraction: float, message: str, seconds_left: float | None) -> None:
        """Say how far a job of this process is; replaces what was said before.

        Args:
            id_: the job.
            fraction: share of the work that is done.
            message: what is being done.
            seconds_left: estimate of the remaining seconds.

        Raises:
            LostJobError: this process does not have the job any more.
        """
        query = f"UPDATE job SET fraction = ?, message = ?, seconds_left = ?, heartbeat = ? WHERE {OWNED}"
        with self.database.writing() as db:
            done = db.execute(query, (fraction, message, seconds_left, time.time(), id_, *self._process))
            self._check_owned(done.rowcount or None, id_)
            body = {"fraction": fraction, "message": message, "seconds_left": seconds_left}
            self._insert_event(id_, "progress", body, replaces=True)

    def add_event(self, id_: str, kind: str, body: dict[str, Any], *, replaces: bool = False) -> int:
        """Add an event of a job.

        Args:
            id_: the job.
            kind: what kind of event.
            body: JSON values.
            replaces: whether it takes the place of earlier events of its kind.

        Returns:
            Its number.
        """
        with self.database.writing():
            return self._insert_event(id_, kind, body, replaces=replaces)

    def set_result_folder(self, id_: str, folder: str) -> None:
        """Note where the result of a job of this process will lie.

        Args:
            id_: the job.
            folder: its path.

        Raises:
            LostJobError: this process does not have the job any more.
        """
        with self.database.writing() as db:
            done = db.execute(
                f"UPDATE job SET result_folder = ? WHERE {OWNED}", (folder, id_, *self._process)
            )
            self._check_owned(done.rowcount or None, id_)

    def set_artifacts(
        self, id_: str, folder: str, artifacts: Sequence[dict[str, Any]], changed: Iterable[int]
    ) -> None:
        """Note the files that a job of this process has made so far.

        Args:
            id_: the job.
            folder: where they lie now.
            artifacts: all of them.
            changed: indices of those that are new, or other than before.

        Raises:
            LostJobError: this process does not have the job any more.
        """
        with self.database.writing() as db:
            query = f"UPDATE job SET artifacts = ?, folder = ? WHERE {OWNED}"
            done = db.execute(query, (json.dumps(list(artifacts)), folder, id_, *self._process))
            self._check_owned(done.rowcount or None, id_)
            for index in changed:
                shown = {name: value for name, value in artifacts[index].items() if name != "file"}
                self._insert_event(id_, "artifact", {"index": index, **shown})

    def end(
        self,
        id_: str,
        state: State,
        *,
        document: str | None = None,
        error: dict[str, str] | None = None,
    ) -> None:
        """End a job of this process.

        Args:
            id_: the job.
            state: one of `ENDED`.
            document: its result, as JSON; what there is so far, if left out.
            error: what went wrong.

        Raises:
            LostJobError: this process does not have the job any more.
        """
        query = (
            "UPDATE job SET state = ?, ended = ?, document = coalesce(?, document), error = ?, "
            f"seconds_left = NULL, fraction = CASE ? WHEN 'done' THEN 1.0 ELSE fraction END WHERE {OWNED}"
        )
        values = (state, time.time(), document, json.dumps(error), state)
        with self.database.writing() as db:
            done = db.execute(query, (*values, id_, *self._process))
            self._check_owned(done.rowcount or None, id_)
            db.execute("DELETE FROM control WHERE job = ?", (id_,))
            self._insert_event(id_, "state", {"state": state, "error": error})

    def set_document(self, id_: str, document: str) -> None:
        """Store the result so far of a job of this process.

        Args:
            id_: the job.
            document: JSON.

        Raises:
            LostJobError: this process does not have the job any more.
        """
        with self.database.writing() as db:
            done = db.execute(f"UPDATE job SET document = ? WHERE {OWNED}", (document, id_, *self._process))
            self._check_owned(done.rowcount or None, id_)
            self._insert_event(id_, "document", {}, replaces=True)

    def reset_tries(self, id_: str) -> None:
        """Note that a job has got further than at any try before: it is no reason to give up.

        Args:
            id_: the job.
        """
        with self.database.writing() as db:
            db.execute("UPDATE job SET tries = 0 WHERE id = ?", (id_,))

    def requeue(self, id_: str, message: str) -> None:
        """Put a job of this process back, to be gone on with when a process is there again.

        Args:
            id_: the job.
            message: why.

        Raises:
            LostJobError: this process does not have the job any more.
        """
        with self.database.writing() as db:
            query = f"UPDATE job SET state = 'queued', message = ?, seconds_left = NULL WHERE {OWNED}"
            done = db.execute(query, (message, id_, *self._process))
            self._check_owned(done.rowcount or None, id_)
            self._insert_event(id_, "state", {"state": "queued", "message": message})

    def take_abandoned(self) -> list[QueuedJob]:
        """Take over the jobs whose processes have died, the oldest first.

        Returns:
            The jobs, which this process has from now on: each must be ended or requeued.
        """
        rows = self.database.connection.execute("SELECT * FROM job WHERE state = 'running' ORDER BY number")
        dead = [job for job in map(QueuedJob.from_row, rows.fetchall()) if not _runs(job)]
        query = f"UPDATE job SET pid = ?, process_start = ?, heartbeat = ? WHERE {OWNED}"
        taken = []
        for job in dead:
            with self.database.writing() as db:
                before = (job.id, job.pid, job.process_start)
                if db.execute(query, (*self._process, time.time(), *before)).rowcount:
                    taken.append(job)
        return taken

    def cancel(self, id_: str) -> State:
        """Ask a job to end; one that waits ends at once, one that has ended stays as it is.

        Args:
            id_: the job.

        Returns:
            Its state.

        Raises:
            PlaceError: there is no such job.
        """
        self.job(id_)
        query = (
            "UPDATE job SET cancelled = 1, ended = CASE state WHEN 'queued' THEN ? ELSE ended END, "
            "state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END "
            "WHERE id = ? AND state IN ('queued', 'running') AND NOT cancelled RETURNING state"
        )
        with self.database.writing() as db:
            row = db.execute(query, (time.time(), id_)).fetchone()
            if row is not None:
                body = (
                    {"state": row[0]} if row[0] == "cancelled" else {"state": "running", "cancelling": True}
                )
                self._insert_event(id_, "state", body)
        return self.job(id_).state

    def control(self, id_: str, action: str, value: Any) -> None:
        """Hand a request to a running job.

        Args:
            id_: the job.
            action: what is asked for.
            value: JSON value that belongs to it.

        Raises:
            PlaceError: there is no such job.
            UsageError: it is not running.
        """
        job = self.job(id_)
        if job.over:
            raise UsageError("a job that runs", received=f"one that is {job.state}", hint="Begin it again.")
        with self.database.writing() as db:
            query = "INSERT INTO control (job, action, value) VALUES (?, ?, ?)"
            db.execute(query, (id_, action, json.dumps(value)))
            self._insert_event(id_, "request", {"action": action, "value": value})

    def pause_requested(self, id_: str) -> bool:
        """Return whether a job was asked to pause, and not to go on since, whatever became of its process.

        Args:
            id_: the job.

        Returns:
            Whether it is to be paused.
        """
        query = "SELECT body FROM event WHERE job = ? AND kind = 'request' ORDER BY seq DESC"
        rows = self.database.connection.execute(query, (id_,))
        actions = (json.loads(row[0])["action"] for row in rows)
        return next((action for action in actions if action in ("pause", "resume")), "resume") == "pause"

    def take_controls(self, id_: str) -> list[Control]:
        """Take the requests to a job, in the order in which they were made.

        Args:
            id_: the job.

        Returns:
            The requests; each is returned once.
        """
        query = "SELECT 1 FROM control WHERE job = ?"
        if self.database.connection.execute(query, (id_,)).fetchone() is None:
            return []
        with self.database.writing() as db:
            rows = db.execute("DELETE FROM control WHERE job = ? RETURNING *", (id_,)).fetchall()
        ordered = sorted(rows, key=lambda row: row["number"])
        return [Control(row["action"], json.loads(row["value"])) for row in ordered]

    def remove(self, id_: str) -> QueuedJob:
        """Remove a job that has ended, with its events.

        Args:
            id_: the job.

        Returns:
            The job as it was.

        Raises:
            PlaceError: there is no such job.
            UsageError: it has not ended.
        """
        job = self.job(id_)
        if not job.over:
            hint = f"Cancel it first: POST /api/v1/jobs/{id_}/cancel"
            raise UsageError("a job that has ended", received=f"one that is {job.state}", hint=hint)
        with self.database.writing() as db:
            db.execute("DELETE FROM job WHERE id = ?", (id_,))
        return job

    def clear(self) -> list[QueuedJob]:
        """Remove all jobs that have ended.

        Returns:
            The jobs as they were.
        """
        marks = ", ".join("?" * len(ENDED))
        with self.database.writing() as db:
            rows = db.execute(f"DELETE FROM job WHERE state IN ({marks}) RETURNING *", ENDED).fetchall()
        return [QueuedJob.from_row(row) for row in rows]

    def events(self, after: int = 0, id_: str | None = None, limit: int = 1000) -> list[Event]:
        """Return what happened after some event.

        Args:
            after: number of that event; 0 for all.
            id_: the job; all jobs if left out.
            limit: how many at most.

        Returns:
            The events in their order.
        """
        where = "seq > ?" if id_ is None else "seq > ? AND job = ?"
        given = (after, *(() if id_ is None else (id_,)), limit)
        query = f"SELECT seq, job, kind, body FROM event WHERE {where} ORDER BY seq LIMIT ?"
        rows = self.database.connection.execute(query, given)
        return [Event(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    def last_event(self) -> int:
        """Return the number of the newest event; 0 before there is one."""
        row = self.database.connection.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
        return int(row[0])

    def _insert_event(self, id_: str, kind: str, body: dict[str, Any], *, replaces: bool = False) -> int:
        """Add an event, within a transaction."""
        db = self.database.connection
        if replaces:
            db.execute("DELETE FROM event WHERE job = ? AND kind = ?", (id_, kind))
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        added = db.execute("INSERT INTO event (job, kind, body) VALUES (?, ?, ?)", (id_, kind, text))
        return int(added.lastrowid or 0)

    def _check_owned(self, found: Any, id_: str) -> Any:
        if found is None:
            hint = "Another process has taken it, or it was removed."
            raise LostJobError(f"job {id_} to be this process's", received="no such row", hint=hint)
        return found


def _runs(job: QueuedJob) -> bool:
    return alive(job.pid, job.process_start, time.time() - job.heartbeat)
