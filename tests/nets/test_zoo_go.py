"""Networks for Go: parameters as published, shapes, and what pooling would break."""

import pytest
import torch

from convscope import nets
from convscope.graph import chain
from convscope.nets.zoo.worlds.go.policy import alphago_policy, fully_connected, points, residual_policy
from convscope.worlds.go import vertex


@pytest.mark.parametrize(("filters", "parameters"), [(192, 3_882_793), (128, 1_777_641)])
def test_alphago_has_as_many_parameters_as_published(filters, parameters):
    """Source: counted from Silver et al. 2016, Methods, Neural network architecture."""
    graph = alphago_policy(filters)
    counted = sum(node.layer.parameter_count(*graph.input_shapes(node.name)) for node in graph.nodes)
    assert counted == parameters


def test_alphago_is_what_the_paper_says():
    """23x23 after the first padding, 21x21 in every layer from the second to the twelfth."""
    module = nets.build(alphago_policy(8), seed=0).eval()
    planes = torch.rand(2, 48, 19, 19)
    logits = module(planes)
    assert logits.shape == (2, 361)
    weights = dict(module.named_parameters())
    x = torch.nn.functional.pad(planes, (2, 2, 2, 2))
    assert x.shape[-1] == 23
    x = torch.conv2d(x, weights["conv1.weight"], weights["conv1.bias"]).relu()
    for k in range(2, 13):
        x = torch.nn.functional.pad(x, (1, 1, 1, 1))
        assert x.shape[-1] == 21
        x = torch.conv2d(x, weights[f"conv{k}.weight"], weights[f"conv{k}.bias"]).relu()
    with torch.no_grad():
        weights["bias.bias"].normal_()
    expected = torch.conv2d(x, weights["conv13.weight"]).flatten(1) + weights["bias.bias"].flatten()
    assert torch.allclose(module(planes), expected, atol=1e-5)


def test_biases_of_positions_are_not_shared():
    module = nets.build(chain("3x4x5", "positionbias"), seed=0)
    with torch.no_grad():
        next(module.parameters()).copy_(torch.arange(60.0).view(3, 4, 5))
    assert torch.equal(module(torch.zeros(2, 3, 4, 5))[1], torch.arange(60.0).view(3, 4, 5))


@pytest.mark.parametrize(("size", "blocks"), [(9, 2), (13, 1), (19, 1)])
def test_residual_networks_have_policy_and_value(size, blocks):
    graph = residual_policy(size, 8, blocks)
    found = nets.build(graph, seed=0)(torch.rand(3, 20, size, size))
    assert {name: tuple(one.shape) for name, one in found.items()} == {
        "policy": (3, size * size),
        "value": (3, 1),
    }
    assert float(found["value"].detach().abs().max()) <= 1


@pytest.mark.parametrize(("size", "point"), [(9, 0), (19, 9 * 19 + 9)])
def test_moves_depend_on_stones_nine_points_away_and_nothing_is_pooled(size, point):
    """On 9x9 a corner sees the opposite one; on 19x19 the centre sees all four."""
    graph = residual_policy(size, 8, 4)
    assert not any("pool" in node.layer.kind for node in graph.nodes)
    planes = torch.rand(2, 20, size, size, requires_grad=True)
    nets.build(graph, seed=0)(planes)["policy"][:, point].sum().backward()
    assert planes.grad is not None
    seen = planes.grad.abs().sum((0, 1)) > 0
    assert seen.all()


def test_baseline_is_fully_connected():
    kinds = [node.layer.kind for node in fully_connected().nodes]
    assert kinds == ["flatten", "dense", "relu", "dense", "relu", "dense"]


@pytest.mark.parametrize("size", [9, 19])
def test_classes_are_the_points_of_the_board(size):
    assert points(size) == tuple(vertex((k // size, k % size), size) for k in range(size * size))
