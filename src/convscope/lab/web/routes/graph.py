"""A network as text, checked while it is typed: shapes, costs, receptive fields. No torch."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from convscope.graph import describe, layer_usages, read_chain
from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.networks import GraphAnswer, LayerKind

router = APIRouter(tags=["graph"])
EMPTY = {"inputs": {}, "outputs": [], "layers": [], "edges": [], "parameters": 0, "macs": 0}


class GraphText(BaseModel):
    """A chain of layers, and the shape of its input."""

    text: str = Field(max_length=100_000)
    input: str = Field("1x28x28", max_length=100)


@router.post("/graph")
@answers(GraphAnswer)
def graph(given: GraphText) -> dict[str, Any]:
    """Return layers, costs and errors of a network that is given as text.

    Args:
        given: the text.

    Returns:
        What `convscope.graph.describe` returns of the layers before the first error, and `errors`, each with
        `layer` (index of the layer; null where no single one is wrong), `expected`, `received` and `hint`.
    """
    read = read_chain(given.input, given.text)
    found = EMPTY if read.graph is None else describe(read.graph)
    if read.error is None:
        return {**found, "errors": []}
    return {**found, "errors": [{"layer": read.layer, **read.error.to_json()}]}


@router.get("/graph/kinds")
@answers(list[LayerKind])
def kinds() -> list[dict[str, str]]:
    """Return the kinds of layers that stand in a chain, each with its syntax.

    Returns:
        `kind` and `usage` of each (`conv OUT_CHANNELS KERNEL_SIZE [stride=1] ...`).
    """
    return [{"kind": kind, "usage": usage} for kind, usage in layer_usages().items()]
