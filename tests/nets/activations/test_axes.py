"""Units are what rows of weights make, wherever their axis is."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from convscope.graph import TensorSpec
from convscope.nets import Net, layer_shapes, record, resolve, wrap
from convscope.nets.activations.recording import last_axes

torch.set_num_threads(1)


def net_of(name: str) -> Net:
    torch.manual_seed(0)
    if name == "vit":
        module = timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=64, depth=2)
    elif name == "mixer":
        module = timm.create_model("mixer_s32_224", pretrained=False, img_size=64)
    else:
        module = torchvision.models.get_model(name, weights=None)
    return wrap(module, TensorSpec((3, 64, 64)), name=name)


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("vit", "patch_embed.proj", (192, 4, 4)),
        ("vit", "patch_embed", (192, 16)),  # without a class token: known by its number of features alone
        ("vit", "blocks.0", (192, 17)),
        ("vit", "blocks.1.mlp.act", (768, 17)),
        ("vit", "blocks.1.attn.qkv", (576, 17)),
        ("vit", "norm", (192, 17)),
        ("swin_t", "features.0.0", (96, 16, 16)),
        ("swin_t", "features.0.1", (96, 16, 16)),
        ("swin_t", "features.1.0", (96, 16, 16)),
        ("swin_t", "features.3.0.mlp.1", (768, 8, 8)),
        ("swin_t", "permute", (768, 2, 2)),
        ("convnext_tiny", "features.1.0.block.0", (96, 16, 16)),
        ("convnext_tiny", "features.1.0.block.4", (384, 16, 16)),
        ("convnext_tiny", "features.1.0", (96, 16, 16)),
        ("convnext_tiny", "features.0.1", (96, 16, 16)),  # LayerNorm2d moves the channels there and back
        ("mixer", "blocks.0", (512, 4)),
        ("resnet18", "layer2.0", (128, 8, 8)),
    ],
)
@pytest.mark.slow
def test_units_come_first(name: str, layer: str, shape: tuple[int, ...]) -> None:
    net = net_of(name)
    assert layer_shapes(net)[layer][-1][""] == shape
    (act,) = record(net, torch.rand(2, 3, 64, 64), [layer]).values()
    assert act.shape == (2, *shape)


def test_a_unit_of_a_token_layer_is_what_one_row_of_its_weights_makes() -> None:
    """Against the layer's own arithmetic on what stands before it."""
    net = net_of("vit")
    image, linear = torch.rand(2, 3, 64, 64), net.module.get_submodule("blocks.1.mlp.fc2")
    with torch.no_grad():
        before, unit = record(net, image, ["blocks.1.mlp.drop1", "blocks.1.mlp.fc2:7"]).values()
        expected = torch.einsum("bcn,c->bn", before, linear.weight[7]) + linear.bias[7]
    torch.testing.assert_close(unit, expected, atol=1e-5, rtol=1e-4)
    assert resolve(net, "blocks.1.mlp.fc2:191").unit == 191


def test_networks_without_tokens_are_never_turned() -> None:
    for name in ("resnet18", "densenet121", "mobilenet_v3_small"):
        assert not last_axes(net_of(name))
    square = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(8), nn.Softmax2d())
    assert not last_axes(wrap(square, TensorSpec((3, 8, 8))))


def test_gradients_reach_what_was_turned() -> None:
    net = net_of("vit")
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    (act,) = record(net, image, ["blocks.1:5"]).values()
    (gradient,) = torch.autograd.grad(act.sum(), image)
    assert act.shape == (1, 17)
    assert float(gradient.abs().sum()) > 0
