"""A job of the lab as its row says it."""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "interrupted")
"""States in which nothing happens any more."""


@dataclass(frozen=True)
class QueuedJob:
    """One job.

    Attributes:
        number: order in which jobs are begun, from 1.
        id: how it is named in addresses: hexadecimal digits.
        verb: what it does.
        settings: values by field of the verb's recipe, as they were asked for; files are not among them.
        uploads: fields that take files -> uploaded files, each as its id and the name that the user gave it.
        command: the command with the same effect.
        state: see `State`.
        fraction: share of the work that is done, 0 to 1.
        message: what is being done.
        seconds_left: estimate of the remaining seconds; None where it is unknown.
        created: seconds since 1970, as all times here.
        started: when it was first begun; None before.
        ended: when it ended; None before.
        error: `expected`, `received` and `hint` of what went wrong; None if nothing has.
        document: the result; None before there is one.
        artifacts: its files: `file`, `kind`, `title`, `bytes` and `version` each.
        folder: where these files lie now.
        result_folder: where its result lies, or will; empty before it was begun.
        pid: process that has it, or had it last.
        process_start: when that process was started (`process.this_process`).
        heartbeat: when it was last heard of.
        tries: how often it was begun.
        cancelled: whether it was asked to end.
    """

    number: int
    id: str
    verb: str
    settings: dict[str, Any]
    uploads: dict[str, list[dict[str, str]]]
    command: str
    state: State
    fraction: float
    message: str
    seconds_left: float | None
    created: float
    started: float | None
    ended: float | None
    error: dict[str, str] | None
    document: dict[str, Any] | None
    artifacts: list[dict[str, Any]]
    folder: str
    result_folder: str
    pid: int
    process_start: str
    heartbeat: float
    tries: int
    cancelled: bool

    @property
    def over(self) -> bool:
        """Whether nothing happens to it any more."""
        return self.state in ENDED

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> "QueuedJob":
        """Read a row of the table.

        Args:
            row: all columns.

        Returns:
            The job.
        """
        values = dict(row)
        for name in ("settings", "uploads", "error", "document", "artifacts"):
            values[name] = json.loads(values[name])
        values["cancelled"] = bool(values["cancelled"])
        return cls(**values)


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Attributes:
        seq: grows over all jobs, and is never used again.
        job: id of the job.
        kind: such as `state`, `progress`, `log` or `artifact`.
        body: JSON values.
    """

    seq: int
    job: str
    kind: str
    body: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the event as a JSON-ready dict, without its number."""
        return {"id": self.job, "event": self.kind, **self.body}


@dataclass(frozen=True)
class Control:
    """A request to a running job.

    Attributes:
        action: such as `pause` or `lr`.
        value: what belongs to it.
    """

    action: str
    value: Any
