"""Projections after each step: torch's own `renorm`, norms by NumPy, and what is frozen."""

import numpy as np
import pytest
import torch
from tests.learn.conftest import small_net
from torch import nn

from convscope.errors import UsageError
from convscope.learn import ClassificationRecipe, Trainer
from convscope.learn.optimization.projections import limit_norm, normalize_filters

TEXT = "conv 6 3x3 bias=false, batchnorm2d, relu, conv 8 3x3 bias=false, batchnorm2d, relu, flatten, dense 10"


def norm(weight):
    """The root mean square norm of the filters."""
    return np.sqrt((weight.detach().numpy() ** 2).sum((1, 2, 3)).mean())


def trained(**settings):
    recipe = ClassificationRecipe(optimizer="muon", epochs=1, batch=50, precision="fp32", **settings)
    return lambda images: _trained(images, recipe)


def _trained(images, recipe):
    loop = Trainer(small_net(text=TEXT), images, recipe=recipe)
    list(loop)
    return loop.net.module


def test_limits_are_those_of_torch():
    weight = nn.Parameter(torch.randn(7, 3, 2, generator=torch.Generator().manual_seed(0)) * 2)
    expected = torch.renorm(weight.detach(), 2, 0, 3.0)
    assert not torch.equal(expected, weight)
    limit_norm(weight, 3.0)
    torch.testing.assert_close(weight.detach(), expected)


def test_filters_end_with_norm_one(train_images):
    module = trained(normalize_filters=True)(train_images)
    for name in ("conv1", "conv2"):
        assert norm(module.get_parameter(f"{name}.weight")) == pytest.approx(1, abs=1e-5)
    plain = trained()(train_images)
    assert abs(norm(plain.get_parameter("conv2.weight")) - 1) > 0.05
    assert not torch.equal(plain.get_parameter("conv2.weight"), module.get_parameter("conv2.weight"))


def test_the_scale_has_no_effect_before_a_batch_normalization():
    module, pixels = small_net(text=TEXT).module, torch.rand(9, 1, 28, 28)
    before = module(pixels)
    normalize_filters(module)
    torch.testing.assert_close(module(pixels), before, rtol=1e-2, atol=1e-3)


def test_a_frozen_last_layer_is_not_limited(train_images):
    module = trained(max_norm=0.01, freeze=("dense1",))(train_images)
    fresh = small_net(text=TEXT).module
    assert torch.equal(module.get_parameter("dense1.weight"), fresh.get_parameter("dense1.weight"))


def test_frozen_filters_and_filters_of_zeros_stay(train_images):
    module = trained(normalize_filters=True, freeze=("conv1",))(train_images)
    fresh = small_net(text=TEXT).module
    assert torch.equal(module.get_parameter("conv1.weight"), fresh.get_parameter("conv1.weight"))
    nn.init.zeros_(fresh.get_parameter("conv1.weight"))
    normalize_filters(fresh)
    assert not fresh.get_parameter("conv1.weight").any()


def test_without_such_a_convolution_it_is_refused(train_images):
    net = small_net(text="conv 4 3x3, relu, flatten, dense 10")
    with pytest.raises(UsageError, match=r"convolutions without a bias.*which has none"):
        Trainer(net, train_images, recipe=ClassificationRecipe(normalize_filters=True))
