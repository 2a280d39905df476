"""Answers about jobs and verbs."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from convscope.jobs.output.controls import Action
from convscope.lab.queue.job import State
from convscope.lab.web.routes.answers.common import LabError, Number, Values, closed


@closed
class Artifact(TypedDict):
    """A file that a job has made."""

    index: int
    kind: Literal["image", "page", "table", "sound", "file"]
    title: str
    bytes: int
    version: int
    """Changes with the content."""


@closed
class HandedFile(TypedDict):
    """An uploaded file, as a job has it."""

    id: str
    name: str


@closed
class HandedSet(TypedDict):
    """A folder that was handed over, as a job has it."""

    set: str
    name: str
    version: int
    """How many corrections count."""


@closed
class JobSummary(TypedDict):
    """A job without its document."""

    id: str
    verb: str
    settings: Values
    uploads: dict[str, list[HandedFile | HandedSet]]
    state: State
    fraction: Number
    message: str
    seconds_left: Number | None
    created: Number
    """Seconds since 1970, as all times."""
    started: Number | None
    ended: Number | None
    error: LabError | None
    command: str
    cancelling: bool
    artifacts: list[Artifact]


@closed
class Job(JobSummary):
    """A job with its document: what its verb prints with `--json`, so far."""

    document: Values | None


@closed
class JobId(TypedDict):
    """A job that was begun."""

    id: str


@closed
class JobState(TypedDict):
    """The state of a job."""

    state: State


@closed
class RequestedAction(TypedDict):
    """What a training was asked for."""

    requested_action: Action


@closed
class HurtClass(TypedDict):
    """The class that loses most without a unit."""

    name: str
    accuracy: Number
    ablated: Number


@closed
class Ablation(TypedDict):
    """What a saved network answers with one unit switched off, beside its answers as it is."""

    unit: str
    samples: int
    accuracy: Number
    ablated: Number
    changed: Number
    """The share of the answers that are others."""
    hurt: HurtClass | None


@closed
class VerbSummary(TypedDict):
    """A verb in the list."""

    verb: str
    summary: str


@closed
class FieldSchema(TypedDict):
    """A setting of a verb, as a form needs it."""

    name: str
    title: str
    flag: str
    type: Literal["switch", "choice", "integer", "number", "text", "table"]
    choices: list[str] | None
    default: Any
    required: bool
    minimum: Number | None
    maximum: Number | None
    exclusive: list[Literal["minimum", "maximum"]]
    repeats: bool
    help: str
    positional: bool
    takes: str | None
    """What a text names: `a picture`, `a network`, ...; null if nothing is known."""


@closed
class VerbSchema(TypedDict):
    """A verb with its settings."""

    verb: str
    summary: str
    help: str
    fields: list[FieldSchema]


class _Event(TypedDict):
    type: Literal["job"]
    stream: int
    """The stream that it belongs to, as the page counts."""
    id: str
    """The job."""
    seq: int
    """Grows over all jobs."""


@closed
class StateEvent(_Event):
    """A job has changed its state, or is asked to end."""

    event: Literal["state"]
    state: State
    verb: NotRequired[str]
    tries: NotRequired[int]
    message: NotRequired[str]
    cancelling: NotRequired[bool]
    error: NotRequired[LabError | None]


@closed
class ProgressEvent(_Event):
    """How far a job is; it stands for all earlier ones."""

    event: Literal["progress"]
    fraction: Number
    message: str
    seconds_left: Number | None


@closed
class LogEvent(_Event):
    """A job says something."""

    event: Literal["log"]
    text: str


@closed
class ArtifactEvent(_Event):
    """A file of a job is new, or has changed."""

    event: Literal["artifact"]
    index: int
    kind: Literal["image", "page", "table", "sound", "file"]
    title: str
    bytes: int
    version: int


@closed
class DocumentEvent(_Event):
    """The document of a job has changed."""

    event: Literal["document"]


@closed
class RequestEvent(_Event):
    """A training was asked for something; `control` says what became of it."""

    event: Literal["request"]
    action: Action
    value: Any


class TrainingEvent(_Event):
    """A training has got on: its fields are those of the field of the job's document of the same name."""

    event: Literal["metric", "epoch", "control", "training"]


@closed
class GoneEvent(TypedDict):
    """There is no such job, or not any more."""

    type: Literal["job"]
    stream: int
    id: str
    event: Literal["gone"]


JobEvent = (
    StateEvent
    | ProgressEvent
    | LogEvent
    | ArtifactEvent
    | DocumentEvent
    | RequestEvent
    | TrainingEvent
    | GoneEvent
)
"""An event of a job on the WebSocket."""
