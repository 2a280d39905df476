"""Receptive fields against gradients: what a unit reads is where its gradient is not zero."""

from fractions import Fraction

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reference.gradient_fields import corners, measured
from tests.reference.graph_runner import modules_of
from tests.reference.random_graphs import graphs

from convscope.errors import GraphError
from convscope.graph import Graph, Node, chain, receptive_fields
from convscope.graph.layers.conv import Conv1d, Conv2d
from convscope.graph.layers.merge import Add, Concat
from convscope.graph.layers.pooling import MaxPool2d

torch.set_num_threads(1)
quick = settings(max_examples=70, deadline=None, suppress_health_check=list(HealthCheck))
LECTURE = (
    "conv 25 3x3, relu, maxpool 2, conv 50 3x3, relu, maxpool 2, flatten, dense 100, relu, dense 10, softmax"
)


@quick
@given(graphs(branching=False), st.data())
@pytest.mark.slow
def test_chains_read_what_has_a_gradient(graph, data):
    name = data.draw(st.sampled_from([node.name for node in graph.nodes]))
    field = receptive_fields(graph)[name]
    for position in corners(graph.shapes[name][1:]):
        assert field.box(position) == measured(graph, name, position, "input"), (graph, name, position)


@quick
@given(graphs(), st.data())
def test_branching_graphs_read_the_hull_of_what_has_a_gradient(graph, data):
    source = data.draw(st.sampled_from(sorted(graph.inputs)))
    fields = receptive_fields(graph, source)
    name = data.draw(st.sampled_from([node.name for node in graph.nodes]))
    for position in corners(graph.shapes[name][1:]):
        found = measured(graph, name, position, source)
        if name not in fields:
            assert found is None
            continue
        box = fields[name].box(position)
        if all(None not in axis.intervals for field in fields.values() for axis in field.axes):
            assert box == found, (graph, name, position)
        elif found is not None:
            assert box is not None
            assert all(a <= c and d <= b for (a, b), (c, d) in zip(box, found, strict=True))


@quick
@given(graphs(branching=False))
def test_size_stride_and_offset_describe_the_boxes(graph):
    name = graph.nodes[-1].name
    for axis in receptive_fields(graph)[name].axes:
        for k, interval in enumerate(axis.intervals):
            if interval and axis.pattern:
                low, high = axis.pattern.at(k)
                assert low <= interval[0] <= interval[1] <= high
            if interval:
                assert interval[1] - interval[0] + 1 <= axis.size
        assert axis.covers_all == all(interval == (0, axis.extent - 1) for interval in axis.intervals)


@pytest.mark.parametrize(
    ("name", "size", "stride"),
    [("conv1", 3, 1), ("pool1", 4, 2), ("conv2", 8, 2), ("pool2", 10, 4), ("dense2", 26, 0)],
)
def test_lecture_network(name, size, stride):
    field = receptive_fields(chain("1x28x28", LECTURE))[name]
    assert field.size == (size, size)
    assert field.stride == (stride, stride)
    assert field.offset == (0, 0)


def test_padding_makes_the_offset_negative_and_is_cut_from_the_box():
    field = receptive_fields(chain("1x8x8", "conv 4 5x5 padding=2, maxpool 2"))["pool1"]
    assert (field.size, field.offset, field.stride) == ((6, 6), (-2, -2), (2, 2))
    assert field.box((0, 1)) == ((0, 4), (0, 6))


def test_same_padding_of_keras_puts_the_odd_zero_at_the_end():
    field = receptive_fields(chain("1x8", "conv1d 1 3 stride=2 padding=same"))["conv1"]
    assert field.offset == (0,)
    assert [field.box((k,)) for k in range(4)] == [((0, 3),), ((2, 5),), ((4, 7),), ((6, 8),)]


def test_upsampling_has_a_fractional_stride():
    graph = chain("1x8x8", "conv 4 3x3 stride=2 padding=1, upsample 2, conv 1 3x3 padding=1")
    fields = receptive_fields(graph)
    assert fields["upsample1"].size == (3, 3)
    assert fields["upsample1"].stride == (Fraction(1), Fraction(1))
    assert receptive_fields(chain("1x8", "upsample 2"))["upsample1"].stride == (Fraction(1, 2),)
    assert fields["conv2"].size == (5, 5)


def test_branches_are_joined_to_their_hull():
    nodes = (
        Node("wide", Conv2d(4, 7, padding=3), ("input",)),
        Node("narrow", Conv2d(4, 1), ("input",)),
        Node("out", Concat(), ("narrow", "wide")),
    )
    field = receptive_fields(Graph({"input": (3, 9, 9)}, nodes))["out"]
    assert (field.size, field.offset) == ((7, 7), (-3, -3))
    assert field.box((0, 8)) == ((0, 4), (5, 9))


def test_branches_of_unequal_stride_still_have_exact_boxes():
    nodes = (
        Node("slow", Conv1d(1, 2, 2), ("input",)),
        Node("fast", Conv1d(1, 5), ("input",)),
        Node("out", Add(), ("slow", "fast")),
    )
    graph = Graph({"input": (1, 8)}, nodes)
    field = receptive_fields(graph)["out"]
    assert [field.box((k,)) for k in range(4)] == [measured(graph, "out", (k,), "input") for k in range(4)]
    assert field.axes[0].pattern is None


def test_each_input_has_fields_of_its_own():
    nodes = (
        Node("a", Conv2d(2, 3), ("image",)),
        Node("b", MaxPool2d(2), ("mask",)),
        Node("c", Concat(), ("a", "b")),
    )
    graph = Graph({"image": (3, 6, 6), "mask": (1, 8, 8)}, nodes)
    assert receptive_fields(graph, "mask")["c"].size == (2, 2)
    assert receptive_fields(graph)["c"].size == (3, 3)
    assert "a" not in receptive_fields(graph, "mask")
    with pytest.raises(GraphError, match="Did you mean mask"):
        receptive_fields(graph, "mas")


@pytest.mark.parametrize("position", [(0,), (26, 0), (0, -1), (0, 0, 0)])
def test_a_position_outside_is_refused(position):
    field = receptive_fields(chain("1x28x28", LECTURE))["conv1"]
    with pytest.raises(GraphError, match="position"):
        field.box(position)


@pytest.mark.parametrize(
    "options", ["", "dilation=2", "padding=1", "padding=same", "stride=1 ceil_mode=true"]
)
def test_max_pooling_reads_its_window(options):
    """Only the largest value has a gradient, so the union over many inputs is measured."""
    graph = chain("1x7x7", f"maxpool 3 {'stride=2' if 'stride' not in options else ''} {options}")
    module, field = modules_of(graph)["pool1"], receptive_fields(graph)["pool1"]
    images = torch.rand(300, 1, 7, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    result = module(images)
    for position in corners(graph.shapes["pool1"][1:]):
        (gradient,) = torch.autograd.grad(result[(..., *position)].sum(), images, retain_graph=True)
        seen = gradient.sum((0, 1)).nonzero()
        box = tuple((int(a), int(b) + 1) for a, b in zip(seen.amin(0), seen.amax(0), strict=True))
        assert field.box(position) == box


def test_deep_networks_are_quick():
    text = ", ".join(["conv 4 3x3 padding=1, relu"] * 500)
    fields = receptive_fields(chain("3x64x64", text))
    assert fields["conv500"].size == (1001, 1001)
