"""Networks for another input size than their own."""

import pytest
import torch
from torch import nn

from convscope import nets
from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import wrap
from convscope.nets.io.input_size import with_input_size


def test_a_graph_is_built_again_and_fresh_weights_may_differ():
    net = nets.load("lecture-relu", seed=3)
    larger = with_input_size(net, 40, seed=3)
    assert larger.input_spec.shape == (1, 40, 40) and larger.graph.inputs["input"] == (1, 40, 40)
    assert larger(torch.rand(2, 1, 40, 40)).shape == (2, 10)
    assert net.input_spec.shape == (1, 28, 28) and net(torch.rand(1, 1, 28, 28)).shape == (1, 10)
    assert with_input_size(net, 28) is net


def test_trained_weights_are_kept_where_their_shapes_allow_it(tmp_path):
    from convscope.graph.chain import chain

    text = "conv 4 3x3, relu, globalavgpool, flatten, dense 3"
    net = wrap(nets.build(chain("3x64x64", text), seed=1), TensorSpec((3, 64, 64)), name="pooled")
    net.source = type(net.source)(name="pooled", weights="trained here")
    small = with_input_size(net, 32)
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(small(image), net(image))
    nets.save(small, tmp_path / "small")  # graph and spec agree, or it could not be opened
    assert nets.load(tmp_path / "small").input_spec.shape == (3, 32, 32)


def test_a_size_that_does_not_fit_is_refused_with_those_that_do():
    with pytest.raises(UsageError, match="Its own is 28x28") as caught:
        with_input_size(nets.load("digits"), 32)
    assert "dense1" in str(caught.value)
    module = nn.Sequential(nn.Conv2d(3, 4, 20), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    net = wrap(module, TensorSpec((3, 64, 64)), name="wide")
    assert with_input_size(net, 32).input_spec.size == (32, 32)
    with pytest.raises(UsageError, match="of others it takes 24, 28, 32, 48, 96"):
        with_input_size(net, 16)
    with pytest.raises(UsageError, match="one picture"):
        with_input_size(wrap(nn.Linear(3, 2), TensorSpec((3,))), 8)


def test_another_shape_of_the_answer_is_refused():
    module = nn.Sequential(nn.Conv2d(1, 2, 3, stride=8), nn.Flatten())
    net = wrap(module, TensorSpec((1, 32, 32)), name="flat")
    with pytest.raises(UsageError, match="it returns"):
        with_input_size(net, 64)
