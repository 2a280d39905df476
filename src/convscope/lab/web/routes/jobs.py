"""Routes of jobs: begin, list, follow, cancel, control and remove them, and fetch their files."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import FileResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from convscope.errors import PlaceError
from convscope.lab.folder import LabFolder
from convscope.lab.queue.job import ENDED, QueuedJob, State
from convscope.lab.uploaded_sets import UploadedSets
from convscope.lab.web import jobs
from convscope.lab.web.artifacts import SANDBOX, image_response
from convscope.lab.web.routes.answers.common import Removed, answers
from convscope.lab.web.routes.answers.jobs import Ablation, Job, JobId, JobState, JobSummary, RequestedAction
from convscope.lab.web.state import Folder, JobQueue, Lab

router = APIRouter(prefix="/jobs", tags=["jobs"])
POLL = 0.1
"""Seconds between two looks for new events."""


class UploadedFile(BaseModel):
    """An upload, and what the user calls it."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str = Field("", max_length=500)


class UploadedSet(BaseModel):
    """A folder that was handed over (`POST /uploaded-sets`), as it is corrected now."""

    model_config = ConfigDict(extra="forbid")
    set: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str = Field("", max_length=500)
    version: int | None = Field(None, ge=0, lt=2**31)
    """How many corrections count; all of them if left out."""


class JobRequest(BaseModel):
    """What to do."""

    model_config = ConfigDict(extra="forbid")
    verb: str = Field(max_length=40)
    settings: dict[str, Any] = {}
    uploads: dict[str, list[UploadedFile | UploadedSet | str]] = {}


class ControlRequest(BaseModel):
    """What a running training is asked for."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["pause", "resume", "lr", "freeze", "thaw"]
    value: float | str | list[str] | None = None


@router.post("", status_code=201)
@answers(JobId)
def create_job(request: JobRequest, queue: JobQueue, folder: Folder) -> dict[str, str]:
    """Add a job to the queue; its settings are checked as the terminal checks them.

    Args:
        request: verb, settings and uploads.
        queue: the jobs.
        folder: the lab's folders.

    Returns:
        `id` of the job.
    """
    uploads = {name: [_stored(f, folder) for f in files] for name, files in request.uploads.items()}
    command = jobs.check_request(request.verb, request.settings, uploads, folder)
    return {"id": queue.add(request.verb, request.settings, uploads=uploads, command=command)}


def _stored(given: UploadedFile | UploadedSet | str, folder: LabFolder) -> dict[str, str]:
    """Return an upload as a job keeps it: a folder with the number of corrections that count."""
    if isinstance(given, UploadedSet):
        now = UploadedSets(folder).version(given.set)
        version = now if given.version is None else min(given.version, now)
        return {"set": given.set, "name": given.name, "version": str(version)}
    found = {"id": given} if isinstance(given, str) else given.model_dump()
    folder.upload(found["id"])
    return found


@router.get("")
@answers(list[JobSummary])
def list_jobs(
    queue: JobQueue, state: State | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[dict[str, Any]]:
    """Return jobs without their documents, the newest first.

    Args:
        queue: the jobs.
        state: only those in this state.
        limit: how many at most.

    Returns:
        The jobs.
    """
    return [jobs.to_json(job, whole=False) for job in queue.jobs(state, limit)]


@router.post("/clear")
@answers(Removed)
def clear_jobs(queue: JobQueue, folder: Folder) -> dict[str, int]:
    """Remove all jobs that have ended, with their results in the lab's own folder.

    Args:
        queue: the jobs.
        folder: the lab's folders.

    Returns:
        `removed`: how many.
    """
    removed = queue.clear()
    for job in removed:
        _remove_files(folder, job)
    return {"removed": len(removed)}


@router.get("/{id}")
@answers(Job)
def get_job(id: str, queue: JobQueue) -> dict[str, Any]:
    """Return a job with its document.

    Args:
        id: the job.
        queue: the jobs.

    Returns:
        The job.
    """
    return jobs.to_json(queue.job(id))


@router.delete("/{id}")
@answers(Removed)
def remove_job(id: str, queue: JobQueue, folder: Folder) -> dict[str, str]:
    """Remove a job that has ended, with its result in the lab's own folder; a training's run stays.

    Args:
        id: the job.
        queue: the jobs.
        folder: the lab's folders.

    Returns:
        `removed`: the id.
    """
    _remove_files(folder, queue.remove(id))
    return {"removed": id}


@router.post("/{id}/cancel")
@answers(JobState)
def cancel_job(id: str, queue: JobQueue) -> dict[str, str]:
    """Ask a job to end; what it has made stays.

    Args:
        id: the job.
        queue: the jobs.

    Returns:
        `state` of the job now.
    """
    return {"state": queue.cancel(id)}


@router.post("/{id}/control", status_code=202)
@answers(RequestedAction)
def control_job(id: str, request: ControlRequest, queue: JobQueue) -> dict[str, str]:
    """Ask a running training for something; an event tells whether it was done.

    Args:
        id: the job.
        request: what is asked for.
        queue: the jobs.

    Returns:
        `requested_action`: the action.
    """
    jobs.check_control(queue.job(id), request.action, request.value)
    queue.control(id, request.action, request.value)
    return {"requested_action": request.action}


def require_job(id: str, queue: JobQueue) -> None:
    """Refuse the id of a job that is not there, before a stream begins; for FastAPI's `Depends`.

    Args:
        id: the job.
        queue: the jobs.

    Raises:
        PlaceError: there is no such job.
    """
    queue.state(id)


@router.get("/{id}/events", dependencies=[Depends(require_job)], response_class=EventSourceResponse)
async def stream_events(
    id: str,
    queue: JobQueue,
    after: Annotated[int, Query(ge=0)] = 0,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Stream the events of a job, from the first or after one; ends when the job has ended.

    Args:
        id: the job.
        queue: the jobs.
        after: number of the last event that is known.
        last_event_id: the same, as a browser sends it when it connects again.

    Yields:
        The events; their ids are their numbers.
    """
    last = last_event_id if last_event_id is not None else after
    while True:
        over = (await asyncio.to_thread(queue.state, id)) in ENDED
        found = await asyncio.to_thread(queue.events, last, id)
        for event in found:
            last = event.seq
            yield ServerSentEvent(data=event.to_json(), event=event.kind, id=str(event.seq))
        if over and not found:
            return
        await asyncio.sleep(0 if found else POLL)


