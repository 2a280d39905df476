"""What an address stands for: exactly the parameters on which a unit, or its answer to one input, depends."""

import pytest
import torch
from torch import nn

from convscope.errors import PlaceError, UsageError
from convscope.learn.trainer.freezing.resolving import check_shared, resolve
from convscope.nets.modules.classics.lenet import PartialConv2d, Subsample
from convscope.nets.modules.local import Local1d, Local2d
from convscope.nets.modules.same import Conv2d as SameConv2d

TABLE = ((0, 1), (1, 2), (0, 3), (0, 1, 2, 3))
LAYERS = {
    "linear": (lambda: nn.Linear(5, 4), (5,)),
    "conv1d": (lambda: nn.Conv1d(3, 4, 3), (3, 7)),
    "conv2d": (lambda: nn.Conv2d(3, 4, 3), (3, 6, 6)),
    "conv2d without bias": (lambda: nn.Conv2d(3, 4, 3, bias=False), (3, 6, 6)),
    "grouped": (lambda: nn.Conv2d(6, 4, 3, groups=2), (6, 6, 6)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4), (4, 6, 6)),
    "conv3d": (lambda: nn.Conv3d(2, 4, 2), (2, 4, 4, 4)),
    "padded": (lambda: SameConv2d(3, 4, 3), (3, 6, 6)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3), (3, 5, 5)),
    "transposed, grouped": (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), (4, 5, 5)),
    "local2d": (lambda: Local2d(2, 5, 4, 3), (2, 5, 5)),
    "local1d": (lambda: Local1d(2, 7, 4, 3), (2, 7)),
    "partial": (lambda: PartialConv2d(4, 4, 3, table=TABLE), (4, 6, 6)),
    "batchnorm": (lambda: nn.BatchNorm2d(4).eval(), (4, 5, 5)),
    "groupnorm": (lambda: nn.GroupNorm(2, 4), (4, 5, 5)),
    "instancenorm": (lambda: nn.InstanceNorm2d(4, affine=True), (4, 5, 5)),
    "prelu": (lambda: nn.PReLU(4), (4, 5, 5)),
    "subsample": (lambda: Subsample(4), (4, 6, 6)),
}
"""Layers, and the shape of their input."""


def dependent(layer, output):
    """Where the gradient of an output by the parameters is not zero, by name."""
    found = {}
    for name, parameter in layer.named_parameters():
        (gradient,) = torch.autograd.grad(output, parameter, retain_graph=True, allow_unused=True)
        if gradient is not None and bool(gradient.any()):
            found[name] = gradient != 0
    return found


def selected(layer, text):
    """The parameters of a selection in a network of this one layer, as masks."""
    own = dict(layer.named_parameters())
    found = {
        name.removeprefix("layer."): mask
        for name, mask in resolve(nn.ModuleDict({"layer": layer}), text).items()
    }
    return {
        n: torch.ones_like(own[n], dtype=torch.bool) if m is None else m for n, m in found.items() if n in own
    }


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_unit_is_what_its_output_depends_on(kind):
    torch.manual_seed(0)
    make, shape = LAYERS[kind]
    layer = make()
    weights = torch.rand(100, 100, 100)
    output = layer(torch.rand(2, *shape) - 0.5)
    for unit in range(output.shape[1]):
        answer = output[:, unit]
        answer = (answer * weights[: answer.shape[0], : answer[0].numel(), 0].view_as(answer)).sum()
        assert same(selected(layer, f"layer:{unit}"), dependent(layer, answer))
    with pytest.raises(PlaceError, match=f"units 0 to {output.shape[1] - 1}"):
        resolve(nn.ModuleDict({"layer": layer}), f"layer:{output.shape[1]}")


