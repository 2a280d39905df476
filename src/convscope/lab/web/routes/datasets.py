"""Data to train on: sets by name; folders that users handed over, and their corrections."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from convscope.errors import PlaceError, nearest
from convscope.lab.corrections_script import script
from convscope.lab.data_sets import choices
from convscope.lab.uploaded_sets import UploadedSets
from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.datasets import CorrectedSet, WorldChoices
from convscope.lab.web.routes.jobs import UploadedFile
from convscope.lab.web.state import Lab
from convscope.lab.workers.requests import unique_paths

router = APIRouter(prefix="/uploaded-sets", tags=["uploads"])
named = APIRouter(prefix="/datasets", tags=["datasets"])
Version = Annotated[int | None, Query(ge=0, lt=2**31)]


class SetRequest(BaseModel):
    """The files of a folder."""

    model_config = ConfigDict(extra="forbid")
    files: list[UploadedFile] = Field(max_length=20_000)


class CorrectionRequest(BaseModel):
    """What to do with a file of a training's data."""

    model_config = ConfigDict(extra="forbid")
    file: str = Field(max_length=1000)
    """As the document of the training names it, below the folder of its data, or as the user named it."""
    version: int | None = Field(None, ge=0, lt=2**31)
    """Number of corrections that counted in that training; all if left out."""
    action: Literal["move", "remove"]
    to: str = Field("", max_length=500)


@router.post("", status_code=201)
@answers(CorrectedSet)
def add(request: SetRequest, lab: Lab) -> dict[str, Any]:
    """Note a folder whose files were uploaded; it can then be corrected, and named by jobs.

    Args:
        request: its files.
        lab: the server's state.

    Returns:
        As `about`.
    """
    sets = UploadedSets(lab.folder)
    return about(sets.add([{"id": file.id, "name": file.name} for file in request.files]), lab)


@router.get("/{id}")
@answers(CorrectedSet)
def about(id: str, lab: Lab, version: Version = None) -> dict[str, Any]:
    """Return a folder as it is corrected.

    Args:
        id: the folder.
        lab: the server's state.
        version: number of corrections that counted in a training, for `file` of each.

    Returns:
        `id`, `version` (number of entries: corrections, and those that took one back), `count` (files that
        count), `classes` (how many of each), and `corrections`: `number`, `name` (as the user named the
        file), `action`, `to`, `undone`, and `file`, where it lay in that training.
    """
    sets = UploadedSets(lab.folder)
    lay = dict(zip(*_places(sets, id, version)[::-1], strict=True))
    return {
        "id": id,
        "version": sets.version(id),
        "count": len(sets.files(id)),
        "classes": sets.classes(id),
        "corrections": [
            {
                "number": one.number,
                "name": one.name,
                "action": one.action,
                "to": one.to,
                "undone": bool(one.undone),
                "file": lay.get(one.name),
            }
            for one in sets.corrections(id)
        ],
    }


@router.post("/{id}/corrections", status_code=201)
@answers(CorrectedSet)
def correct(id: str, request: CorrectionRequest, lab: Lab) -> dict[str, Any]:
    """Move a file to another class, or remove it from the data; the upload stays as it is.

    Args:
        id: the folder.
        request: the file, and what is done.
        lab: the server's state.

    Returns:
        As `about`, for the version of the request.
    """
    sets = UploadedSets(lab.folder)
    files, names = _places(sets, id, request.version)
    known = {**dict(zip(names, names, strict=True)), **dict(zip(files, names, strict=True))}
    if request.file not in known:
        hint = nearest(request.file, files[:2000]) or "See the files of the training."
        raise PlaceError("a file of this folder", received=request.file[:80], hint=hint)
    sets.correct(id, known[request.file], request.action, request.to)
    return about(id, lab, request.version)


@router.delete("/{id}/corrections/{number}")
@answers(CorrectedSet)
def undo(id: str, number: int, lab: Lab, version: Version = None) -> dict[str, Any]:
    """Take a correction back.

    Args:
        id: the folder.
        number: of the correction.
        lab: the server's state.
        version: as for `about`.

    Returns:
        As `about`.
    """
    UploadedSets(lab.folder).undo(id, number)
    return about(id, lab, version)


@router.get("/{id}/corrections.py", response_class=Response)
def program(id: str, lab: Lab) -> Response:
    """Return a Python program that makes the same corrections in the user's own folder.

    Args:
        id: the folder.
        lab: the server's state.

    Returns:
        The program, as a file.
    """
    text = script(UploadedSets(lab.folder).moves(id))
    headers = {"Content-Disposition": 'attachment; filename="corrections.py"'}
    return Response(text, media_type="text/x-python", headers=headers)


def _places(sets: UploadedSets, id: str, version: int | None) -> tuple[list[str], list[str]]:
    """Return where the files of a folder lie in a training, and what the user named them."""
    files = sets.files(id, version)
    return unique_paths([file["name"] for file in files], classes=True), [file["original"] for file in files]


@named.get("")
@answers(list[WorldChoices])
def datasets(lab: Lab) -> list[dict[str, Any]]:
    """List what can be trained on, by world.

    Args:
        lab: the server's state.

    Returns:
        For each world `world`, `sets` (`name`, `published`, `ready`), `recipes` (`name`, `title`, `summary`,
        `source`, `task`, `world`, `data`, `sets` and `files`: what they fit) and `start`, the recipe that is
        proposed.
    """
    return choices(lab.folder.data)
