"""Unusual modules: each works, or is refused with what was expected and the next step."""

import functools
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from convscope import see
from convscope.errors import ConvscopeError, GraphError, PlaceError, UsageError
from convscope.graph import TensorSpec
from convscope.nets import describe, record, wrap

SPEC = TensorSpec((3, 8, 8))
X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()


class Then(nn.Module):
    """A function of what a convolution gives."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 4, 3), function

    def forward(self, x: Tensor) -> object:
        return self.function(self.conv(x))


def scripted(whole: bool) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer torch calls TorchScript deprecated
        module = plain()
        if whole:
            return torch.jit.script(module)
        module[0] = torch.jit.script(module[0])
        return module


def traced() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(plain(), X)


def quantised() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(plain(), {nn.Linear})


def with_last(change: Callable[[nn.Module], object]) -> nn.Module:
    module = plain()
    change(module[3])
    return module


def partial() -> nn.Module:
    module = plain()
    module.forward = functools.partial(module.forward)  # pyright: ignore[reportAttributeAccessIssue]
    return module


def hooked() -> nn.Module:
    module = plain()
    module[0].register_forward_hook(lambda _m, _i, out: out * 2)
    return module


WORK: dict[str, Callable[[], nn.Module]] = {
    "TorchScript": lambda: scripted(True),
    "TorchScript inside": lambda: scripted(False),
    "traced": traced,
    "dynamically quantised": quantised,
    "spectral normalisation": lambda: with_last(parametrizations.spectral_norm),
    "weight normalisation": lambda: with_last(parametrizations.weight_norm),
    "pruned": lambda: with_last(lambda part: prune.l1_unstructured(part, "weight", 0.5)),
    "data parallel": lambda: nn.DataParallel(plain()),
    "partial forward": partial,
    "a hook that changes outputs": hooked,
    "compiled": lambda: torch.compile(plain(), backend="eager"),  # pyright: ignore[reportReturnType]
}


@pytest.mark.parametrize("name", WORK)
@pytest.mark.slow
def test_these_work(name: str) -> None:
    module = WORK[name]()
    net = wrap(module, SPEC)
    assert describe(net).macs == 36 * 4 * 27 + 144 * 5
    with torch.no_grad():
        (found,) = record(net, X, ["output"]).values()
        assert torch.equal(found, module(X))
    assert list(see.feature_maps(net, X[:1]))


def test_no_parameters_work() -> None:
    net = wrap(nn.Sequential(nn.ReLU(), nn.AvgPool2d(2)), SPEC)
    assert describe(net).macs == describe(net).parameters == 0
    assert record(net, X, ["1"])


def test_a_scripted_function_at_the_end_is_one_foreign_layer() -> None:
    def squared(x: Tensor) -> Tensor:
        return x @ x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = wrap(Then(torch.jit.script(squared)), SPEC)
    assert describe(net).macs == 36 * 4 * 27 + 4 * 6**3


@pytest.mark.parametrize("names", [("x", "x"), ("x", "x", "x"), ("x", "x2", "x")])
def test_inputs_of_one_name_are_numbered(names: tuple[str, ...]) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, *inputs: Tensor) -> Tensor:
            return self.conv(sum(inputs))  # pyright: ignore[reportArgumentType]

    net = wrap(Sum(), [TensorSpec((3, 8, 8), name=name) for name in names])
    shown = describe(net).inputs
    assert len(shown) == len(names) and set(shown.values()) == {(3, 8, 8)}
    assert set(names) <= set(shown)
    assert record(net, [X] * len(names), ["conv"])


class OnlyNamed(nn.Module):
    def forward(self, *, image: Tensor) -> Tensor:
        return image


class FromDict(nn.Module):
    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return batch["image"]


@pytest.mark.parametrize("module", [nn.ModuleList([nn.Conv2d(3, 2, 3)]), nn.ModuleDict(), nn.Module()])
def test_a_module_without_forward_is_refused_when_it_is_wrapped(module: nn.Module) -> None:
    with pytest.raises(UsageError, match="forward of its own"):
        wrap(module, SPEC)


REFUSED: dict[str, tuple[Callable[[], nn.Module], type[ConvscopeError], str]] = {
    "lazy": (lambda: nn.Sequential(nn.LazyConv2d(4, 3)), UsageError, "not initialised"),
    "meta": (lambda: plain().to("meta"), UsageError, "meta device"),
    "only named arguments": (OnlyNamed, GraphError, "by position"),
    "a dict": (FromDict, GraphError, "one tensor for each spec"),
    "a KeyError": (lambda: Then(lambda x: {}["key"]), GraphError, "runs on what its spec states"),
    "an AttributeError": (lambda: Then(lambda x: x.nowhere), GraphError, "its spec states"),
    "nothing": (lambda: Then(lambda x: None), PlaceError, "which returns"),
    "a number": (lambda: Then(lambda x: float(x.mean())), PlaceError, "which returns"),
    "complex values": (lambda: Then(lambda x: torch.complex(x, x)), PlaceError, "view_as_real"),
    "sparse values": (lambda: Then(lambda x: x.flatten(1).to_sparse()), PlaceError, "to_dense"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_these_are_refused_in_words(name: str) -> None:
    make, error, words = REFUSED[name]
    net = wrap(make(), SPEC)
    for look in (
        lambda: record(net, X, ["output"]),
        lambda: see.explain(net, X[:1], "saliency", "output:0", checks=()),
        lambda: see.visualize(net, "output:0", steps=1),
    ):
        with pytest.raises(error, match=words) as caught:
            look()
        assert caught.value.expected and caught.value.received


def test_the_meta_device_can_be_described() -> None:
    assert describe(wrap(plain().to("meta"), SPEC)).macs == 36 * 4 * 27 + 144 * 5
