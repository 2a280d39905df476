"""What can be trained on: sets of every world by name, and the named recipes that fit them."""

from typing import Any

from fastapi import APIRouter

from convscope.lab.data_sets import choices
from convscope.lab.web.state import Lab

router = APIRouter(prefix="/datasets", tags=["datasets"])


@router.get("")
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
