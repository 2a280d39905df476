"""JSON serialisation of graphs."""

from collections.abc import Mapping
from typing import Any

from convscope.errors import GraphError, nearest
from convscope.graph.graph import Graph, Node
from convscope.graph.layers import LAYERS

FORMAT = "convscope.graph/1"


def to_json(graph: Graph) -> dict[str, Any]:
    """Convert a graph to a JSON-ready document; `from_json` gives an equal graph.

    Args:
        graph: the graph.

    Returns:
        Format, inputs, layers with all their options, and outputs, as plain dicts, lists, numbers and texts.
    """
    layers = [
        {"name": n.name, "kind": n.layer.kind, "inputs": list(n.inputs), "options": n.layer.options()}
        for n in graph.nodes
    ]
    inputs = {name: list(shape) for name, shape in graph.inputs.items()}
    return {"format": FORMAT, "inputs": inputs, "layers": layers, "outputs": list(graph.outputs)}


def from_json(document: Any) -> Graph:
    """Build the graph that a JSON document describes.

    Args:
        document: what `to_json` returns, or the same read from a file; it is validated in full.

    Returns:
        The graph.

    Raises:
        GraphError: the document is no graph: a field or kind is unknown, missing or of the wrong type, a name
            is taken twice, or shapes do not fit.
    """
    _fields(document, "a graph", {"format": str, "inputs": dict, "layers": list, "outputs": list})
    if document["format"] != FORMAT:
        raise GraphError(f"a document in the format {FORMAT}", received=document["format"])
    for shape in document["inputs"].values():
        _check("an input shape", shape, list)
    nodes = tuple(map(_node, document["layers"]))
    outputs = _names(document["outputs"])
    if not outputs:  # Graph would take every layer that no other reads
        raise GraphError("a graph whose outputs are named", received="outputs: []")
    if len(set(outputs)) < len(outputs):
        raise GraphError("a graph whose outputs are named once", received=f"outputs: {list(outputs)}"[:200])
    return Graph(document["inputs"], nodes, outputs)


def _node(entry: Any) -> Node:
    _fields(entry, "a layer", {"name": str, "kind": str, "inputs": list, "options": dict})
    kind = LAYERS.get(entry["kind"])
    if kind is None:
        raise GraphError("a kind of layer", received=entry["kind"], hint=nearest(entry["kind"], LAYERS))
    try:
        layer = kind.from_options(entry["options"])
    except GraphError as error:
        raise GraphError(
            f"{entry['name']}: {error.expected}", received=error.received, hint=error.hint
        ) from None
    return Node(entry["name"], layer, _names(entry["inputs"]))


def _names(values: list[Any]) -> tuple[str, ...]:
    for value in values:
        _check("the name of a layer", value, str)
    return tuple(values)


def _fields(value: Any, what: str, types: Mapping[str, type]) -> None:
    """Check that a value is an object with exactly these fields, each of its type."""
    _check(what, value, dict)
    for name in value:
        if name not in types:
            raise GraphError(f"a field of {what}", received=str(name), hint=nearest(str(name), types))
    for name, kind in types.items():
        if name not in value:
            raise GraphError(f"{what} with {name}", received=f"only {', '.join(value) or 'nothing'}")
        _check(name, value[name], kind)


def _check(what: str, value: Any, kind: type) -> None:
    """Check that a value is of a type; `what` names it in the error."""
    if not isinstance(value, kind):
        wanted = {dict: "an object", list: "a list", str: "a text"}[kind]
        raise GraphError(f"{wanted} as {what}", received=repr(value)[:80])
