"""What the atlas shows of a job that has embedded inputs: places, thumbnails, activations, single inputs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from starlette.responses import FileResponse, Response

from convscope.errors import PlaceError
from convscope.lab.queue.job import QueuedJob
from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.datasets import Uploaded
from convscope.lab.web.routes.jobs import within
from convscope.lab.web.routes.networks import MEDIA, Format
from convscope.lab.web.state import JobQueue, Lab

router = APIRouter(prefix="/jobs/{id}/embedding", tags=["embeddings"])
IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
"""A job never changes what it has drawn; another one has another id."""
THUMBNAILS = {"png": "image/png", "webp": "image/webp"}
Number = Annotated[int, InPath(ge=0, lt=2**31)]


def _embedding(id: str, queue: JobQueue) -> QueuedJob:
    """Return a job that has embedded inputs, finished or not."""
    job = queue.job(id)
    if job.verb != "embed" or not job.folder or job.document is None:
        hint = (
            "Begin one: POST /api/v1/jobs with the verb embed. It has a map as soon as inputs are recorded."
        )
        raise PlaceError("a job that has embedded inputs", received=f"{job.verb}, {job.state}", hint=hint)
    return job


@router.get("/points", response_class=FileResponse)
def get_points(id: str, queue: JobQueue) -> Response:
    """Return what is known of each input, as safetensors: places by layout, labels, predictions.

    Args:
        id: the job.
        queue: the jobs.

    Returns:
        The file that the job has written.
    """
    path = within(Path(_embedding(id, queue).folder), "embedding.safetensors")
    return FileResponse(path, media_type="application/octet-stream", headers={"Cache-Control": "no-cache"})


@router.get("/thumbnails/{side}/{number}", response_class=FileResponse)
def get_thumbnails(id: str, side: Number, number: Number, queue: JobQueue) -> Response:
    """Return a sheet of thumbnails, as the job has encoded it.

    Args:
        id: the job.
        side: side of its thumbnails in pixels, one of the document's `thumbnails.levels`.
        number: of the sheet, from 0.
        queue: the jobs.

    Returns:
        PNG with the amount of ink, or WebP in colours.
    """
    job = _embedding(id, queue)
    format = (job.document or {})["thumbnails"]["format"]
    path = within(Path(job.folder), f"thumbnails/{side}-{number}.{format}")
    return FileResponse(path, media_type=THUMBNAILS[format], headers=IMMUTABLE)


@router.get("/units/{unit}", response_class=Response)
def get_unit(id: str, unit: Number, queue: JobQueue) -> Response:
    """Return the activations of one unit for all inputs.

    Args:
        id: the job.
        unit: its number.
        queue: the jobs.

    Returns:
        Little-endian 32-bit floats, in the order of the inputs.
    """
    from safetensors import safe_open

    path = within(Path(_embedding(id, queue).folder), "activations.safetensors")
    with safe_open(path, framework="np") as file:
        rows = file.get_slice("activations")
        count = rows.get_shape()[0]
        if unit >= count:
            hint = f"There are {count:,}, counted from 0."
            raise PlaceError("the number of a unit", received=str(unit), hint=hint)
        values = rows[unit]
    return Response(values.astype("<f4").tobytes(), media_type="application/octet-stream", headers=IMMUTABLE)


@router.get("/inputs/{index}.{format}", response_class=Response)
async def get_input(id: str, index: Number, format: Format, queue: JobQueue, lab: Lab) -> Response:
    """Return one input as the network sees it.

    Args:
        id: the job.
        index: number of the input in the data.
        format: `png`, or `wav` for a network of sounds.
        queue: the jobs.
        lab: the lab, whose live worker opens the data.

    Returns:
        The file, encoded anew.
    """
    _, data = await _encoded(id, index, format, queue, lab)
    return Response(data, media_type=MEDIA[format], headers=IMMUTABLE)


@router.post("/inputs/{index}", status_code=201)
@answers(Uploaded)
async def upload_input(id: str, index: Number, queue: JobQueue, lab: Lab) -> dict[str, Any]:
    """Make an upload of one input, so that other pages and jobs can open it.

    Args:
        id: the job.
        index: number of the input in the data.
        queue: the jobs.
        lab: the lab, whose live worker opens the data.

    Returns:
        `id`, by which other requests name it, `bytes` and `name`.
    """
    ending, data = await _encoded(id, index, "file", queue, lab)

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return asdict(await lab.uploads.receive(chunks(), f"input-{index}{ending}"))


async def _encoded(id: str, index: int, format: str, queue: JobQueue, lab: Lab) -> tuple[str, bytes]:
    """Ask the live worker for an input of the data that a job has embedded."""
    job = await asyncio.to_thread(_embedding, id, queue)
    recipe = (job.document or {})["recipe"]
    where = {name: recipe[name] for name in ("data", "split", "root")}
    net = str(job.settings.get("net", ""))
    answer = await lab.workers["live"].ask("dataset_input", net=net, index=index, format=format, **where)
    return answer.result["ending"], answer.data
