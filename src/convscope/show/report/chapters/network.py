"""The whole network."""

from convscope.graph.costs import LayerCost, costs
from convscope.graph.graph import Graph
from convscope.graph.receptive_field import Field, receptive_fields
from convscope.show.report.figure import Section
from convscope.show.report.figures.network import network
from convscope.show.report.figures.network.network import Row

COMMAND = """\
convscope describe lecture

from convscope.graph.costs import costs
from convscope.nets import load
for cost in costs(load("lecture").graph):
    print(cost.name, cost.parameters_per_filter)"""


def chapter(graph: Graph) -> Section:
    """Every layer of the lecture's network with what its shapes imply."""
    return Section("network", (network.figure(rows(graph), next(iter(graph.inputs.values()))[-1], COMMAND),))


def rows(graph: Graph) -> list[Row]:
    """One row for each layer; activations, which change no shape, are left out."""
    fields = receptive_fields(graph)
    return [
        _row(cost, fields.get(cost.name))
        for cost in costs(graph)
        if cost.parameters or cost.input_shapes[0] != cost.output_shape
    ]


def _row(cost: LayerCost, field: Field | None) -> Row:
    box = field.box(tuple(extent // 2 for extent in field.positions)) if field else None
    seen = (float(box[-1][0]), float(box[-1][1] - box[-1][0])) if box else None
    return Row(
        cost.name,
        cost.kind,
        cost.output_shape,
        cost.parameters,
        cost.parameters_per_filter or None,
        cost.macs,
        seen,
    )
