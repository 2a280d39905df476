"""What the server is, and whether its workers are ready."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter
from typing_extensions import TypedDict

from convscope.lab.web.routes.answers.common import answers, closed
from convscope.lab.web.state import Lab

router = APIRouter(tags=["status"])


@closed
class Status(TypedDict):
    """The state of the server."""

    version: str
    device: str | None
    torch_ready: bool
    workers: dict[str, str]
    lang_default: Literal["auto", "en", "zh"]
    folder: str


@router.get("/status")
@answers(Status)
def status(lab: Lab) -> Status:
    """Return the version, and the state of the workers: `starting`, `ready` or `stopped`.

    Args:
        lab: the server's state.

    Returns:
        The status; `device` is None until torch is ready, `folder` is that of the trainings.
    """
    live = lab.workers.get("live")
    return Status(
        version=version("convscope"),
        device=live.facts.get("device") if live else None,
        torch_ready=live is not None and live.state == "ready",
        workers={name: worker.state for name, worker in lab.workers.items()},
        lang_default=lab.recipe.lang,
        folder=str(lab.runs),
    )
