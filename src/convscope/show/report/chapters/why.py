"""The chapter on why to use a convolutional network."""

from torch import Tensor

from convscope.graph import Conv2d, Graph, compare, costs, dense_cost, totals
from convscope.show.report.figure import Section
from convscope.show.report.figures.lecture import properties
from convscope.show.report.figures.network import parameters
from convscope.show.report.figures.network.parameters import Costs

TOY, PHOTO, NEURONS = (1, 6, 6), (3, 100, 100), 1000


def chapter(graph: Graph, digit: Tensor, number: int) -> Section:
    """Build the chapter that motivates convolution: three properties of images, and the weights they save.

    Args:
        graph: of the lecture's network, with two convolutions.
        digit: the example image, `[1 28 28]` in [0, 1]: the first test digit of class `number`.
        number: its class, for the command under the figure.

    Returns:
        The section.
    """
    rows = [_costs("toy", TOY, Conv2d(1, 3)), *_convolutions(graph)]
    rows.append(Costs("photo", dense_cost(PHOTO, NEURONS).weights, None, None))
    total = totals(costs(graph)).parameters
    return Section("why", (properties.figure(digit, number), parameters.figure(rows, total)))


def _convolutions(graph: Graph) -> list[Costs]:
    nodes = [node for node in graph.nodes if isinstance(node.layer, Conv2d)]
    return [
        _costs(key, graph.input_shapes(node.name)[0], node.layer)
        for key, node in zip(("first", "second"), nodes, strict=True)
        if isinstance(node.layer, Conv2d)
    ]


def _costs(key: str, inputs: tuple[int, ...], layer: Conv2d) -> Costs:
    found = compare(inputs, layer)
    return Costs(key, found.dense.weights, found.local.weights, found.shared.weights)
