"""A graph with everything that follows from it, as JSON-ready values: what pages and programs show of it."""

from typing import Any

from convscope.graph.analysis.costs import costs, totals
from convscope.graph.analysis.receptive_field import Field, receptive_fields
from convscope.graph.graph import Graph


def describe(graph: Graph) -> dict[str, Any]:
    """Describe layers and connections: shapes, parameters, operations, receptive fields.

    Args:
        graph: the network.

    Returns:
        JSON-ready: `inputs` (name -> shape), `outputs` (names), `parameters`, `macs`, `layers` (in order,
        each with `name`, `kind`, `options`, `inputs`, `shape`, `parameters`, `macs` and `field`, see
        `describe_field`, in the first input) and `edges` (each with `from`, `to` and the `shape` that
        passes).
    """
    rows, fields = costs(graph), receptive_fields(graph)
    sums = totals(rows)
    layers = [
        {
            "name": node.name,
            "kind": node.layer.kind,
            "options": node.layer.options(),
            "inputs": list(node.inputs),
            "shape": list(row.output_shape),
            "parameters": row.parameters,
            "macs": row.macs,
            "field": describe_field(fields.get(node.name)),
        }
        for node, row in zip(graph.nodes, rows, strict=True)
    ]
    edges = [
        {"from": source, "to": node.name, "shape": list(graph.shapes[source])}
        for node in graph.nodes
        for source in node.inputs
    ]
    return {
        "inputs": {name: list(shape) for name, shape in graph.inputs.items()},
        "outputs": list(graph.outputs),
        "parameters": sums.parameters,
        "macs": sums.macs,
        "layers": layers,
        "edges": edges,
    }


def describe_field(field: Field | None) -> dict[str, Any] | None:
    """Return a receptive field as JSON-ready values.

    Args:
        field: the field; None where there is none.

    Returns:
        `size`, `stride`, `offset` for each axis of the input, and whether a unit reads all of it
        (`covers_all`); None if there is no field, or no axis.
    """
    if field is None or not field.axes:
        return None
    return {
        "size": list(field.size),
        "stride": [float(stride) for stride in field.stride],
        "offset": list(field.offset),
        "covers_all": list(field.covers_all),
    }
