import gc
from weakref import ref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, Net, load, record, wrap
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.inference.fast_lrn import use_fast_lrn
from convscope.nets.inference.inference_copy import inference_copy


def stirred(net: Net) -> Net:
    """Normalisations with statistics of their own, as after training."""
    generator = torch.Generator().manual_seed(1)
    for part in net.module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1, generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
            with torch.no_grad():
                part.weight.uniform_(0.5, 1.5, generator=generator)
                part.bias.normal_(0, 0.1, generator=generator)
    return net


def count(net: Net) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in net.module.modules())


@pytest.mark.parametrize(
    "name", ["torchvision/googlenet", "torchvision/resnet18", "timm/tf_efficientnet_lite0"]
)
def test_a_copy_is_the_same_function_without_normalisations(name: str) -> None:
    net = stirred(load(name, weights=None, seed=0))
    before = {key: value.clone() for key, value in net.module.state_dict().items()}
    images = torch.rand(2, *net.input_spec.shape, generator=torch.Generator().manual_seed(0))[..., :96, :96]
    copy = inference_copy(net, images, [LayerAddress("output")])
    assert copy is not net and count(copy) < count(net) / 10
    new = torch.rand(3, 3, 128, 96)
    with torch.no_grad():
        ours, theirs = (record(n, new, ["output"]).popitem()[1] for n in (copy, net))
    torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3 * float(theirs.abs().max()))
    assert all(torch.equal(value, before[key]) for key, value in net.module.state_dict().items())


def test_what_is_read_before_the_normalisation_stays() -> None:
    net = stirred(load("torchvision/resnet18", weights=None, seed=0))
    images = torch.rand(2, 3, 64, 64)
    places = [LayerAddress("layer1.0.conv1"), LayerAddress("layer1.0.bn1"), LayerAddress("layer2")]
    copy = inference_copy(net, images, places)
    assert 1 <= count(copy) < count(net)  # layer1.0.bn1 is overwritten by its ReLU: watched twice
    for place, found in record(copy, images, places).items():
        expected = record(net, images, [place])[place]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


class Twice(nn.Module):
    """The convolution's output is used past the normalisation too, and one convolution runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.again, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.last, self.folds = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.folds(self.last(self.norm(self.again(self.again(y + self.bn(y))))))


def test_what_cannot_be_folded_is_left_alone() -> None:
    net = stirred(wrap(Twice(), TensorSpec((3, 12, 12))))
    images = torch.rand(2, 3, 12, 12)
    copy = inference_copy(net, images, [LayerAddress("output")])
    norms = [name for name, part in copy.module.named_modules() if isinstance(part, nn.BatchNorm2d)]
    assert norms == ["bn", "norm"]
    ours, theirs = (record(n, images, ["output"]).popitem()[1] for n in (copy, net))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_module_that_cannot_be_copied_is_used_itself() -> None:
    class Stubborn(nn.Conv2d):
        def __deepcopy__(self, memo: object) -> None:
            raise RuntimeError("no copies")

    net = wrap(nn.Sequential(Stubborn(3, 4, 3)), TensorSpec((3, 9, 9)))
    assert inference_copy(net, torch.rand(1, 3, 9, 9), [LayerAddress("0")], ExecutionConfig("bf16")) is net


@pytest.mark.parametrize("size", [5, 4, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_local_response_normalisation_is_torchs(size: int, dtype: torch.dtype) -> None:
    class Responding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            x = x * self.scale
            return F.local_response_norm(x, size, alpha=0.7, beta=0.6, k=1.5)

    net = wrap(Responding(), TensorSpec((7, 5, 6)))
    images = torch.randn(2, 7, 5, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    copy = inference_copy(
        net, images.detach(), [], ExecutionConfig("bf16" if dtype == torch.bfloat16 else "fp32")
    )
    assert copy.dtype == dtype
    weights = torch.randn(2, 7, 5, 6, generator=torch.Generator().manual_seed(1))
    theirs = F.local_response_norm(images, size, alpha=0.7, beta=0.6, k=1.5)
    (expected,) = torch.autograd.grad((theirs * weights).sum(), images)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        ours = copy(images).float()
    (found,) = torch.autograd.grad((ours * weights).sum(), images)
    near = 2e-2 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(ours, theirs, rtol=near, atol=near)
    torch.testing.assert_close(found, expected, rtol=near, atol=near)


def test_normalising_sooner_stays_with_the_copy() -> None:
    net = wrap(nn.Sequential(nn.Conv2d(3, 6, 3), nn.LocalResponseNorm(5)), TensorSpec((3, 9, 9)))
    inference_copy(
        net, torch.rand(1, 3, 9, 9), [LayerAddress("1")], ExecutionConfig(memory_format="channels_last")
    )
    image = torch.rand(1, 3, 9, 9)
    answer = net(image.requires_grad_())
    assert "_Normalised" not in type(answer.grad_fn).__name__


class Viewing(nn.Module):
    """Calls `view` on what a convolution made, which only the usual order of axes allows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        return y.view(len(y), 4, -1).mean(2)


def test_channels_stay_apart_where_the_network_asks_for_it() -> None:
    net = stirred(wrap(Viewing(), TensorSpec((3, 8, 9))))
    images = torch.rand(2, 3, 8, 9)
    copy = inference_copy(
        net, images, [LayerAddress("output")], ExecutionConfig(memory_format="channels_last")
    )
    assert count(copy) == 0
    ours, theirs = (record(n, images, ["output"]).popitem()[1] for n in (copy, net))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_module_that_normalises_sooner_goes_when_nobody_has_it() -> None:
    module = nn.LocalResponseNorm(3)
    use_fast_lrn(module)
    there = ref(module)
    gc.disable()
    try:
        del module
        assert there() is None
    finally:
        gc.enable()


def test_normalising_sooner_refuses_a_second_derivative() -> None:
    module = nn.LocalResponseNorm(3)
    use_fast_lrn(module)
    x = torch.rand(1, 4, 3, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(module(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
