"""The layer that is factorised where none is named."""

import pytest
import torch
from torch import nn

from convscope import nets
from convscope.errors import PlaceError
from convscope.graph import TensorSpec
from convscope.see.activation_atlas import default_factors_layer, factors


def conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]


def net(*layers: nn.Module) -> nets.Net:
    torch.manual_seed(0)
    return nets.wrap(nn.Sequential(*layers).eval(), TensorSpec((1, 16, 16)), name="small")


def test_the_last_activation_with_a_map_of_seven_or_more() -> None:
    halved, end = nn.MaxPool2d(2), [nn.Flatten(), nn.Linear(8 * 16, 3)]
    deep = net(*conv(1, 8), halved, *conv(8, 8), nn.Conv2d(8, 8, 1), nn.MaxPool2d(2), *conv(8, 8), *end)
    assert default_factors_layer(deep) == "4"  # not the convolution after it, nor the last activation, of 4x4
    assert default_factors_layer(net(*conv(1, 8), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(128, 3))) == "1"
    linear = net(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8 * 14 * 14, 3))
    assert default_factors_layer(linear) == "0"
    found = factors(deep, torch.rand(1, 16, 16), count=2, steps=0)
    assert found.place == "4" and found.maps.shape == (1, 2, 8, 8)


def test_small_maps_are_better_than_none() -> None:
    small = nets.wrap(
        nn.Sequential(*conv(1, 4), nn.MaxPool2d(2), *conv(4, 4), nn.Flatten(), nn.Linear(16, 2)).eval(),
        TensorSpec((1, 4, 4)),
    )
    assert default_factors_layer(small) == "1"
    flat = nets.wrap(nn.Sequential(nn.Flatten(), nn.Linear(256, 3)).eval(), TensorSpec((1, 16, 16)))
    with pytest.raises(PlaceError, match="a layer with maps"):
        default_factors_layer(flat)
