"""A classifier for other classes: the same weights, a fresh head."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from convscope import nets
from convscope.errors import DataError, UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec

NAMES = {
    "efficientnet_lite0": "classifier",
    "torchvision/resnet18": "fc",
    "torchvision/mobilenet_v3_small": "classifier.3",
    "torchvision/densenet121": "classifier",
    "timm/resnet18": "fc",
    "timm/convnext_atto": "head.fc",
    "timm/vit_tiny_patch16_224": "head",
    "timm/resnetv2_50": "head.fc",
    "torchvision/squeezenet1_1": "classifier.1",
    "digits": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_only_the_last_layer_is_new(name: str) -> None:
    net = nets.load(name, weights="packaged", seed=1)
    before = {n: t.clone() for n, t in net.module.state_dict().items()}
    head = nets.find_head(net)
    if NAMES[name] is not None:
        assert head.path == NAMES[name]
    made = nets.replace_head(net, ("ant", "bee", "cat"), seed=3)
    after = made.module.state_dict()
    assert after.keys() - {f"{head.path}.bias"} == before.keys() - {f"{head.path}.bias"}
    for key, tensor in before.items():
        if not key.startswith(f"{head.path}."):
            assert torch.equal(tensor, after[key]), key
    assert after[f"{head.path}.weight"].shape[:2] == (3, head.in_features)
    assert not after[f"{head.path}.bias"].any() and made.classes == ("ant", "bee", "cat")
    with torch.no_grad():
        assert made(made.example(2)).shape == (2, 3)


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "torchvision/squeezenet1_1", "timm/resnetv2_50", "timm/resnet18", "digits"]
)
def test_it_is_saved_and_loaded_without_code(name: str, tmp_path: Path) -> None:
    made = nets.replace_head(nets.load(name, seed=0), ("ant", "bee"), seed=0)
    nets.save(made, tmp_path / "net")
    again = nets.load(tmp_path / "net")
    x = torch.rand(2, *made.input_spec.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(again(x), made(x))
    assert again.classes == ("ant", "bee")
    nets.save(again, tmp_path / "once more")
    assert nets.load(tmp_path / "once more").classes == ("ant", "bee")


def test_the_seed_decides_the_new_layer() -> None:
    first, same, other = (
        nets.replace_head(nets.load("digits"), ("a", "b"), seed=seed).module.state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


class Averaged(nn.Module):
    """Two heads, of which the mean is the output, as in distilled transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.one(x.flatten(1)) + self.two(x.flatten(1))) / 2


class Doubled(nn.Module):
    """The last layer's output is not all that decides the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(x.flatten(1)) + x.flatten(1)[:, :3]


POOLED = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("module", [Averaged(), Doubled(), POOLED, nn.Sequential(nn.Flatten())])
def test_a_network_that_ends_otherwise_is_refused(module: nn.Module) -> None:
    with pytest.raises(UsageError, match="ends in a linear layer"):
        nets.find_head(nets.wrap(module, TensorSpec((1, 2, 2))))


def ends_in(*last: nn.Module) -> nets.Net:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *last, nn.Flatten())
    return nets.wrap(module.eval(), TensorSpec((1, 7, 7)))


MEAN, LARGEST = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)


@pytest.mark.parametrize(
    ("last", "nonlinear"),
    [
        ((nn.Conv2d(4, 3, 1), MEAN), ""),
        ((MEAN, nn.Conv2d(4, 3, 1)), ""),
        ((nn.Dropout(0.5), nn.Conv2d(4, 3, 1), MEAN), ""),
        ((nn.Conv2d(4, 3, 1), nn.ReLU(inplace=True), MEAN), "ReLU"),
        ((nn.Conv2d(4, 3, 1), LARGEST), "maximum"),
        ((nn.Conv2d(4, 3, 3, padding=1), MEAN), "several positions"),
        ((nn.Conv2d(4, 3, 5),), "several positions"),
        ((nn.Flatten(), nn.Linear(100, 3)), ""),
    ],
)
def test_features_are_pooled_exactly_where_the_output_is_linear_in_them(last, nonlinear) -> None:
    """The mean of a 1x1 convolution is that convolution of the mean, unless something lies between."""
    net = ends_in(*last)
    head = nets.find_head(net)
    assert nonlinear in head.nonlinear and bool(nonlinear) == bool(head.nonlinear)
    assert head.layer in list(net.module) and head.layer.weight.shape[0] == 3
    x, seen = torch.rand(5, 1, 7, 7), []
    handle = head.layer.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        wanted = net(x)
        handle.remove()
        if not nonlinear:
            torch.testing.assert_close(head.logits(head.features(seen[0]), net.module), wanted)
    made = nets.replace_head(net, ("a", "b"), seed=0)
    assert made(x).shape == (5, 2)


def test_a_convolution_at_the_end_of_a_graph_is_replaced(tmp_path: Path) -> None:
    graph = chain("1x28x28", "conv 6 3x3, relu, maxpool 2, conv 10 1x1, globalavgpool, flatten")
    net = nets.wrap(nets.build(graph, seed=0), TensorSpec((1, 28, 28)), name="plain")
    assert nets.find_head(net).path == "conv2"
    made = nets.replace_head(net, ("a", "b", "c"), seed=1)
    assert torch.equal(made.module.get_parameter("conv1.weight"), net.module.get_parameter("conv1.weight"))
    assert made.graph is not None and made.graph.shapes["conv2"] == (3, 13, 13)
    nets.save(made, tmp_path / "net")
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(nets.load(tmp_path / "net")(x), made(x))


@pytest.mark.parametrize(
    "options",
    [
        {"name": "/etc/passwd", "head": "fc", "classes": 2},
        {"name": "timm/hf-hub:some/one", "head": "fc", "classes": 2},
        {"name": "torchvision/resnet18", "head": "layer1", "classes": 2},
        {"name": "torchvision/resnet18", "head": "fc", "classes": 10**9},
        {"name": "torchvision/resnet18", "head": "fc", "classes": True},
        {"name": "torchvision/resnet18", "head": ["fc"], "classes": 2},
        {"name": "torchvision/resnet18"},
    ],
)
def test_a_description_with_other_options_is_refused(options: dict[str, object], tmp_path: Path) -> None:
    made = nets.replace_head(nets.load("torchvision/resnet18", seed=0), ("ant", "bee"), seed=0)
    folder = nets.save(made, tmp_path / "net")
    document = json.loads((folder / "model.json").read_text())
    document["module"]["options"] = options
    (folder / "model.json").write_text(json.dumps(document))
    with pytest.raises(DataError):
        nets.load(folder)


def test_no_other_folder_is_opened_for_a_description(tmp_path: Path) -> None:
    other = nets.save(nets.load("mlp", seed=0), tmp_path / "other")
    made = nets.replace_head(nets.load("torchvision/resnet18", seed=0), ("a", "b"), seed=0)
    folder = nets.save(made, tmp_path / "net")
    document = json.loads((folder / "model.json").read_text())
    document["module"]["options"] = {"name": str(other), "head": "dense1", "classes": 2}
    (folder / "model.json").write_text(json.dumps(document))
    with pytest.raises(DataError) as caught:
        nets.load(folder)
    assert "a network of torchvision or timm" in caught.value.received


def test_one_text_is_no_list_of_names() -> None:
    with pytest.raises(UsageError, match="the names of the classes, in order"):
        nets.replace_head(nets.load("digits"), classes="ant")