@router.get("/{id}/artifacts/{index}", response_class=FileResponse)
def get_artifact(
    id: str,
    index: int,
    queue: JobQueue,
    size: Annotated[int | None, Query(ge=16, le=4096)] = None,
) -> Response:
    """Return a file of a job: pictures encoded anew, pages in a sandbox, other files as a download.

    Args:
        id: the job.
        index: number of the file among the job's artifacts.
        queue: the jobs.
        size: longest side of a picture in pixels, for a smaller one.

    Returns:
        The file.
    """
    job = queue.job(id)
    if not 0 <= index < len(job.artifacts):
        raise PlaceError("the number of a file of this job", received=str(index), hint="See its artifacts.")
    entry = job.artifacts[index]
    path = within(Path(job.folder), entry["file"])
    if entry["kind"] == "image":
        return image_response(path, size)
    if entry["kind"] == "page":
        return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": SANDBOX})
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


@router.get("/{id}/samples/{index}", response_class=Response)
async def get_test_sample(
    id: str,
    index: int,
    queue: JobQueue,
    lab: Lab,
    size: Annotated[int, Query(ge=16, le=1024)] = 256,
    format: Literal["png", "wav"] = "png",
) -> Response:
    """Return the picture of a test sample of a training, as the live worker draws it, or its sound.

    Args:
        id: the job.
        index: number of the sample, as in the training's document.
        queue: the jobs.
        lab: the lab, whose live worker is asked.
        size: longest side in pixels.
        format: `png`, or `wav` for a network of sounds.

    Returns:
        PNG or WAV.
    """
    job = await asyncio.to_thread(queue.job, id)
    run = Path(job.result_folder).name
    drawn = await lab.workers["live"].ask("test_sample", run=run, index=index, size=size, format=format)
    media = "audio/wav" if format == "wav" else "image/png"
    return Response(drawn.data, media_type=media, headers={"Cache-Control": "private, max-age=3600"})


@router.get("/{id}/ablation")
@answers(Ablation)
async def get_ablation(
    id: str, unit: Annotated[str, Query(max_length=300)], queue: JobQueue, lab: Lab
) -> dict[str, Any]:
    """Test the last saved network of a training without a unit; the training itself is not touched.

    Args:
        id: the job.
        unit: address of the unit, such as `conv1:3`.
        queue: the jobs.
        lab: the lab, whose live worker is asked.

    Returns:
        `unit`, `samples`, `accuracy`, `ablated` (the accuracy without the unit), `changed` (share of the
        answers) and `hurt` (the class that loses most: `name`, `accuracy`, `ablated`; or null).
    """
    job = await asyncio.to_thread(queue.job, id)
    return (await lab.workers["live"].ask("ablation", run=Path(job.result_folder).name, unit=unit)).result


def within(folder: Path, name: str) -> Path:
    """Return the path of a file below a folder, which no link may lead out of.

    Args:
        folder: the folder of a job's result.
        name: name of the file, as the job has written it.

    Returns:
        The path.

    Raises:
        PlaceError: there is no such file.
    """
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise PlaceError("a file of this job", received=f"{name}, which is gone", hint="Begin the job again.")
    return path


def _remove_files(folder: LabFolder, job: QueuedJob) -> None:
    """Remove what lies in the lab's own folder; the run of a training, and what it learned from, stay."""
    own = folder.internal.resolve()
    if job.result_folder and not Path(job.result_folder).resolve().is_relative_to(own):
        return
    unfinished = Path(job.folder or folder.result(job.id))
    for path in {folder.result(job.id), folder.inputs(job.id), unfinished}:
        if path.resolve().parent.parent != own:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
