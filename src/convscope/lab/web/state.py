"""What all routes share: the settings, the folders and the workers."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from convscope.lab.folder import LabFolder
from convscope.lab.queue.table import Queue
from convscope.lab.recipe import LabRecipe
from convscope.lab.web.uploads import Uploads
from convscope.lab.web.websocket.frame_budget import FrameBudget
from convscope.lab.workers.supervisor import Worker


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
    def runs(self) -> Path:
        """Folder of trainings and results."""
        return Path(self.recipe.folder)

    @property
    def folder(self) -> LabFolder:
        """Where the lab keeps what is its own."""
        return LabFolder(self.runs, Path(self.recipe.data).absolute() if self.recipe.data else None)

    @cached_property
    def queue(self) -> Queue:
        """The jobs."""
        return Queue(self.folder.queue)

    @cached_property
    def frame_budget(self) -> FrameBudget:
        """How many frames of live maps tabs may have while a job runs."""
        return FrameBudget(lambda: bool(self.queue.jobs("running", limit=1)))

    @property
    def uploads(self) -> Uploads:
        """Files that users have handed over."""
        return Uploads(self.folder)


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


def queue_of(connection: HTTPConnection) -> Queue:
    """Return the jobs; for FastAPI's `Depends`.

    Args:
        connection: the request or WebSocket.

    Returns:
        The queue.
    """
    return state_of(connection).queue


def folder_of(connection: HTTPConnection) -> LabFolder:
    """Return where the lab keeps what is its own; for FastAPI's `Depends`.

    Args:
        connection: the request or WebSocket.

    Returns:
        The folders.
    """
    return state_of(connection).folder


JobQueue = Annotated[Queue, Depends(queue_of)]
"""Annotation of a route's argument that is the queue."""
Folder = Annotated[LabFolder, Depends(folder_of)]
"""Annotation of a route's argument that is the lab's folders."""
