"""Effective fields against closed forms: in linear networks the gradient is the composed kernel."""

import pytest
import torch
from scipy.signal import convolve2d
from tests.nets.hostile import HOSTILE
from torch import nn

from convscope.errors import DataError, PlaceError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, wrap
from convscope.see import effective_receptive_field
from convscope.see.units.report import receptive_field


def linear(*kernels):
    module = nn.Sequential()
    for i, kernel in enumerate(kernels):
        conv = nn.Conv2d(1, 1, kernel.shape[0], padding=kernel.shape[0] // 2, bias=False)
        conv.weight.data[0, 0] = kernel
        module.add_module(f"conv{i}", conv)
    return wrap(module, TensorSpec((1, 15, 17)))


def test_a_linear_network_has_its_composed_kernel():
    first, second = torch.rand(3, 3) + 0.1, torch.rand(5, 5) + 0.1
    found = effective_receptive_field(linear(first, second), "conv1", torch.rand(3, 1, 15, 17))
    composed = convolve2d(first.numpy(), second.numpy())
    expected = torch.zeros(15, 17, dtype=torch.float64)
    expected[7 - 3 : 7 + 4, 8 - 3 : 8 + 4] = torch.from_numpy(composed.copy())
    torch.testing.assert_close(found.influence, expected / expected.sum(), rtol=1e-5, atol=1e-9)
    assert found.place == "conv1@7,8" and found.images == 3


def test_sizes_of_a_flat_and_of_a_gaussian_field():
    flat = effective_receptive_field(linear(torch.ones(5, 5)), "conv0:0", torch.rand(1, 1, 15, 17))
    assert flat.size == pytest.approx(5)
    (low, high), _ = flat.box
    assert (low + high) / 2 == pytest.approx(7.5) and high - low == pytest.approx(
        4 * (24 / 12) ** 0.5, rel=1e-3
    )
    at = torch.arange(31) - 15.0
    bell = torch.exp(-(at**2) / (2 * 3.0**2))
    net = wrap(linear(bell[:, None] * bell).module, TensorSpec((1, 61, 61)))
    found = effective_receptive_field(net, "conv0", torch.rand(1, 1, 61, 61))
    (low, high), _ = found.box
    assert high - low == pytest.approx(4 * 3.0, rel=0.01)
    # exp(-r^2 / 18) > 0.0455 within r = 7.46: a disc of 174.7 pixels
    assert found.size == pytest.approx(174.7**0.5, rel=0.02)


def test_nothing_outside_the_analytic_field_moves_a_unit(digit_net):
    for place in ("conv2:3", "pool2", "dense1:2", "output:1"):
        found = effective_receptive_field(digit_net, place, torch.rand(6, 1, 28, 28))
        place_ = LayerAddress.parse(found.place)
        (y0, y1), (x0, x1) = receptive_field(digit_net, place_).box(place_.position or ())
        inside = found.influence[y0:y1, x0:x1].sum()
        assert float(inside) == pytest.approx(1.0)
        assert float(found.influence.sum()) == pytest.approx(1.0)


def test_images_are_averaged_after_the_absolute_value(digit_net):
    images = torch.rand(5, 1, 28, 28)
    expected = torch.zeros(28, 28)
    for image in images:
        inputs = image[None].clone().requires_grad_()
        act = digit_net.module[:4](inputs)
        (gradient,) = torch.autograd.grad(act[0, 3, 5, 5], inputs)
        expected += gradient.abs()[0, 0]
    found = effective_receptive_field(digit_net, "conv2:3", images, batch=2)
    torch.testing.assert_close(found.influence.float(), expected / expected.sum(), rtol=1e-4, atol=1e-7)


def test_positions_and_units_that_nothing_moves(digit_net):
    found = effective_receptive_field(digit_net, "conv1:0@0,0", torch.rand(2, 1, 28, 28))
    assert float(found.influence[:3, :3].sum()) == pytest.approx(1.0)
    with torch.no_grad():
        digit_net.module.conv1.weight[2].zero_()
    dead = effective_receptive_field(digit_net, "conv1:2", torch.rand(2, 1, 28, 28))
    assert dead.size == 0 and dead.box == () and float(dead.influence.sum()) == 0


@pytest.mark.parametrize("kind", HOSTILE, ids=lambda h: h.__name__)
def test_any_network_is_measured_and_left_as_it_was(kind):
    torch.manual_seed(1)
    module = kind()
    net = wrap(module, kind.specs)
    modes, flags = [m.training for m in module.modules()], [p.requires_grad for p in module.parameters()]
    found = effective_receptive_field(net, "output", torch.rand(3, *net.input_spec.shape))
    assert found.influence.shape == net.input_spec.size and bool(found.influence.isfinite().all())
    assert [m.training for m in module.modules()] == modes
    assert [p.requires_grad for p in module.parameters()] == flags
    assert all(p.grad is None for p in module.parameters())
    assert not any(m._forward_hooks for m in module.modules())


def test_requests_that_make_no_sense(digit_net):
    with pytest.raises(DataError, match="shape"):
        effective_receptive_field(digit_net, "conv1", torch.rand(0, 1, 28, 28))
    with pytest.raises(PlaceError, match="conv1"):
        effective_receptive_field(digit_net, "conv9", torch.rand(1, 1, 28, 28))
    with pytest.raises(PlaceError, match="position"):
        effective_receptive_field(digit_net, "conv1@40,2", torch.rand(1, 1, 28, 28))
