"""Layers that read tokens: shapes, parameters, windows, and what they refuse."""

import pytest
import torch
from tests.reference.graph_runner import module_of

from convscope.errors import GraphError
from convscope.graph import LAYERS, Graph, Node, chain, from_json, receptive_fields, text, to_json
from convscope.graph.analysis.padding import padding_that_counts
from convscope.nets import build

EMBEDDING, POOL, CONV, RELU, DENSE = (
    LAYERS[kind] for kind in ("embedding", "maxovertime", "conv1d", "relu", "dense")
)


def sentence_graph(width: int = 3) -> Graph:
    return Graph(
        {"tokens": (9,)},
        (
            Node("embedding", EMBEDDING(5, 7), ("tokens",)),
            Node("conv", CONV(4, width), ("embedding",)),
            Node("relu", RELU(), ("conv",)),
            Node("pool", POOL(), ("relu", "tokens")),
            Node("dense", DENSE(2), ("pool",)),
        ),
    )


def test_embedding_has_the_shape_and_parameters_of_its_module():
    layer = EMBEDDING(5, 7)
    module = module_of(layer, (9,))
    assert tuple(module(torch.randint(0, 7, (3, 9))).shape) == (3, *layer.output_shape((9,))) == (3, 5, 9)
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == layer.parameters((9,))


def test_chain_and_json_bring_an_embedding_back():
    graph = chain((9,), "embedding 5 7, conv 4 3, relu, globalmaxpool, dense 2")
    assert graph.shapes["conv1" if "conv1" in graph.shapes else "conv"] == (4, 7)
    assert chain((9,), text(graph)) == graph
    assert from_json(to_json(sentence_graph())) == sentence_graph()


def test_receptive_fields_lie_along_the_tokens():
    fields = receptive_fields(sentence_graph())
    assert [fields["conv"].box((k,)) for k in (0, 6)] == [((0, 3),), ((6, 9),)]
    assert fields["embedding"].box((4,)) == ((4, 5),)
    assert fields["pool"].covers_all == (True,)


def test_the_field_of_a_filter_is_where_the_result_changes():
    module = build(sentence_graph(), seed=0).eval()
    tokens = torch.randint(1, 7, (1, 9), generator=torch.Generator().manual_seed(0))
    before = module.get_submodule("conv")(module.get_submodule("embedding")(tokens))
    changed = []
    for at in range(9):
        other = tokens.clone()
        other[0, at] = tokens[0, at] % 6 + 1
        after = module.get_submodule("conv")(module.get_submodule("embedding")(other))
        if not torch.equal(before[..., 2], after[..., 2]):
            changed.append(at)
    (span,) = receptive_fields(sentence_graph())["conv"].box((2,))
    assert changed == list(range(*span))


@pytest.mark.parametrize(
    ("maps", "tokens", "options"),
    [((4, 7), (9, 2), {}), ((4, 7), (6,), {}), ((4,), (9,), {}), ((4, 7), (9,), {"kernel_size": 4})],
)
def test_maximum_over_time_refuses_maps_of_other_tokens(maps, tokens, options):
    with pytest.raises(GraphError):
        POOL(**options).output_shape(maps, tokens)


@pytest.mark.parametrize("shape", [(3, 9), (1, 3, 9)])
def test_embedding_refuses_what_has_other_axes(shape):
    with pytest.raises(GraphError, match="one axis"):
        EMBEDDING(5, 7).output_shape(shape)


def test_options_are_checked_by_name():
    for options, name in (((0, 7), "embedding_dim"), ((5, 1), "num_embeddings")):
        with pytest.raises(GraphError, match=name):
            EMBEDDING(*options)
    with pytest.raises(GraphError, match="kernel_size"):
        POOL(stride=2)


def test_padding_counts_as_far_as_the_longest_filter_reaches():
    assert [padding_that_counts(sentence_graph(width)) for width in (1, 3, 5)] == [None, 2, 4]


@pytest.mark.parametrize("layers", ["conv 4 3 padding=same", "batchnorm"])
def test_where_padding_reaches_the_result_there_is_no_such_number(layers):
    head = chain((9,), f"embedding 5 7, {layers}, relu")
    last = head.nodes[-1].name
    nodes = (
        *head.nodes,
        Node("pool", POOL(1), (last, next(iter(head.inputs)))),
        Node("d", DENSE(2), ("pool",)),
    )
    assert padding_that_counts(Graph(dict(head.inputs), nodes)) is None
    assert padding_that_counts(chain((9,), "embedding 5 7, conv 4 3, flatten, dense 2")) is None
