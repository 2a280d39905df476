"""A network as text, checked while it is typed: shapes, costs, receptive fields. No torch."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from convscope.errors import GraphError
from convscope.graph import chain, describe

router = APIRouter(tags=["graph"])
EMPTY = {"inputs": {}, "outputs": [], "layers": [], "edges": [], "parameters": 0, "macs": 0}


class GraphText(BaseModel):
    """A chain of layers, and the shape of its input."""

    text: str = Field(max_length=100_000)
    input: str = Field("1x28x28", max_length=100)


@router.post("/graph")
def graph(given: GraphText) -> dict[str, Any]:
    """Return layers, costs and errors of a network that is given as text.

    Args:
        given: the text.

    Returns:
        What `convscope.graph.describe` returns, and `errors`, each with `at` (the layer), `expected`,
        `received` and `hint`.
    """
    try:
        return {**describe(chain(given.input, given.text)), "errors": []}
    except GraphError as error:
        found = {"at": None, "expected": error.expected, "received": error.received, "hint": error.hint}
        return {**EMPTY, "errors": [found]}
