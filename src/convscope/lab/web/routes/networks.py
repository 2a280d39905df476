"""Networks and their layers, as the live worker describes them."""

from typing import Any

from fastapi import APIRouter

from convscope.lab.web.state import Lab

router = APIRouter(tags=["networks"])


def network_name(net: str) -> str:
    """Return the name of a network from a path, where `/` is written `~`.

    Args:
        net: as it is in the path.

    Returns:
        The name, as the live worker knows it.
    """
    return net.replace("~", "/")


@router.get("/networks")
async def networks(lab: Lab) -> list[dict[str, Any]]:
    """List this package's networks and the trainings.

    Args:
        lab: the server's state.

    Returns:
        The networks.
    """
    return (await lab.workers["live"].ask("networks")).result["networks"]


@router.get("/networks/{net}")
async def network(net: str, lab: Lab) -> dict[str, Any]:
    """Return the specification and the layers of a network.

    Args:
        net: its name, with `~` for `/`.
        lab: the server's state.

    Returns:
        The network.
    """
    return (await lab.workers["live"].ask("network", net=network_name(net))).result
