import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from convscope.graph.layers.classics.lenet import C3
from convscope.nets.modules import same
from convscope.nets.modules.classics.lenet import RBF, PartialConv2d, ScaledTanh, Subsample
from convscope.nets.modules.local import Local1d, Local2d
from convscope.nets.modules.maxout import Maxout
from convscope.nets.modules.merge import Add, Concat, Multiply
from convscope.nets.modules.pool import GlobalAvgPool, GlobalMaxPool


def local_reference(x, weight, bias, kernel, stride):
    """Loop over positions: flax's ConvLocal, written out."""
    b, (height, width, _, out) = len(x), weight.shape
    result = np.zeros((b, out, height, width))
    for i in range(height):
        for j in range(width):
            y, z = i * stride[0], j * stride[1]
            patch = x[:, :, y : y + kernel[0], z : z + kernel[1]].reshape(b, -1)
            result[:, :, i, j] = patch @ weight[i, j] + bias[i, j]
    return result


def test_local2d_is_a_loop_over_positions():
    torch.manual_seed(0)
    layer = Local2d(3, (7, 9), 4, (3, 2), (2, 1), (1, 0)).double()
    x = torch.randn(2, 3, 7, 9).double()
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (1, 1), (0, 0)])
    expected = local_reference(
        padded, layer.weight.detach().numpy(), layer.bias.detach().numpy(), (3, 2), (2, 1)
    )
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("dilation", "padding", "stride"), [(1, 0, 1), (2, 1, 1), (1, 1, 2), (2, 2, 3)])
def test_equal_weights_everywhere_make_a_convolution(dilation, padding, stride):
    torch.manual_seed(0)
    x, conv = torch.randn(2, 3, 8, 10), nn.Conv2d(3, 5, 3, stride, padding, dilation)
    layer = Local2d(3, (8, 10), 5, 3, stride, padding, dilation)
    with torch.no_grad():
        layer.weight.copy_(conv.weight.flatten(1).T.expand_as(layer.weight))
        layer.bias.copy_(conv.bias.expand_as(layer.bias))
    torch.testing.assert_close(layer(x), conv(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("dilation", "padding", "stride"), [(1, 0, 1), (2, 1, 1), (1, (0, 1), 2)])
def test_in_one_dimension_too(dilation, padding, stride):
    torch.manual_seed(0)
    x, conv = torch.randn(2, 3, 11), nn.Conv1d(3, 5, 3, stride, dilation=dilation)
    layer = Local1d(3, 11, 5, 3, stride, padding, dilation)
    with torch.no_grad():
        layer.weight.copy_(conv.weight.flatten(1).T.expand_as(layer.weight))
        layer.bias.copy_(conv.bias.expand_as(layer.bias))
    around = (padding, padding) if isinstance(padding, int) else padding
    torch.testing.assert_close(layer(x), conv(functional.pad(x, around)), atol=1e-5, rtol=1e-5)


@pytest.mark.oracle
def test_local2d_is_flax_conv_local():
    jax, linen = pytest.importorskip("jax"), pytest.importorskip("flax.linen")
    torch.manual_seed(0)
    layer, x = Local2d(3, (6, 7), 4, (3, 2), (1, 2)), torch.randn(2, 3, 6, 7)
    flax = linen.ConvLocal(4, (3, 2), strides=(1, 2), padding="VALID")
    weights = {"kernel": layer.weight.detach().numpy(), "bias": layer.bias.detach().numpy()}
    expected = flax.apply({"params": weights}, jax.numpy.asarray(x.permute(0, 2, 3, 1).numpy()))
    np.testing.assert_allclose(layer(x).detach().numpy(), np.moveaxis(expected, 3, 1), atol=1e-5)


def test_weights_of_one_position_move_nothing_else():
    layer, x = Local2d(1, (5, 5), 2, 3), torch.randn(1, 1, 5, 5)
    before = layer(x)
    with torch.no_grad():
        layer.weight[1, 2] += 1
    changed = (layer(x) - before).abs() > 1e-6
    assert changed[:, :, 1, 2].all()
    assert changed.sum() == 2


def test_maxout_takes_neighbours_not_strides():
    x = torch.randn(3, 12, 2, 5)
    expected = x.numpy().reshape(3, 4, 3, 2, 5).max(2)
    np.testing.assert_array_equal(Maxout(3)(x).numpy(), expected)
    np.testing.assert_array_equal(Maxout(5, dim=-1)(x).numpy(), x.numpy().max(-1, keepdims=True))


def test_maxout_of_x_and_minus_x_is_its_magnitude():
    x = torch.linspace(-2, 2, 9)[:, None]
    assert torch.equal(Maxout(2)(torch.cat([x, -x], 1)), x.abs())


def test_c3_has_the_paper_s_parameters_and_is_a_dense_one_with_zeroed_links():
    torch.manual_seed(0)
    layer, x = PartialConv2d(6, 16, 5, table=C3), torch.randn(2, 6, 14, 14)
    assert sum(p.numel() for p in layer.parameters()) == 1516
    dense = nn.Conv2d(6, 16, 5)
    with torch.no_grad():
        dense.weight.zero_()
        kernels = iter(layer.links)
        for row, reads in enumerate(C3):
            for column in reads:
                dense.weight[row, column] = next(kernels)
        dense.bias.copy_(layer.bias)
    torch.testing.assert_close(layer(x), dense(x))
    assert torch.equal(layer.weight, dense.weight)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_missing_links_stay_exactly_zero(kind):
    torch.manual_seed(0)
    layer = PartialConv2d(6, 16, 5, table=C3)
    missing = layer.weight == 0
    assert missing.sum() == (96 - 60) * 25
    if kind == "sgd":
        optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    else:
        optimizer = torch.optim.AdamW(layer.parameters(), 0.1, weight_decay=0.1)
    start = layer.weight.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        layer(torch.randn(2, 6, 8, 8)).square().sum().backward()
        optimizer.step()
    assert (layer.weight[missing] == 0).all()
    assert (layer.weight != start)[~missing].all()


def test_subsample_sums_scales_and_shifts():
    layer, x = Subsample(3, 2, 2), torch.randn(2, 3, 7, 6)
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    sums = x.numpy()[:, :, :6].reshape(2, 3, 3, 2, 3, 2).sum((3, 5))
    np.testing.assert_allclose(
        layer(x).detach().numpy(), sums * w[None, :, None, None] + b[None, :, None, None], atol=1e-5
    )
    assert sum(p.numel() for p in layer.parameters()) == 6


def test_scaled_tanh_fixes_one():
    squash = ScaledTanh()
    torch.testing.assert_close(
        squash(torch.tensor([-1.0, 0.0, 1.0])), torch.tensor([-1.0, 0.0, 1.0]), atol=2e-4, rtol=0
    )
    assert squash(torch.tensor([50.0])).item() == pytest.approx(1.7159)


def test_rbf_scores_by_distance_to_its_patterns():
    layer, x = RBF(84, 10), torch.randn(3, 84)
    distance = ((x.numpy()[:, None] - layer.centres.numpy()) ** 2).sum(-1)
    np.testing.assert_allclose(layer(x).numpy(), -distance, rtol=1e-5)
    assert set(layer.centres.unique().tolist()) == {-1.0, 1.0}
    assert not list(layer.parameters())
    assert torch.equal(layer(layer.centres).argmax(1), torch.arange(10))


def test_merging():
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 1, 1)
    assert torch.equal(Add()(a, b, a), a + b + a)
    assert torch.equal(Multiply()(a, b), a * b)
    assert torch.equal(Concat()(a, a), torch.cat([a, a], 1))


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 5, 4)])
def test_global_pooling(shape):
    x = torch.randn(shape)
    axes = tuple(range(2, len(shape)))
    np.testing.assert_allclose(GlobalAvgPool()(x).numpy(), x.numpy().mean(axes), atol=1e-6)
    np.testing.assert_array_equal(GlobalMaxPool()(x).numpy(), x.numpy().max(axes))


