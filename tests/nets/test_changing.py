"""A network whose own forward changes it: afterwards it is as it was, and answers are those of that state."""

import warnings
from copy import deepcopy

import pytest
import torch
from tests.any_network.untouched import untouched
from tests.nets.changing import SPEC, WAYS, UsesIts, make
from torch import Tensor, nn

from convscope import see
from convscope.errors import GraphError
from convscope.nets import describe, frozen, record, wrap
from convscope.nets.activations.freezing import changes_itself, run
from convscope.nets.description.depth import depth

pytestmark = pytest.mark.slow

X = 0.6 + 0.4 * torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
RANDOM = ("random numbers", "dropout in training mode", "all in training mode", "dropout always")


def attributes(module: nn.Module) -> dict[str, object]:
    """Everything in every module that is no tensor, by value."""
    plain = (int, float, bool, str, list, tuple, type(None))
    return {
        f"{name}.{key}": repr(value)
        for name, part in module.named_modules()
        for key, value in vars(part).items()
        if isinstance(value, plain) or key in ("named", "last")
    }


@pytest.mark.parametrize("way", WAYS)
def test_looking_leaves_it_as_it_was_and_answers_from_that_state(way: str) -> None:
    module = make(way)
    alone = deepcopy(module).eval()
    net, before, chance = wrap(module, SPEC), attributes(module), module.chance.get_state()
    cached = [len(module.cache.keys), module.plain.clone(), module.tensors[0].clone(), module.part.clone()]
    with untouched(module):
        describe(net)
        first, second = (record(net, X, ["output", "conv"]) for _ in range(2))
    assert attributes(module) == before
    assert torch.equal(module.chance.get_state(), chance)
    after = [len(module.cache.keys), module.plain, module.tensors[0], module.part]
    assert all(
        a == b if isinstance(a, int) else torch.equal(a, b) for a, b in zip(cached, after, strict=True)
    )
    assert module.part.untyped_storage().data_ptr() == module.seen.untyped_storage().data_ptr()
    for one, other in zip(first.values(), second.values(), strict=True):
        assert torch.equal(one, other)
    if way not in RANDOM:
        with torch.no_grad():
            assert torch.equal(first[next(iter(first))], alone(X))


@pytest.mark.parametrize("way", ["weight through data", "cache that grows", "dropout always"])
def test_pictures_are_the_same_each_time(way: str) -> None:
    net = wrap(make(way), SPEC)
    with untouched(net.module):
        maps = [see.visualize(net, "conv:0", steps=2, transforms="none").images for _ in range(2)]
    assert torch.equal(*maps)


def test_gradients_are_those_of_the_state_it_came_with() -> None:
    torch.manual_seed(0)
    module = UsesIts()
    net, plain = wrap(module, SPEC), deepcopy(module)
    for _ in range(3):
        x = X.clone().requires_grad_()
        (act,) = record(net, x, ["output"]).values()
        (found,) = torch.autograd.grad(act.sum(), x)
        y = X.clone().requires_grad_()
        (wanted,) = torch.autograd.grad((plain.conv(y) * 2).mean((2, 3)).sum(), y)
        assert torch.equal(found, wanted)
    assert float(module.seen) == 1


class Interrupting(nn.Module):
    """Changes everything, then raises in the n-th of its parts."""

    def __init__(self, at: int, error: type[BaseException]) -> None:
        super().__init__()
        self.inner, self.at, self.error, self.calls = make("counter"), at, error, 0
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add_(1)
        self.inner.conv.weight.data.mul_(2)
        self.train()
        self.inner.relu.register_forward_hook(self.strike)
        self.strike()
        x = self.inner(x)
        self.strike()
        return x

    def strike(self, *_: object) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise self.error("now")


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_end_in_the_middle_is_taken_back_too(at: int, error: type[BaseException]) -> None:
    module = Interrupting(at, error)
    with untouched(module):
        with pytest.raises(error), frozen(module), torch.no_grad():
            run(module, X)
        with pytest.raises(error):
            describe(wrap(module, SPEC))
    assert module.calls == 0


def test_an_ordinary_network_is_not_copied_once_it_is_known() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    net = wrap(module, SPEC)
    record(net, X, ["output"])
    assert not changes_itself(module)
    seen: list[int] = []
    conv = module[0]
    handle = conv.register_forward_hook(lambda part, *_: seen.append(id(part.weight)))
    record(net, X, ["output"])
    handle.remove()
    assert seen == [id(conv.weight)]


def test_a_scripted_network_too() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.count = nn.Conv2d(3, 2, 3), 0
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.count += 1
            self.seen += 1
            return self.conv(x) + self.seen + self.count

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer torch calls TorchScript deprecated
        module = torch.jit.script(Counting())
    net = wrap(module, SPEC)
    with torch.no_grad():
        first, second = (record(net, X, ["output"]) for _ in range(2))
    assert torch.equal(*first.values(), *second.values())
    assert module.count == 0 and float(module.seen) == 0


def test_what_changes_out_of_sight_for_some_inputs_is_said_and_taken_back() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            if x.mean() > 0.55:
                self.conv.weight.data.mul_(2)
            return self.conv(x)

    module = Late()
    plain, net = deepcopy(module.conv), wrap(module, SPEC)
    with untouched(module), torch.no_grad():
        with pytest.raises(GraphError, match="for some inputs writes to weight"):
            record(net, X, ["output"])
        first, second = (record(net, X, ["output"]) for _ in range(2))
        plain.weight.mul_(2)
        assert torch.equal(*first.values(), *second.values())
        assert torch.equal(*first.values(), plain(X))


def test_a_large_weight_that_is_written_to_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from convscope.nets.activations import freezing, stand_in

    monkeypatch.setattr(stand_in, "LARGE", 0)
    monkeypatch.setattr(freezing, "COPIED", 0)
    module = make("weight in place")
    with pytest.raises(GraphError, match="wrote to weight"):
        record(wrap(module, SPEC), X, ["output"])


def test_depth_takes_changes_back_as_well() -> None:
    module = make("weight in place")
    with untouched(module):
        assert depth(module, X) == 2
