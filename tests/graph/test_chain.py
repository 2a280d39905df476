"""The text form: what it makes, what it is called, and what it says when it is wrong."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reference.random_graphs import graphs

from convscope import nets
from convscope.errors import GraphError
from convscope.graph import LAYERS, Graph, Node, chain, read_chain, text
from convscope.graph.chain import layer_usage
from convscope.graph.layers.classics.lenet import C3
from convscope.graph.layers.conv import Conv1d, Conv2d


def names(shape, line):
    return [node.name for node in chain(shape, line).nodes]


def test_names_count_by_family():
    line = (
        "conv 25 3x3, relu, maxpool 2, conv 50 3, relu, avgpool 2, flatten, dense 9, relu, dense 10, softmax"
    )
    assert names("1x28x28", line) == [
        "conv1",
        "relu1",
        "pool1",
        "conv2",
        "relu2",
        "pool2",
        "flatten",
        "dense1",
        "relu3",
        "dense2",
        "softmax",
    ]


def test_names_are_taken_as_given_and_never_twice():
    assert names("1x28x28", "conv2 = conv 4 3, conv 4 3, conv 4 3") == ["conv2", "conv1", "conv3"]
    assert names("8x4x4", "flatten, dense 4, softmax, dense 4, softmax") == [
        "flatten",
        "dense1",
        "softmax1",
        "dense2",
        "softmax2",
    ]
    assert names("8", "a = relu, stage.1 = relu") == ["a", "stage.1"]


def test_the_number_of_axes_follows_from_the_input():
    assert chain("2x9", "conv 4 3").nodes[0].layer == Conv1d(4, 3)
    assert chain("2x9x9", "conv 4 3").nodes[0].layer == Conv2d(4, (3, 3))
    assert chain("9", "batchnorm").nodes[0].layer.kind == "batchnorm1d"
    assert chain((2, 9, 9), "conv2d 4 3").nodes[0].layer.kind == "conv2d"


def test_options_by_position_and_by_name():
    line = "conv 8 3x5 stride=2x1 padding=0x1x2x3 dilation = 1 groups=2 bias=false"
    wanted = Conv2d(8, (3, 5), stride=(2, 1), padding=(0, 1, 2, 3), dilation=1, groups=2, bias=False)
    assert chain("4x20x20", line).nodes[0].layer == wanted
    assert (
        chain("4x20x20", "conv kernel_size=3x5 8 stride=2x1 padding=0x1x2x3 groups=2 bias=false")
        .nodes[0]
        .layer
        == wanted
    )
    assert chain("4x8x8", "conv 2 3 padding=same").shapes["conv1"] == (2, 8, 8)


def test_lines_comments_and_tables():
    graph = chain("6x14x14", "# the real one\nc3 = partialconv 5x5  # table I\nrelu, flatten\n")
    assert graph["c3"].layer.table == C3
    assert chain("2x5x5", "partialconv 3 table=0+1/1").nodes[0].layer.table == ((0, 1), (1,))
    assert chain("2x5x5", "partialconv 3 table=0+1/").nodes[0].layer.table == ((0, 1),)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(), st.data())
def test_text_is_the_inverse(graph, data):
    pool = ("conv1", "conv2", "pool1", "relu1", "flatten", "a", "b.c", "_x", "norm2", "identity1", "add1")
    names = dict(zip((n.name for n in graph.nodes), data.draw(st.permutations(pool)), strict=False))
    names |= {name: name for name in graph.inputs}
    renamed = Graph(
        graph.inputs,
        tuple(Node(names[n.name], n.layer, tuple(names[s] for s in n.inputs)) for n in graph.nodes),
    )
    if len(graph.inputs) > 1:
        with pytest.raises(GraphError, match="one input"):
            text(renamed)
    else:
        assert chain(graph.inputs["input"], text(renamed)) == renamed


def test_text_leaves_out_what_goes_without_saying():
    line = "conv 25 3, relu, pool = maxpool 2, conv 50 3x1 stride=2, flatten, dropout 0.25, dense 10, softmax"
    assert text(chain("1x28x28", line)) == line


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("cov 25 3x3", 1, "Did you mean conv"),
        ("conv 25 3x3, rulu", 14, "Did you mean relu"),
        ("conv 25 3y3", 9, "3y3"),
        ("conv 25", 1, "needs kernel_size"),
        ("conv 25 3 1 1", 11, "option"),
        ("conv 25 3 strid=2", 11, "Did you mean stride"),
        ("conv 25 3 stride=", 18, "value for stride"),
        ("conv 25 3 stride=2 stride=3", 27, "once"),
        ("relu 3", 6, "relu takes no values"),
        ("conv 25 3, , relu", 12, "a layer before every comma"),
        (", relu", 1, "a layer before every comma"),
        ("a = relu, a = relu", 11, "a name of its own"),
        ("input = relu", 1, "a name of its own"),
        ("3x = relu", 1, "a name of letters"),
        ("a =", 4, "a kind of layer"),
        ("flatten, conv 3 3", 10, "channels x width for conv1d to read"),
        ("dense 10", 1, "Put flatten before"),
        ("conv 25 30x30", 1, "a kernel that fits"),
        ("conv 25 3 groups=2", 1, "a multiple of groups"),
        ("conv 25 0", 1, "kernel_size"),
        ("conv 25 3 bias=2", 1, "true or false"),
        ("add", 1, "Write: add < NAME NAME"),
        ("foreign x 3", 1, "convscope.wrap"),
        ("conv 8 3, relu < conv1 input", 11, "reads one layer"),
        ("conv 8 3, add < conv1 nothing", 23, "a layer before this one"),
        ("conv 8 3, add < conv1 add1", 23, "a layer before this one"),
        ("conv 8 3 <", 10, "names of layers after <"),
        ("< input", 1, "a layer before <"),
        ("conv 8 3, add < conv1 input", 11, "equal shapes, or extents"),
        ("conv 25 " + "9" * 5000, 9, "a value for kernel_size"),
        ("dropout 1.5", 1, "a number from 0 to 1 as p"),
        ("upsample 2 mode=cubic", 1, "nearest or linear"),
        ("maxpool 2 padding=2", 1, "half of the kernel"),
    ],
)
def test_errors_point_at_the_word(line, column, words):
    with pytest.raises(GraphError, match=f"column {column}: ") as caught:
        chain("1x28x28", line)
    assert words in str(caught.value)


@pytest.mark.parametrize("shape", ["", "x", "1x-3", "1x0x3", "3 by 3", "1x28x28x", "٣x٣", "9" * 5000])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(GraphError, match="input shape"):
        chain(shape, "relu")


@pytest.mark.parametrize("line", ["", "  ", "\n\n", "# nothing"])
def test_an_empty_chain_is_refused(line):
    with pytest.raises(GraphError, match="at least one layer"):
        chain("1x28x28", line)


@given(st.text(max_size=60), st.text(alphabet="conv relu,=x123 dense\n#/+.-", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_graph_or_a_graph_error(anything, alike):
    for line in (anything, alike):
        try:
            assert chain("1x28x28", line).nodes
        except GraphError as error:
            assert str(error)


def test_usage_names_every_option():
    assert layer_usage(LAYERS["maxpool2d"]) == (
        "maxpool2d KERNEL_SIZE [stride] [padding=0] [dilation=1] [ceil_mode=false]"
    )


def test_a_chain_is_read_up_to_its_first_error():
    read = read_chain("1x28x28", "conv 8 3x3, relu, conv 9 40x40, dense 10")
    assert read.graph == chain("1x28x28", "conv 8 3x3, relu")
    assert read.layer == 2
    with pytest.raises(GraphError) as raised:
        chain("1x28x28", "conv 8 3x3, relu, conv 9 40x40, dense 10")
    assert str(read.error) == str(raised.value)


def test_a_whole_chain_is_read_without_an_error():
    assert read_chain((1, 8, 8), "conv 2 3x3, flatten").graph == chain("1x8x8", "conv 2 3x3, flatten")
    assert read_chain("1x8x8", "").graph is None
    assert read_chain("no shape", "relu").layer is None


BRANCHES = """
skip = conv 8 3 padding=1
relu
c2 = conv 8 3 padding=1
add < skip c2
small = conv 4 1   # a second branch
large = conv 4 5 padding=2 < add1
concat < small large
flatten
dense 10
"""


def test_branches_are_read_and_written():
    graph = chain("1x28x28", BRANCHES)
    assert [node.inputs for node in graph.nodes] == [
        ("input",),
        ("skip",),
        ("relu1",),
        ("skip", "c2"),
        ("add1",),
        ("add1",),
        ("small", "large"),
        ("concat1",),
        ("flatten",),
    ]
    assert graph.shapes["concat1"] == (8, 28, 28) and graph.outputs == ("dense1",)
    assert chain("1x28x28", text(graph)) == graph


def test_branches_compute_what_torch_computes():
    net = nets.build(chain("1x28x28", BRANCHES)).eval()
    x = torch.rand(2, 1, 28, 28)
    layers = dict(net.named_modules())
    first = layers["skip"](x)
    added = first + layers["c2"](torch.relu(first))
    joined = torch.cat([layers["small"](added), layers["large"](added)], 1)
    torch.testing.assert_close(net(x), layers["dense1"](joined.flatten(1)))


def test_layers_that_nobody_reads_are_outputs():
    graph = chain("1x28x28", "trunk = conv 8 3, flatten, dense 10, maxpool 2 < trunk")
    assert graph.outputs == ("dense1", "pool1")
    assert chain("1x28x28", text(graph)) == graph


def test_the_layers_before_an_error_keep_their_branches():
    read = read_chain("1x28x28", "a = conv 8 3 padding=1, b = conv 8 3 padding=1, add < a b, add < a c")
    assert read.layer == 3 and read.graph is not None and read.graph.nodes[-1].inputs == ("a", "b")
