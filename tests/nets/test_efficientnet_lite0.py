"""EfficientNet-lite0 against timm's `tf_efficientnet_lite0`, which is written independently."""

from copy import deepcopy
from importlib.resources import files

import pytest
import torch

from convscope.errors import DataError
from convscope.graph.spec import TensorSpec
from convscope.nets import describe, load, wrap
from convscope.nets.adapters.imagenet import CATEGORIES
from convscope.nets.modules.efficientnet_lite import EfficientNetLite0

SIZES = [(224, 224), (192, 256), (97, 131), (33, 32), (64, 65), (1, 1)]


@pytest.fixture(scope="module")
def net():
    return load("efficientnet_lite0")


@pytest.fixture(scope="module")
def theirs(net):
    import timm

    module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    module.load_state_dict(net.module.state_dict())
    return module.eval()


@pytest.mark.parametrize("size", SIZES)
def test_logits_are_timms(net, theirs, size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert torch.equal(net.module(x), theirs(x))


def test_gradients_and_training_mode_are_timms(net, theirs):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 65, 96)
    results = []
    for module in (deepcopy(net.module), deepcopy(theirs)):
        module.train()
        leaf = x.clone().requires_grad_()
        module(leaf).square().sum().backward()
        results.append((leaf.grad, *(p.grad for p in module.parameters()), *module.buffers()))
    assert all(torch.equal(a.detach(), b.detach()) for a, b in zip(*results, strict=True))


def test_every_name_kind_and_option_is_timms(net, theirs):
    ours, other = dict(net.module.named_modules()), dict(theirs.named_modules())
    assert list(ours) == list(other)
    assert list(net.module.state_dict()) == list(theirs.state_dict())
    for name, part in other.items():
        kind = next(k for k in type(part).__mro__ if k.__module__.startswith("torch.nn"))
        if kind is torch.nn.Module:
            continue
        assert isinstance(ours[name], kind), name
        for option in (
            "eps",
            "momentum",
            "kernel_size",
            "stride",
            "groups",
            "dilation",
            "inplace",
            "padding",
        ):
            assert getattr(ours[name], option, None) == getattr(part, option, None), (name, option)


@pytest.mark.slow
def test_it_is_described_as_timms(net, theirs):
    ours = describe(net)
    other = describe(wrap(theirs, TensorSpec((3, 224, 224))))
    assert ours.layers == other.layers
    assert sum(layer.parameters for layer in ours.layers) == 4_652_008


def test_fresh_weights_are_drawn_as_timm_draws_them():
    import timm
    from timm.models._efficientnet_builder import efficientnet_init_weights

    ours, other = EfficientNetLite0(), timm.create_model("tf_efficientnet_lite0", pretrained=False)
    torch.manual_seed(5)
    ours.reset_parameters()
    torch.manual_seed(5)
    efficientnet_init_weights(other)
    pairs = zip(ours.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_fresh_weights_follow_the_seed_and_leave_the_generator():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, same, other = (load("efficientnet_lite0", weights=None, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    stem = "conv_stem.weight"
    assert torch.equal(one.module.state_dict()[stem], same.module.state_dict()[stem])
    assert not torch.equal(one.module.state_dict()[stem], other.module.state_dict()[stem])


def test_trained_weights_can_be_trained_further_without_touching_the_next_load(net):
    again = load("efficientnet_lite0")
    assert all(p.requires_grad and p.is_leaf and p.is_contiguous() for p in again.module.parameters())
    with torch.no_grad():
        again.module.get_parameter("classifier.bias").add_(1)
    bias = load("efficientnet_lite0").module.get_parameter("classifier.bias")
    assert torch.equal(bias, net.module.get_parameter("classifier.bias"))


def test_weights_come_in_the_default_precision(net):
    torch.set_default_dtype(torch.float64)
    try:
        double = load("efficientnet_lite0")
    finally:
        torch.set_default_dtype(torch.float32)
    assert double.dtype == torch.float64
    assert double.module.bn1.num_batches_tracked.dtype == torch.int64
    assert torch.equal(double.module.conv_stem.weight.float(), net.module.conv_stem.weight)


def test_another_file_is_refused(monkeypatch, tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    monkeypatch.setattr(
        "convscope.nets.adapters.efficientnet_lite0.weights_file", lambda: tmp_path / "other.pth"
    )
    with pytest.raises(DataError, match="296 tensors"):
        load("efficientnet_lite0")


def test_labels_are_torchvisions():
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    assert tuple(_IMAGENET_CATEGORIES) == CATEGORIES
    assert files("convscope.nets").joinpath("data", "imagenet.txt").read_bytes().count(b"\n") == 1000
