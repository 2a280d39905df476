"""Files that users hand over."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.datasets import Uploaded
from convscope.lab.web.state import Lab

router = APIRouter(tags=["uploads"])


@router.put("/uploads", status_code=201)
@answers(Uploaded)
async def upload(
    request: Request, lab: Lab, x_filename: Annotated[str, Header(max_length=2000)] = "file"
) -> dict[str, Any]:
    """Hand a file over: the body is its bytes. It is looked at only when something is made of it.

    Args:
        request: its body.
        lab: the server's state.
        x_filename: its name, percent-encoded.

    Returns:
        `id`, by which other requests name it, `bytes` and `name`.
    """
    return asdict(await lab.uploads.receive(chunks(request), unquote(x_filename)))


@router.get("/uploads/{number}")
@answers(Uploaded)
def get_upload(number: str, lab: Lab) -> dict[str, Any]:
    """Return what is known of an upload.

    Args:
        number: its id.
        lab: the server's state.

    Returns:
        `id`, `bytes` and `name`.
    """
    return asdict(lab.uploads.find(number))


@router.get("/uploads/{number}/preview", response_class=Response)
async def preview(number: str, lab: Lab) -> Response:
    """Return a small picture of an upload, decoded and encoded anew by the worker.

    Args:
        number: its id.
        lab: the server's state.

    Returns:
        The picture.
    """
    found = lab.uploads.find(number)
    answer = await lab.workers["live"].ask("preview", upload=found.id, name=found.name)
    return Response(answer.data, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """Yield the body of a request.

    Args:
        request: the request.

    Yields:
        Its parts.
    """
    async for chunk in request.stream():
        yield chunk
