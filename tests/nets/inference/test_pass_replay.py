"""Replayed passes against the network itself."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.nets.inference import pass_replay
from convscope.nets.inference.pass_replay import Pass, PassReplay, recorded


class Everything(nn.Module):
    """Layers whose recorded calls are simplified, and their neighbours that must not be."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.point, self.strided = nn.Conv2d(8, 12, 1), nn.Conv2d(12, 12, 1, stride=2)
        self.depth, self.back = nn.Conv2d(12, 12, 3, groups=12), nn.Conv2d(12, 12, 1, bias=False)
        self.act, self.calls = nn.ReLU6(inplace=True), 0

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self.calls += 1
        x = self.act(3 * self.first(x))
        x = self.act(5 * self.point(x))
        y = self.act(self.depth(F.pad(x, (0, 2, 1, 1)))).relu_()
        y = torch.cat([self.back(y), y + x], 1)
        y = F.max_pool2d(y, 3, 2, ceil_mode=True)
        return y, self.strided(x).mean((2, 3)).squeeze(-1)


def passes(module: Pass, x: Tensor) -> list[Tensor]:
    """Activations and the gradient of their weighted sum."""
    shown = x.clone(memory_format=torch.preserve_format).requires_grad_()
    found = list(module(shown))
    total = torch.stack(
        [(one * torch.linspace(-1, 2, one.numel()).view(one.shape)).sum() for one in found]
    ).sum()
    return [*(one.detach() for one in found), *torch.autograd.grad(total, shown)]


def example(seed: int) -> Tensor:
    images = torch.randn(1, 3, 20, 17, generator=torch.Generator().manual_seed(seed))
    return images.contiguous(memory_format=torch.channels_last)


def frozen_network(kind: Callable[[], nn.Module] = Everything) -> Any:
    torch.manual_seed(0)
    return kind().eval().requires_grad_(False).to(memory_format=torch.channels_last)


def test_the_replay_gives_what_the_network_gives() -> None:
    module = frozen_network()
    replay = recorded(module, example(0))
    assert replay is not None
    calls = module.calls
    for seed in (1, 2):
        found = passes(replay, example(seed))
        assert module.calls == calls  # the network did not run
        for ours, own in zip(found, passes(module, example(seed)), strict=True):
            torch.testing.assert_close(ours, own, rtol=1e-4, atol=1e-5)
        calls = module.calls


def test_calls_are_simplified() -> None:
    replay = PassReplay(frozen_network(), example(0))
    names = [getattr(one.function, "__name__", "") for one in (*replay.forward, *replay.backward)]
    assert names.count("_narrow_gradient") == 1
    assert names.count("_pointwise_gradient") == 2  # not of the strided one
    assert names.count("_cropped") == 1
    assert names.count("clone.default") == 1  # of what a second activation overwrites
    assert "detach.default" not in names


def test_inputs_of_the_recorded_shape_fit_in_any_memory_format() -> None:
    module = frozen_network()
    replay = PassReplay(module, example(0))
    assert not replay.fits(example(1)[..., 1:])
    wider = torch.cat([example(1), example(2)], -1)[..., 5:22]  # a view with gaps
    assert replay.fits(wider)
    for ours, own in zip(passes(replay, wider), passes(module, wider), strict=True):
        torch.testing.assert_close(ours, own, rtol=1e-4, atol=1e-5)


class Random(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x * torch.rand_like(x),)


class Decides(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x if float(x.detach().mean()) > 0 else -x,)


class Flips(nn.Module):
    """Decides without reading a value through torch."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x if x.detach().numpy()[0, 0, 0, 0] > 0 else -x,)


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self.count += 1
        return (x * self.count,)


def test_passes_that_a_recording_cannot_hold_are_refused() -> None:
    x = example(0)
    x[0, 0, 0, 0], x[0, 0, 0, -1] = 1.0, -1.0
    for kind in (Random, Decides, Flips, Counts):
        assert recorded(frozen_network(kind), x) is None, kind


def test_a_replay_that_disagrees_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pass_replay, "_pointwise_gradient", lambda g, w, shape: g.new_zeros(shape))
    assert recorded(frozen_network(), example(0)) is None