@pytest.mark.parametrize("kind", LAYERS)
def test_a_link_is_what_the_answer_to_one_input_map_depends_on(kind):
    torch.manual_seed(0)
    make, shape = LAYERS[kind]
    layer = make()
    network = nn.ModuleDict({"layer": layer})
    if kind in ("batchnorm", "groupnorm", "instancenorm", "prelu", "subsample"):
        with pytest.raises(PlaceError, match="each unit reads one"):
            resolve(network, "layer:1,1")
        return
    for source in range(shape[0]):
        inputs = torch.zeros(2, *shape)
        inputs[:, source] = torch.rand(2, *shape[1:]) + 0.1
        output = layer(inputs)
        for unit in range(output.shape[1]):
            weights = {n: m for n, m in dependent(layer, output[:, unit].sum()).items() if n != "bias"}
            if weights:
                assert same(selected(layer, f"layer:{unit},{source}"), weights)
            else:
                with pytest.raises(
                    PlaceError, match=f"one of the input maps .* which unit {unit} of layer reads"
                ):
                    resolve(network, f"layer:{unit},{source}")


def test_a_layer_has_its_statistics_and_a_unit_its_own():
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    assert resolve(network, "1") == dict.fromkeys(
        ["1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"]
    )
    unit = resolve(network, "1:2")
    assert unit.keys() == {"1.weight", "1.bias", "1.running_mean", "1.running_var"}
    assert all(mask is not None and mask.tolist() == [False, False, True] for mask in unit.values())
    assert resolve(network, "1.weight") == {"1.weight": None}


def test_patterns():
    block = lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU())  # noqa: E731
    network = nn.Module()
    network.blocks = nn.ModuleList([block(), block()])
    network.token = nn.Parameter(torch.zeros(3))
    assert resolve(network, "*").keys() == network.state_dict().keys()
    assert resolve(network, "blocks.*") == resolve(network, "blocks")
    assert resolve(network, "*.bias").keys() == {n for n in network.state_dict() if n.endswith("bias")}
    assert resolve(network, "to*") == {"token": None}
    units = resolve(
        network, "blocks.*:1"
    )  # containers and the activation function have no values of their own
    assert {n.rpartition(".")[0] for n in units} == {"blocks.0.0", "blocks.0.1", "blocks.1.0", "blocks.1.1"}
    with pytest.raises(PlaceError, match="a pattern that layers match"):
        resolve(network, "stages.*")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
        self.embedding = nn.Embedding(5, 4)
        self.norm = nn.LayerNorm([3, 4])
        self.plain = nn.BatchNorm1d(4, affine=False, track_running_stats=False)
        self.relu = nn.ReLU()


@pytest.mark.parametrize("name", ["attention", "normed", "embedding", "norm", "plain"])
def test_what_has_no_axis_of_units_is_refused_clearly(name):
    with pytest.raises(PlaceError, match="one known axis of units") as caught:
        resolve(Attention(), f"{name}:1")
    assert f"Freeze the whole layer, {name}" in caught.value.hint
    if name not in ("plain",):
        assert len(resolve(Attention(), name)) > 0


def test_a_part_of_it_may_have_units():
    assert resolve(Attention(), "attention.out_proj:1").keys() == {
        "attention.out_proj.weight",
        "attention.out_proj.bias",
    }


def test_what_does_not_exist_or_has_nothing_to_freeze():
    with pytest.raises(PlaceError, match="a layer or parameter") as caught:
        resolve(Attention(), "embeding")
    assert "embedding" in caught.value.hint
    with pytest.raises(PlaceError, match="with parameters or running statistics"):
        resolve(Attention(), "relu")
    with pytest.raises(PlaceError, match="is a parameter, not a layer"):
        resolve(Attention(), "embedding.weight:1")


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.alias = self.first


def test_shared_parameters_are_frozen_by_all_their_names_or_not_at_all():
    network = Tied()
    both = resolve(network, "first") | resolve(network, "second")
    check_shared(network, both)
    check_shared(network, resolve(network, "first.bias"))
    with pytest.raises(UsageError, match=r"first\.weight, second\.weight, which are one tensor"):
        check_shared(network, resolve(network, "first"))
    with pytest.raises(UsageError, match="other units of each"):
        check_shared(network, resolve(network, "first:1") | resolve(network, "second:2"))
    check_shared(network, resolve(network, "first:1") | resolve(network, "second:1"))


def test_a_layer_of_two_names_is_one_layer():
    assert resolve(Tied(), "alias") == resolve(Tied(), "first")
