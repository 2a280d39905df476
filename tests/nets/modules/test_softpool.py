"""The M-layer of myCNN: between mean and maximum, against loops, limits and finite differences."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from convscope import nets
from convscope.errors import GraphError
from convscope.graph import chain, from_json, text, to_json
from convscope.graph.layers.classics.lenet import C3
from convscope.graph.spec import TensorSpec
from convscope.nets.modules.classics.lenet import Subsample
from convscope.nets.modules.pool import SoftPool2d

TABLE = ((0, 1), (2,), (0, 2, 1), (1,))
WINDOWS = [(2, None), (3, 2), ((2, 3), (1, 2)), (2, 3)]


def windows_of(x: np.ndarray, kernel, stride):
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    stride = kernel if stride is None else stride
    sh, sw = (stride, stride) if isinstance(stride, int) else stride
    height, width = (x.shape[-2] - kh) // sh + 1, (x.shape[-1] - kw) // sw + 1
    for i in range(height):
        for j in range(width):
            yield i, j, (height, width), x[..., i * sh : i * sh + kh, j * sw : j * sw + kw]


def soft_reference(x: np.ndarray, weights: np.ndarray, table, kernel, stride) -> np.ndarray:
    """Loop over windows, output maps and links, as the formula is written."""
    out = None
    for i, j, size, window in windows_of(x, kernel, stride):
        out = np.zeros((len(x), len(table), *size)) if out is None else out
        links = iter(weights)
        for row, reads in enumerate(table):
            for column in reads:
                patch = window[:, column].reshape(len(x), -1)
                share = np.exp(next(links) * patch)
                out[:, row, i, j] += (patch * share).sum(1) / share.sum(1)
    assert out is not None
    return out


@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
@pytest.mark.parametrize("table", [None, TABLE])
def test_it_is_the_formula_in_loops(kernel, stride, table):
    torch.manual_seed(0)
    layer, x = SoftPool2d(3, kernel, stride, table).double(), torch.randn(2, 3, 8, 9).double()
    with torch.no_grad():
        layer.weight.normal_()
    expected = soft_reference(
        x.numpy(), layer.weight.detach().numpy(), table or [(k,) for k in range(3)], kernel, stride
    )
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
def test_it_goes_from_the_minimum_over_the_mean_to_the_maximum(kernel, stride):
    torch.manual_seed(0)
    layer, x = SoftPool2d(3, kernel, stride), torch.randn(2, 3, 8, 9)
    torch.testing.assert_close(layer(x), functional.avg_pool2d(x, kernel, stride))
    torch.nn.init.constant_(layer.weight, 1e6)
    torch.testing.assert_close(layer(x), functional.max_pool2d(x, kernel, stride))
    torch.nn.init.constant_(layer.weight, -1e6)
    torch.testing.assert_close(layer(x), -functional.max_pool2d(-x, kernel, stride))


def test_it_rises_with_the_weight():
    x = torch.randn(1, 1, 2, 2).expand(-1, 41, -1, -1)
    layer = SoftPool2d(41)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-4, 4, 41))
    assert (layer(x).flatten().diff() > 0).all()


@pytest.mark.parametrize("table", [None, TABLE])
def test_gradients_are_finite_differences(table):
    torch.manual_seed(0)
    layer, x = SoftPool2d(3, 3, 2, table).double(), torch.randn(2, 3, 5, 5).double().requires_grad_()
    weight = torch.randn_like(layer.weight).requires_grad_()
    weight.data[0] = 0  # the mean: the slope is the variance of the window

    def pooled(x, weight):
        return torch.func.functional_call(layer, {"weight": weight}, x)

    assert torch.autograd.gradcheck(pooled, (x, weight))


def test_the_slope_at_the_mean_is_the_variance():
    x = torch.randn(1, 2, 3, 3).double()
    layer = SoftPool2d(2, 3).double()
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x[0].flatten(1).var(1, correction=0))


@pytest.mark.parametrize("weight", [1e4, -1e4, 1e30, -1e30])
def test_large_numbers_stay_finite(weight):
    layer, x = SoftPool2d(2), (torch.randn(1, 2, 4, 4) * 1e3).requires_grad_()
    torch.nn.init.constant_(layer.weight, weight)
    out = layer(x)
    out.sum().backward()
    for values in (out, x.grad, layer.weight.grad):
        assert values.isfinite().all()
    equal = torch.full((1, 2, 4, 4), 7.0)
    torch.testing.assert_close(layer(equal), equal[:, :, :2, :2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(dtype):
    torch.manual_seed(0)
    layer, x = SoftPool2d(3, 3, 2), (torch.randn(2, 3, 7, 7) * 30).to(dtype)
    torch.nn.init.constant_(layer.weight, 0.7)
    assert torch.equal(layer(x), layer(x.float()).to(dtype))


@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
def test_subsampling_takes_any_window_and_stride(kernel, stride):
    torch.manual_seed(0)
    layer, x = Subsample(3, kernel, stride).double(), torch.randn(2, 3, 8, 9).double()
    out = layer(x).detach().numpy()
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    for i, j, size, window in windows_of(x.numpy(), kernel, stride):
        assert out.shape[2:] == size
        np.testing.assert_allclose(out[:, :, i, j], window.sum((2, 3)) * weight + bias, atol=1e-12)


MYCNN = (
    "conv 6 5x5, scaledtanh, softpool 2, partialconv 5x5, scaledtanh, softpool 3 stride=2, flatten, dense 10"
)


def test_it_takes_the_place_of_s2_in_chains_and_files(tmp_path):
    graph = chain("1x32x32", MYCNN)
    assert graph.shapes["pool1"] == (6, 14, 14)
    assert from_json(to_json(graph)) == graph and chain("1x32x32", text(graph)) == graph
    net = nets.wrap(nets.build(graph, seed=0), TensorSpec((1, 32, 32)), name="mycnn")
    assert sum(p.numel() for n, p in net.module.named_parameters() if n.startswith("pool")) == 6 + 16
    x = torch.rand(3, 1, 32, 32)
    with torch.no_grad():
        for name, weight in net.module.named_parameters():
            weight.normal_() if name.startswith("pool") else None
    nets.save(net, tmp_path / "saved")
    assert torch.equal(nets.load(str(tmp_path / "saved"))(x), net(x))


def test_a_table_connects_maps_as_in_a_convolution():
    rows = "/".join("+".join(map(str, row)) for row in C3)
    graph = chain("6x14x14", f"softpool 2 table={rows}")
    (node,) = graph.nodes
    assert node.layer.output_shape((6, 14, 14)) == (16, 7, 7)
    assert node.layer.parameter_count((6, 14, 14)) == 60
    assert node.layer.macs((6, 14, 14)) == 60 * 49 * 4
    with pytest.raises(GraphError, match="existing input maps"):
        chain("5x14x14", f"softpool 2 table={rows}")
    with pytest.raises(GraphError, match="each once"):
        chain("5x14x14", "softpool 2 table=0+0/1")