def test_the_lecture_s_example_of_uneven_padding():
    """Filter [1, -1, 0], input [1, 3, -1, 0, 2, 1], one zero on the right only, stride 2: [-2, -1, 1]."""
    layer = same.Conv1d(1, 1, 3, 2, (0, 1), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, -1.0, 0.0]))
    result = layer(torch.tensor([[[1.0, 3, -1, 0, 2, 1]]]))
    assert result.flatten().tolist() == [-2, -1, 1]
    even = functional.conv1d(torch.tensor([[[1.0, 3, -1, 0, 2, 1]]]), layer.weight, stride=2, padding=1)
    assert even.flatten().tolist() == [-1, 4, -2]


@pytest.mark.parametrize("size", [(7, 8), (6, 5)])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 2, 1), (2, 1, 1), ((4, 3), (3, 2), 1), (3, 1, 2)]
)
def test_same_puts_the_odd_zero_behind(size, kernel, stride, dilation):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    layer = same.Conv2d(3, 4, kernel, stride, "same", dilation=dilation)
    pads = []
    for n, k, s in zip(size, layer.kernel_size, layer.stride, strict=True):
        total = max((-(-n // s) - 1) * s + dilation * (k - 1) + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), *pads])
    plain = functional.conv2d(torch.from_numpy(padded), layer.weight, layer.bias, stride, 0, dilation)
    assert torch.equal(layer(x), plain)
    assert layer(x).shape[2:] == tuple(-(-n // s) for n, s in zip(size, layer.stride, strict=True))


def test_uneven_pools_leave_the_padding_out():
    x = torch.full((1, 1, 5, 5), -3.0)
    assert torch.equal(same.MaxPool2d(2, 2)(x), torch.full((1, 1, 3, 3), -3.0))
    torch.testing.assert_close(same.AvgPool2d(2, 2)(x), torch.full((1, 1, 3, 3), -3.0))
    counted = same.AvgPool1d(2, 2, (0, 1))(torch.ones(1, 1, 5))
    assert counted.flatten().tolist() == [1, 1, 0.5]
