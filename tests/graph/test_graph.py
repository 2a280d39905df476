"""Order, names, equality, copies; and the JSON document."""

import copy
import json
import pickle
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reference.random_graphs import graphs

from convscope.errors import GraphError
from convscope.graph import Graph, Node, TensorSpec, Window, chain, from_json, peak_bytes, to_json
from convscope.graph.layers.activation import ReLU
from convscope.graph.layers.conv import Conv2d
from convscope.graph.layers.foreign import Foreign
from convscope.graph.layers.merge import Add, Concat

quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def relu(name, *inputs):
    return Node(name, ReLU() if len(inputs) == 1 else Add(), inputs)


@quick
@given(graphs())
def test_json_brings_every_graph_back(graph):
    document = json.loads(json.dumps(to_json(graph), allow_nan=False))
    again = from_json(document)
    assert again == graph
    assert hash(again) == hash(graph)
    assert to_json(again) == to_json(graph)


@quick
@given(graphs())
def test_a_valid_order_is_kept_and_any_other_becomes_valid(graph):
    assert Graph(graph.inputs, graph.nodes, graph.outputs).nodes == graph.nodes
    shuffled = random.Random(0).sample(graph.nodes, len(graph.nodes))
    ordered = Graph(graph.inputs, tuple(shuffled), graph.outputs)
    seen = set(graph.inputs)
    for node in ordered.nodes:
        assert seen.issuperset(node.inputs)
        seen.add(node.name)
    assert dict(ordered.shapes) == dict(graph.shapes)


def test_the_first_that_is_ready_comes_first():
    graph = Graph({"x": (1, 4, 4)}, (relu("d", "b", "c"), relu("c", "a"), relu("a", "x"), relu("b", "a")))
    assert [node.name for node in graph.nodes] == ["a", "c", "b", "d"]
    depth_first = (relu("a", "x"), relu("b", "a"), relu("c", "b"), relu("e", "x"), relu("f", "c", "e"))
    assert Graph({"x": (1, 4, 4)}, depth_first).nodes == depth_first


def test_two_thousand_layers_are_quick():
    nodes = tuple(relu(f"n{i}", f"n{i - 1}" if i else "x") for i in range(2000))
    began = time.perf_counter()
    graph = Graph({"x": (1, 8, 8)}, tuple(reversed(nodes)))
    assert all(graph[node.name] is node for node in graph.nodes)
    assert len(graph.shapes) == 2001
    assert time.perf_counter() - began < 2


def test_graphs_can_be_copied_and_sent():
    graph = chain("1x28x28", "conv 4 3, relu, flatten, dense 10")
    assert copy.deepcopy(graph) == graph == pickle.loads(pickle.dumps(graph))


def test_the_order_of_inputs_matters():
    one, two = {"a": (1,), "b": (1,)}, {"b": (1,), "a": (1,)}
    nodes = (relu("c", "a", "b"),)
    assert Graph(one, nodes) != Graph(two, nodes)
    assert Graph(one, nodes) == Graph(dict(one), nodes)
    assert Graph(one, nodes) != "a graph"


def test_outputs_are_what_nobody_reads():
    nodes = (relu("a", "x"), relu("b", "a"), relu("c", "a"))
    assert Graph({"x": (1,)}, nodes).outputs == ("b", "c")
    assert Graph({"x": (1,)}, nodes, ("a",)).outputs == ("a",)


@pytest.mark.parametrize(
    ("nodes", "outputs", "words"),
    [
        ((relu("a", "x"), relu("a", "x")), (), "a more than once"),
        ((relu("x", "x"),), (), "x more than once"),
        ((relu("a", "y"),), (), "a layer of this graph for a to read"),
        ((relu("a", "b"), relu("b", "a")), (), "without cycles"),
        ((relu("a", "a"),), (), "without cycles"),
        ((relu("conv1", "x"),), ("conv",), "Did you mean conv1"),
        ((), (), "at least one layer"),
        ((Node("a", ReLU(), ()),), (), "1 input(s) for relu to read"),
        ((Node("a", ReLU(), ("x", "x")),), (), "1 input(s) for relu to read"),
        ((Node("a", Add(), ("x",)),), (), "2 or more input(s) for add to read"),
        ((Node("a", Conv2d(3, 9), ("x",)),), (), "a: conv2d: a kernel that fits"),
    ],
)
def test_graphs_that_cannot_exist(nodes, outputs, words):
    with pytest.raises(GraphError) as caught:
        _ = Graph({"x": (1, 8, 8)}, nodes, outputs).shapes
    assert words in str(caught.value)


@pytest.mark.parametrize("shape", [(), (0, 3), (3, -1), (2.0,), ("3",), (True,)])
def test_inputs_have_positive_extent(shape):
    with pytest.raises(GraphError, match="positive extent"):
        Graph({"x": shape}, (relu("a", "x"),))


def test_joins_state_what_does_not_fit():
    nodes = (Node("small", Conv2d(2, 3), ("x",)), Node("both", Add(), ("small", "x")))
    with pytest.raises(GraphError, match=r"both: equal shapes.*2x6x6 and 1x8x8"):
        _ = Graph({"x": (1, 8, 8)}, nodes).shapes
    nodes = (nodes[0], Node("both", Concat(), ("small", "x")))
    with pytest.raises(GraphError, match="channels of equal spatial extent, for concat to join"):
        _ = Graph({"x": (1, 8, 8)}, nodes).shapes
    with pytest.raises(GraphError, match=r"the name of a layer.*Did you mean small"):
        Graph({"x": (1, 8, 8)}, nodes[:1])["smal"]


