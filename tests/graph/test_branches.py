"""Graphs of several chains, against the same network written in torch."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from convscope import nets
from convscope.errors import GraphError
from convscope.graph.branches import Branch, graph_of_branches

PARTS = [
    Branch("a", ("left",), "conv 3 3x3, relu, flatten"),
    Branch("b", ("right",), "dense 4, relu"),
    Branch("trunk", ("a", "b"), "dense 6, relu"),
    Branch("class", ("trunk",), "dense 5"),
    Branch("value", ("trunk", "trunk"), "dense 1", "multiply"),
]
INPUTS = {"left": (1, 6, 6), "right": (2,)}


def test_branches_compute_what_torch_computes():
    module = nets.build(graph_of_branches(INPUTS, PARTS, ("class", "value")), seed=0)
    left, right = torch.rand(2, 1, 6, 6), torch.rand(2, 2)
    w = dict(module.named_parameters())
    a = functional.conv2d(left, w["a_conv1.weight"], w["a_conv1.bias"]).relu().flatten(1)
    b = functional.linear(right, w["b_dense1.weight"], w["b_dense1.bias"]).relu()
    joined = torch.cat((a, b), 1)
    trunk = functional.linear(joined, w["trunk_dense1.weight"], w["trunk_dense1.bias"]).relu()
    wanted = {
        "class": functional.linear(trunk, w["class.weight"], w["class.bias"]),
        "value": functional.linear(trunk * trunk, w["value.weight"], w["value.bias"]),
    }
    found = module(left, right)
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        torch.testing.assert_close(found[name], values)
    assert isinstance(module.get_submodule("trunk"), nn.ReLU)


@pytest.mark.parametrize(
    ("parts", "outputs", "said"),
    [
        ([Branch("a", ("lefft",), "flatten")], ("a",), "left"),
        ([Branch("left", ("left",), "flatten")], (), "twice"),
        ([*PARTS, Branch("lost", ("b",), "dense 2")], ("class", "value"), "lost"),
        (PARTS[:2], ("a",), "b"),
        (PARTS, ("class", "valu"), "value"),
        ([Branch("a", ("left", "right"), "flatten")], ("a",), "branch a"),
        ([Branch("a", ("left",), "conv 3 9x9")], ("a",), "branch a"),
        ([Branch("a", ("left", "right"), "flatten", "sum")], ("a",), "concat, add"),
    ],
)
def test_what_is_wrong_is_named(parts, outputs, said):
    with pytest.raises(GraphError) as caught:
        graph_of_branches(INPUTS, parts, outputs)
    assert said in f"{caught.value.expected} {caught.value.received} {caught.value.hint}"
