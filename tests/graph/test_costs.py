"""The lecture's arithmetic, number by number, and what networks cost."""

from math import prod

import pytest
import torch
from torch.nn import functional

from convscope.errors import GraphError
from convscope.graph import Graph, Node, chain, compare, costs, output_size, totals
from convscope.graph.analysis.arithmetic import dense_cost, local_cost, mlp_cost, read_by, shared_cost
from convscope.graph.layers.classics.local import Local2d
from convscope.graph.layers.conv import Conv1d, Conv2d
from convscope.graph.layers.merge import Add

IMAGE, FILTER = (1, 6, 6), Conv2d(1, 3, bias=False)


def test_a_dense_layer_on_a_photograph():
    assert dense_cost((3, 100, 100), 1000).weights == 30_000_000
    assert dense_cost((3, 100, 100), 1000).parameters == 30_001_000
    assert dense_cost(30_000, (10, 10, 10), bias=False).parameters == 30_000_000


def test_the_6x6_image_three_ways():
    """L5: 36 x 16 = 576 weights dense, 9 for each of the 16 outputs local, 9 shared."""
    found = compare(IMAGE, FILTER)
    assert (found.dense.weights, found.local.weights, found.shared.weights) == (576, 144, 9)
    assert found.local.connections == found.shared.connections == 144
    assert found.dense.biases == found.local.biases == found.shared.biases == 0
    biased = compare(IMAGE, Conv2d(2, 3))
    assert (biased.dense.biases, biased.local.biases, biased.shared.biases) == (32, 32, 2)


def test_costs_are_those_of_the_layers():
    shape, conv = (3, 20, 17), Conv2d(8, (3, 5), stride=2, padding=1)
    local = Local2d(8, (3, 5), stride=2, padding=1)
    assert local_cost(shape, conv).parameters == local.parameter_count(shape)
    assert shared_cost(shape, conv).parameters == conv.parameter_count(shape)
    assert shared_cost(shape, conv).connections == conv.macs(shape)


def test_which_inputs_a_filter_reads():
    read = read_by(IMAGE, FILTER)
    assert len(read) == 16
    assert read[0] == (1, 2, 3, 7, 8, 9, 13, 14, 15)
    assert read[1] == (2, 3, 4, 8, 9, 10, 14, 15, 16)
    assert len(read_by(IMAGE, Conv2d(1, 3, stride=2))) == 4


@pytest.mark.parametrize("conv", [FILTER, Conv2d(1, 3, stride=2, padding=1), Conv2d(1, 2, dilation=2)])
def test_a_convolution_is_a_sparse_dense_layer(conv):
    """The dense matrix with a weight at each read input does what the convolution does."""
    image, kernel = torch.rand(1, 1, 6, 6), torch.ones(1, 1, *conv.sweep.kernel)
    options = {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation}
    wanted = functional.conv2d(image, kernel, **options).flatten()
    matrix = torch.zeros(len(wanted), 36)
    for row, reads in enumerate(read_by(IMAGE, conv)):
        matrix[row, [i - 1 for i in reads]] = 1
    torch.testing.assert_close(matrix @ image.flatten(), wanted)


def test_multilayer_perceptrons():
    """Z5: 100 pixels, three hidden layers of 200; 100 x 100 pixels to 20,000 hidden units."""
    assert mlp_cost(100, 200, 200, 200).weights == 100_000
    assert mlp_cost(10_000, 20_000).weights == 200_000_000
    assert mlp_cost(784, 100, 10).parameters == 784 * 100 + 100 + 100 * 10 + 10


def test_output_sizes_of_the_lecture():
    assert output_size(6, 3) == 4
    assert output_size(6, 3, stride=2) == 2
    assert output_size(28, 3) == 26
    assert output_size(11, 2, stride=2) == 5
    assert output_size(11, 2, stride=2, ceil_mode=True) == 6
    assert output_size(6, 3, stride=2, padding=(0, 1)) == 3
    assert output_size(227, 11, stride=4) == 55
    with pytest.raises(GraphError, match="fits"):
        output_size(2, 3)


def test_one_dimension_counts_too():
    found = compare((4, 100), Conv1d(8, 5))
    assert (found.dense.weights, found.local.weights, found.shared.weights) == (400 * 768, 768 * 20, 160)


def test_macs_are_counted_by_hand():
    graph = chain("3x9x9", "conv 6 3x3 groups=3 stride=2, relu, flatten, dense 5, softmax")
    rows = {row.name: row for row in costs(graph)}
    assert rows["conv1"].macs == 6 * 4 * 4 * 9
    assert rows["conv1"].parameters_per_filter == 9
    assert rows["dense1"].macs == 96 * 5
    assert rows["dense1"].connections == 96 * 5 + 5
    assert rows["relu1"].macs == rows["relu1"].connections == rows["relu1"].parameters_per_filter == 0
    assert rows["conv1"].activation_bytes == 4 * 96
    assert rows["conv1"].input_shapes == ((3, 9, 9),)


def test_macs_of_a_transposed_convolution_are_those_of_its_adjoint():
    up = chain("4x7x7", "convtranspose 6 3x3 stride=2")
    down = chain((6, *up.shapes["convtranspose1"][1:]), "conv 4 3x3 stride=2")
    assert costs(up)[0].macs == costs(down)[0].macs


def test_totals_are_sums_also_over_branches():
    nodes = (
        Node("a", Conv2d(4, 3, padding=1), ("x",)),
        Node("b", Conv2d(4, 1), ("x",)),
        Node("c", Add(), ("a", "b")),
    )
    graph = Graph({"x": (2, 5, 5)}, nodes)
    found, rows = totals(costs(graph)), costs(graph)
    assert found.parameters == (2 * 9 + 1) * 4 + (2 + 1) * 4
    assert found.macs == 25 * 4 * (18 + 2)
    assert found.activation_bytes == 4 * 3 * prod((4, 5, 5))
    assert found.parameter_bytes == 4 * found.parameters
    assert found.connections == sum(row.connections for row in rows)


def test_alexnet_in_two_towers():
    """The counts of the paper's network: 60,965,224."""
    text = (
        "conv 96 11 stride=4, relu, lrn 5 alpha=5e-4 k=2, maxpool 3 2, conv 256 5 padding=2 groups=2, relu, "
        "lrn 5 alpha=5e-4 k=2, maxpool 3 2, conv 384 3 padding=1, relu, conv 384 3 padding=1 groups=2, relu, "
        "conv 256 3x3 padding=1 groups=2, relu, maxpool 3 2, flatten, dropout, dense 4096, relu, dropout, "
        "dense 4096, relu, dense 1000"
    )
    counted = [row.parameters for row in costs(chain("3x227x227", text)) if row.parameters]
    assert counted == [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000]
    assert sum(counted) == 60_965_224
