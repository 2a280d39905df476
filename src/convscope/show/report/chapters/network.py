"""The chapter on the whole network, layer by layer."""

from convscope.graph import Field, Graph, LayerCost, costs, receptive_fields
from convscope.show.report.figure import Section
from convscope.show.report.figures.network import network
from convscope.show.report.figures.network.network import LayerRow

COMMAND = """\
convscope describe lecture

from convscope.graph import costs
from convscope.nets import load
for cost in costs(load("lecture").graph):
    print(cost.name, cost.parameters_per_filter)"""


def chapter(graph: Graph) -> Section:
    """Build the chapter that lists the layers of the lecture's network.

    Args:
        graph: of the network.

    Returns:
        The section: shapes, parameters, multiply-accumulates and receptive fields.
    """
    return Section("network", (network.figure(rows(graph), next(iter(graph.inputs.values()))[-1], COMMAND),))


def rows(graph: Graph) -> list[LayerRow]:
    """Collect the numbers of each layer.

    Args:
        graph: of the network.

    Returns:
        One row for each layer that has parameters or changes the shape; activation functions are left out.
    """
    fields = receptive_fields(graph)
    return [
        _row(cost, fields.get(cost.name))
        for cost in costs(graph)
        if cost.parameters or cost.input_shapes[0] != cost.output_shape
    ]


def _row(cost: LayerCost, field: Field | None) -> LayerRow:
    box = field.box(tuple(extent // 2 for extent in field.positions)) if field else None
    seen = (float(box[-1][0]), float(box[-1][1] - box[-1][0])) if box else None
    return LayerRow(
        cost.name,
        cost.kind,
        cost.output_shape,
        cost.parameters,
        cost.parameters_per_filter or None,
        cost.macs,
        seen,
    )
