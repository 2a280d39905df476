"""What all routes share: the settings, the folders and the workers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from convscope.lab.recipe import LabRecipe
from convscope.lab.web.uploads import Uploads
from convscope.lab.workers.supervisor import Worker

OWN = ".lab"
"""Folder inside that of the runs, for what only the lab reads."""


@dataclass(frozen=True)
class LabState:
    """What all routes share.

    Attributes:
        recipe: the settings.
        port: the port that is listened at.
        workers: the workers by name, `live` and `jobs`.
    """

    recipe: LabRecipe
    port: int
    workers: dict[str, Worker] = field(default_factory=dict)

    @property
    def uploads(self) -> Uploads:
        """Files that users have handed over."""
        return Uploads(self.own / "uploads")

    @property
    def runs(self) -> Path:
        """Folder of trainings and results."""
        return Path(self.recipe.folder)

    @property
    def own(self) -> Path:
        """Folder of the queue, uploads and results of jobs."""
        return self.runs / OWN


def state_of(connection: HTTPConnection) -> LabState:
    """Return what all routes share; for FastAPI's `Depends`, in routes of HTTP and WebSocket.

    Args:
        connection: the request or WebSocket.

    Returns:
        The state.
    """
    return connection.app.state.lab


Lab = Annotated[LabState, Depends(state_of)]
"""Annotation of a route's argument that is the state."""
