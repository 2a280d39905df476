"""Networks, their layers and units, as the live worker describes them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from convscope.lab.folder import from_path
from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.networks import Network, NetworkSummary, RegionUnits, Unit, UnitList
from convscope.lab.web.state import Lab

router = APIRouter(tags=["networks"])
addresses = APIRouter(include_in_schema=False)
"""Data at the address of a page, with `.json` behind it; included before the pages."""
MEDIA = {"png": "image/png", "wav": "audio/wav"}
Format = Literal["png", "wav"]
Numbers = Annotated[str, Query(max_length=20_000)]
"""Numbers of units, like `1,5,7-9`."""


class Region(BaseModel):
    """A part of an upload as the network sees it: of each axis the first pixel and the one after the last."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    upload: str = Field(pattern=r"^[0-9a-f]{64}$")
    region: list[tuple[float, float]] = Field(min_length=1, max_length=3)


@router.get("/networks")
@answers(list[NetworkSummary])
async def networks(lab: Lab) -> list[dict[str, Any]]:
    """List this package's networks and the trainings.

    Args:
        lab: the server's state.

    Returns:
        The networks.
    """
    return (await lab.workers["live"].ask("networks")).result["networks"]


@addresses.get("/m/{net}.json")
@router.get("/networks/{net}")
@answers(Network)
async def network(net: str, lab: Lab) -> dict[str, Any]:
    """Return the specification and the layers of a network.

    Args:
        net: its name, with `~` for `/`.
        lab: the server's state.

    Returns:
        The network.
    """
    return (await lab.workers["live"].ask("network", net=from_path(net))).result


@addresses.get("/m/{net}/{layer}.json")
@router.get("/networks/{net}/layers/{layer}/units")
@answers(UnitList)
async def layer_units(net: str, layer: str, lab: Lab, units: Numbers = "") -> dict[str, Any]:
    """Return the units of a layer, each with its strongest real input; ask again until `indexed` is 1.

    Args:
        net: name of the network, with `~` for `/`.
        layer: name of the layer.
        lab: the server's state.
        units: which ones, like `1,5,7-9`, in this order; all of them if left out.

    Returns:
        The list.
    """
    request = {"net": from_path(net), "layer": layer, "units": units}
    return (await lab.workers["live"].ask("units", **request)).result


@addresses.get("/m/{net}/{layer}/{unit}.json")
@router.get("/networks/{net}/layers/{layer}/units/{unit}")
@answers(Unit)
async def unit(net: str, layer: str, unit: str, lab: Lab) -> dict[str, Any]:
    """Return the card of a unit; its strongest real inputs come as soon as they are found.

    Args:
        net: name of the network, with `~` for `/`.
        layer: name of the layer.
        unit: number of the unit, or its label.
        lab: the server's state.

    Returns:
        The card.
    """
    return (await lab.workers["live"].ask("unit", net=from_path(net), address=f"{layer}:{unit}")).result


@router.post("/networks/{net}/layers/{layer}/region")
@answers(RegionUnits)
async def region(net: str, layer: str, question: Region, lab: Lab) -> dict[str, Any]:
    """Return the units of a layer that respond most to a part of an upload; ask again until `indexed` is 1.

    Args:
        net: name of the network, with `~` for `/`.
        layer: name of the layer.
        question: the input and its part.
        lab: the server's state.

    Returns:
        The units.
    """
    request = {"net": from_path(net), "layer": layer, "region": question.region}
    return (await lab.workers["live"].ask("region", given={"upload": question.upload}, **request)).result


@router.get("/networks/{net}/layers/{layer}/units/{unit}/visualization.{format}", response_class=Response)
async def visualization(net: str, layer: str, unit: str, format: Format, lab: Lab) -> Response:
    """Return the activation maximisation of a unit so far: ask again until `X-Fraction` is 1.

    Args:
        net: name of the network, with `~` for `/`.
        layer: name of the layer.
        unit: number of the unit, or its label.
        format: `png`, or `wav` for a network of sounds.
        lab: the server's state.

    Returns:
        The file; 204 before the first step.
    """
    request = {"net": from_path(net), "address": f"{layer}:{unit}", "format": format}
    answer = await lab.workers["live"].ask("visualization", **request)
    headers = {"X-Fraction": str(answer.result["fraction"]), "Cache-Control": "no-store"}
    if not answer.data:
        return Response(status_code=204, headers=headers)
    return Response(answer.data, media_type=MEDIA[format], headers=headers)


@router.get("/networks/{net}/samples/{index}.{format}", response_class=Response)
async def sample(net: str, index: int, format: Format, lab: Lab) -> Response:
    """Return an input of the data that ships, as the network sees it.

    Args:
        net: name of the network, with `~` for `/`.
        index: which one.
        format: `png`, or `wav` for a network of sounds.
        lab: the server's state.

    Returns:
        The file.
    """
    answer = await lab.workers["live"].ask("sample", net=from_path(net), index=index, format=format)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(answer.data, media_type=MEDIA[format], headers=headers)


@router.get("/networks/{net}/uploads/{upload}.{format}", response_class=Response)
async def upload_as_input(net: str, upload: str, format: Format, lab: Lab) -> Response:
    """Return an uploaded file as the network sees it.

    Args:
        net: name of the network, with `~` for `/`.
        upload: id of the file.
        format: `png`, or `wav` for a network of sounds.
        lab: the server's state.

    Returns:
        The file, encoded anew.
    """
    answer = await lab.workers["live"].ask(
        "upload_as_input", net=from_path(net), upload=upload, format=format
    )
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(answer.data, media_type=MEDIA[format], headers=headers)
