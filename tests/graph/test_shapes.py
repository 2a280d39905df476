"""Shapes and parameters of random layers and graphs against the modules of torch."""

from contextlib import suppress

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reference import random_graphs
from tests.reference.graph_runner import module_of, modules_of, run

from convscope.errors import GraphError
from convscope.graph import Graph, chain, costs, output_size

torch.set_num_threads(1)
quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def same(layer, module, shape):
    """Shape and parameters of a layer are those of its module."""
    result = module(torch.rand(2, *shape))
    assert layer.output_shape(shape) == tuple(result.shape[1:]), (layer, shape)
    stated = layer.parameters(shape)
    assert stated == {name: tuple(p.shape) for name, p in module.named_parameters()}, (layer, shape)


@pytest.mark.parametrize("family", ["convs", "transposed", "pools", "locals_", "resizings", "plain"])
@quick
@given(data=st.data())
@pytest.mark.slow
def test_layers_are_as_torch_has_them(family, data):
    rank = data.draw(st.integers(1, 2))
    shape = data.draw(random_graphs.shapes(rank))
    layer = data.draw(getattr(random_graphs, family)(shape[0], rank))
    try:
        layer.output_shape(shape)
    except GraphError:
        with suppress(RuntimeError, ValueError):
            assert module_of(layer, shape)(torch.rand(2, *shape)).numel() == 0
        return
    same(layer, module_of(layer, shape), shape)


@quick
@given(random_graphs.graphs())
def test_graphs_are_as_torch_has_them(graph):
    modules = modules_of(graph)
    values = run(graph, modules, {name: torch.rand(2, *shape) for name, shape in graph.inputs.items()})
    assert {name: tuple(value.shape[1:]) for name, value in values.items()} == dict(graph.shapes)
    counted = {name: sum(p.numel() for p in module.parameters()) for name, module in modules.items()}
    assert {row.name: row.parameters for row in costs(graph)} == counted


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
@settings(deadline=None)
def test_output_size_counts_the_positions_of_the_kernel(size, kernel, stride, padding, dilation):
    """By brute force: every start from which the kernel ends inside."""
    reach, end = dilation * (kernel - 1) + 1, size + 2 * padding
    starts = [k for k in range(0, end, stride) if k + reach <= end]
    if starts:
        assert output_size(size, kernel, stride, padding, dilation) == len(starts)
    else:
        with pytest.raises(GraphError, match="fits"):
            output_size(size, kernel, stride, padding, dilation)


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_same_padding_gives_a_position_for_every_stride(size, stride, kernel):
    graph = chain((1, size), f"conv 1 {kernel} stride={stride} padding=same")
    assert graph.shapes["conv1"] == (1, -(-size // stride))


def test_y4_is_one_zero_on_the_right():
    """The lecture's example in one dimension: 1, -1, 0 over 1, 3, -1, 0, 2, 1 by 2 gives -2, -1, 1."""
    graph = chain((1, 6), "conv 1 3 stride=2 padding=0x1 bias=false")
    same_as = chain((1, 6), "conv 1 3 stride=2 padding=same bias=false")
    for made in (graph, same_as):
        module = modules_of(made)["conv1"]
        with torch.no_grad():
            module.weight.copy_(torch.tensor([[[1.0, -1.0, 0.0]]]))
        assert module(torch.tensor([[[1.0, 3.0, -1.0, 0.0, 2.0, 1.0]]])).tolist() == [[[-2.0, -1.0, 1.0]]]


LECTURE = (
    "conv 25 3x3, relu, maxpool 2, conv 50 3x3, relu, maxpool 2, flatten, dense 100, relu, dense 10, softmax"
)


def test_lecture_network():
    graph = chain("1x28x28", LECTURE)
    assert [graph.shapes[name] for name in ("conv1", "pool1", "conv2", "pool2", "flatten")] == [
        (25, 26, 26),
        (25, 13, 13),
        (50, 11, 11),
        (50, 5, 5),
        (1250,),
    ]
    rows = {row.name: row for row in costs(graph)}
    counted = [rows[name].parameters for name in ("conv1", "conv2", "dense1", "dense2")]
    assert counted == [250, 11_300, 125_100, 1_010]
    assert sum(row.parameters for row in rows.values()) == 137_660
    assert (rows["conv1"].parameters_per_filter, rows["conv2"].parameters_per_filter) == (9, 225)
    modules = modules_of(graph)
    assert sum(p.numel() for m in modules.values() for p in m.parameters()) == 137_660


def test_convolutional_autoencoder_of_the_blog():
    """B3: 160 + 580 + 272 + 65 = 1,077 parameters; 28, 14, 7, 14, 28; a code of 4 x 7 x 7."""
    text = (
        "conv 16 3x3 padding=1, relu, maxpool 2, conv 4 3x3 padding=1, relu, maxpool 2, "
        "convtranspose 16 2x2 stride=2, relu, convtranspose 1 2x2 stride=2, sigmoid"
    )
    graph = chain("1x28x28", text)
    assert [row.parameters for row in costs(graph) if row.parameters] == [160, 580, 272, 65]
    sizes = [graph.shapes[n] for n in ("pool1", "pool2", "convtranspose1", "convtranspose2")]
    assert sizes == [(16, 14, 14), (4, 7, 7), (16, 14, 14), (1, 28, 28)]


@pytest.mark.parametrize(
    ("filters", "counted"),
    [(128, 1_777_641), (192, 3_882_793), (256, 6_798_953), (384, 15_064_297)],
)
def test_alphago_policy_network(filters, counted):
    """Without the per-position bias of its last layer, 361 minus the shared one."""
    middle = f"conv {filters} 3x3 padding=1, relu, " * 11
    graph = chain(
        "48x19x19", f"conv {filters} 5x5 padding=2, relu, {middle} conv 1 1x1 bias=false, flatten, softmax"
    )
    assert sum(row.parameters for row in costs(graph)) + 361 == counted


def test_lenet_5():
    text = (
        "c1 = conv 6 5x5, scaledtanh, s2 = subsample 2, scaledtanh, c3 = partialconv 5x5, scaledtanh, "
        "s4 = subsample, scaledtanh, c5 = conv 120 5, scaledtanh, flatten, f6 = dense 84, scaledtanh, rbf 10"
    )
    graph = chain("1x32x32", text)
    rows = {row.name: row for row in costs(graph)}
    counted = [rows[name].parameters for name in ("c1", "s2", "c3", "s4", "c5", "f6", "rbf")]
    assert counted == [156, 12, 1_516, 32, 48_120, 10_164, 0]
    assert sum(row.parameters for row in rows.values()) == 60_000
    assert sum(row.connections for row in rows.values()) == 340_908
    assert rows["rbf"].connections == 840
    values = run(graph, modules_of(graph), {"input": torch.rand(2, 1, 32, 32)})
    assert {name: tuple(v.shape[1:]) for name, v in values.items()} == dict(graph.shapes)


def test_a_layer_that_does_not_fit_is_named():
    conv = chain("1x28x28", "conv 25 3x3").nodes[0]
    with pytest.raises(GraphError, match="conv1: channels x height x width for conv2d to read"):
        _ = Graph({"input": (1250,)}, (conv,)).shapes