def test_a_foreign_layer_is_described_and_cannot_be_built():
    layer = Foreign("torch.roll", (3, 8, 8), (("gamma", (3,)),), 7, ((Window(3, 2, -1), None),))
    graph = Graph({"x": (3, 8, 8)}, (Node("roll", layer, ("x",)),))
    assert from_json(json.loads(json.dumps(to_json(graph)))) == graph
    assert layer.parameter_count((3, 8, 8)) == 3
    with pytest.raises(GraphError, match=r"torch\.roll"):
        layer.arguments((3, 8, 8))
    assert Foreign("f", [3], {"w": [2]}).weights == (("w", (2,)),)


LAYER = {"name": "a", "kind": "relu", "inputs": ["x"], "options": {}}
DOCUMENT = {"format": "convscope.graph/1", "inputs": {"x": [1, 8, 8]}, "layers": [LAYER], "outputs": ["a"]}
FOREIGN = {"name": "a", "kind": "foreign", "inputs": ["x"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "convscope.graph/9"}, "in the format"),
        ({"more": 1}, "a field of a graph"),
        ({"inputs": {"x": "1x8"}}, "a list as"),
        ({"inputs": {"x": [0]}}, "positive extent"),
        ({"layers": [5]}, "an object as a layer"),
        ({"layers": [{**LAYER, "kind": "rulu"}]}, "Did you mean relu"),
        ({"layers": [{**LAYER, "options": {"p": 1}}]}, "an option of relu"),
        ({"layers": [{**LAYER, "kind": "dense"}]}, "dense with out_features"),
        ({"layers": [{**LAYER, "kind": "dense", "options": {"out_features": "9"}}]}, "a whole number from 1"),
        ({"layers": [{**LAYER, "inputs": [5]}]}, "a text as"),
        ({"layers": [{**LAYER, "sources": []}]}, "a field of a layer"),
        ({"layers": [{"name": "a"}]}, "a layer with kind"),
        ({"layers": [{**FOREIGN, "options": {"path": 5, "shape": [3]}}]}, "path"),
        ({"layers": [{**FOREIGN, "options": {"path": "f", "shape": "3"}}]}, "shape"),
        ({"layers": [{**FOREIGN, "options": {"path": "f", "shape": [3], "weights": [["w"]]}}]}, "weights"),
        ({"layers": [{**FOREIGN, "options": {"path": "f", "shape": [3], "reads": [[{"sze": 1}]]}}]}, "reads"),
        ({"layers": [{**FOREIGN, "options": {"path": "f", "shape": [3], "reads": 7}}]}, "reads"),
        ({"layers": [{**FOREIGN, "options": {"path": "f", "shape": [3], "reads": [[{"up": 0}]]}}]}, "reads"),
        ({"layers": [{**FOREIGN, "options": {"path": "f", "shape": [3], "products": 0.5}}]}, "products"),
        ({"outputs": ["b"]}, "outputs that name layers"),
        ({"outputs": [None]}, "a text as"),
    ],
)
def test_documents_that_are_no_graphs(change, words):
    assert from_json(DOCUMENT)
    with pytest.raises(GraphError) as caught:
        from_json({**DOCUMENT, **change})
    assert words in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from(["x", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "up"]), inner),
)


@quick
@given(st.data())
def test_any_document_gives_a_graph_or_a_graph_error(data):
    document = copy.deepcopy(DOCUMENT)
    document["layers"][0] = {
        **document["layers"][0],
        "kind": data.draw(st.sampled_from(["relu", "foreign", "conv2d"])),
    }
    names = ["path", "shape", "weights", "products", "reads", "kernel_size", "out_channels"]
    options = st.dictionaries(st.sampled_from(names), JSON)
    document["layers"][0]["options"] = data.draw(options)
    field = data.draw(st.sampled_from(["none", *document]))
    if field in document:
        document[field] = data.draw(JSON)
    try:
        _ = from_json(document).shapes
    except GraphError as error:
        assert str(error)
    for anything in (data.draw(JSON), None, []):
        with pytest.raises(GraphError):
            from_json(anything)


def test_peak_memory_frees_what_nobody_reads():
    line = chain("1x10", "conv 4 1, relu, conv 1 1")
    assert peak_bytes(line) == 4 * (40 + 40)
    nodes = (relu("a", "x"), relu("b", "a"), relu("c", "b"), relu("d", "c", "a"))
    assert peak_bytes(Graph({"x": (10,)}, nodes)) == 4 * 30


@pytest.mark.parametrize(
    "options",
    [
        {"shape": (0,)},
        {"shape": ()},
        {"shape": (3, 8, 8), "axes": "h w c"},
        {"shape": (3, 8), "axes": "c t t"},
        {"shape": (3, 8), "axes": "c"},
        {"shape": (3, 1.0)},
        {"shape": [3, 8, 8]},
        {"kind": 3},
        {"dtype": "float16"},
        {"vocabulary": ["a"]},
        {"sample_rate": 0},
        {"transform": 0.875},
        {"mean": (0.0, 1.0)},
        {"std": (0.0,)},
        {"value_range": (1.0, 0.0)},
    ],
)
def test_specs_that_make_no_sense(options):
    with pytest.raises(GraphError):
        TensorSpec(**options)


def test_spec_shapes():
    spec = TensorSpec((3, 40, 100))
    assert (spec.shape, spec.size, spec.axes) == ((3, 40, 100), (40, 100), "c h w")
    assert spec.resized(8, 9).size == (8, 9)
    assert TensorSpec((1, 50)).axes == "c t"
    assert TensorSpec((7,)).shape == (7,)
