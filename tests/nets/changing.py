"""Modules whose own forward changes them, each in one way: what looking must take back."""

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.graph import TensorSpec

SPEC = TensorSpec((3, 8, 8))


class Changing(nn.Module):
    """A small network; subclasses say what else its forward does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.relu, self.pool, self.head = nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)
        self.register_buffer("seen", torch.ones(4))
        self.register_buffer("aside", torch.zeros(4), persistent=False)
        self.spare = nn.Parameter(torch.zeros(2))
        self.count, self.eps = 0, 1e-5
        self.listed: list[Any] = []
        self.named: dict[str, Any] = {}
        self.last: deque[int] = deque(maxlen=2)
        self.plain, self.tensors = torch.zeros(2), [torch.zeros(2)]
        self.chance = torch.Generator()
        self.cache = Cache()
        self.lstm = nn.LSTM(4, 4)
        self.part = self.seen[:2]

    def change(self, x: Tensor) -> Any:
        """What else this network's forward does."""

    def forward(self, x: Tensor) -> Tensor:
        self.change(x)
        return self.answer(self.relu(self.norm(self.conv(x))))

    def answer(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.pool(x).flatten(1)))


class Cache:
    """Keys that were seen, as language models keep them."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []


def _halved(net: Any) -> None:
    with torch.no_grad():
        net.conv.weight.mul_(0.5)


def _backward(net: Any) -> None:
    with torch.enable_grad():
        (net.head.weight.requires_grad_(True) ** 2).sum().backward()


def _remember(net: Any, x: Tensor) -> None:
    net.cache.keys.append(x.mean((2, 3)))
    net.seen.add_(torch.stack(net.cache.keys).sum() * 0 + len(net.cache.keys))


def _bright(x: Tensor) -> bool:
    return bool(x.mean() > 0.55)


WAYS: dict[str, Callable[[Any, Tensor], Any]] = {
    "buffer in place": lambda net, x: net.seen.add_(1),
    "buffer through data": lambda net, x: net.seen.data.add_(1),
    "buffer set anew": lambda net, x: setattr(net, "seen", net.seen + 1),
    "buffer that is not saved": lambda net, x: net.aside.add_(1),
    "buffer through a view": lambda net, x: net.part.add_(1),
    "buffer added": lambda net, x: net.register_buffer("late", torch.zeros(2)),
    "buffer for bright inputs": lambda net, x: net.seen.add_(1) if _bright(x) else None,
    "weight in place": lambda net, x: _halved(net),
    "weight through data": lambda net, x: net.conv.weight.data.mul_(0.5),
    "weight's data set": lambda net, x: setattr(net.conv.weight, "data", net.conv.weight.data * 0.5),
    "weight through numpy": lambda net, x: net.conv.weight.detach().numpy().__imul__(0.5),
    "weight exchanged": lambda net, x: setattr(
        net.conv, "weight", nn.Parameter(net.conv.weight.detach() * 0.5)
    ),
    "weight of a recurrent layer": lambda net, x: net.lstm.weight_ih_l0.data.mul_(0.5),
    "parameter added": lambda net, x: setattr(net, "more", nn.Parameter(torch.zeros(2))),
    "parameter removed": lambda net, x: net._parameters.pop("spare", None),
    "all in training mode": lambda net, x: net.train(),
    "dropout in training mode": lambda net, x: net.drop.train(),
    "normalisation in training mode": lambda net, x: net.norm.train(),
    "requires_grad on": lambda net, x: net.requires_grad_(True),
    "requires_grad off": lambda net, x: net.requires_grad_(False),
    "hook added": lambda net, x: net.conv.register_forward_hook(lambda *_: None),
    "backward hook added": lambda net, x: net.conv.register_full_backward_hook(lambda *_: None),
    "gradient set": lambda net, x: setattr(net.head.bias, "grad", torch.ones(3)),
    "gradient by backward": lambda net, x: _backward(net),
    "random numbers": lambda net, x: torch.rand(3),
    "random numbers of Python": lambda net, x: random.random(),
    "random numbers of its own": lambda net, x: torch.rand(3, generator=net.chance),
    "dropout always": lambda net, x: functional.dropout(x, 0.5, training=True),
    "counter": lambda net, x: setattr(net, "count", net.count + 1),
    "list": lambda net, x: net.listed.append(1),
    "dict": lambda net, x: net.named.__setitem__("x", x.detach()),
    "deque": lambda net, x: net.last.append(1),
    "tensor in a list": lambda net, x: net.tensors[0].add_(1),
    "tensor that is no buffer": lambda net, x: net.plain.add_(1),
    "cache that grows": _remember,
    "submodule exchanged": lambda net, x: setattr(net, "relu", nn.ReLU()),
    "submodule added": lambda net, x: net.add_module(f"more{len(net._modules)}", nn.ReLU()),
    "class of a submodule": lambda net, x: setattr(net.drop, "__class__", nn.Identity),
    "option of a submodule": lambda net, x: setattr(net.norm, "eps", net.norm.eps * 2),
}
"""By name: what a forward does beside answering."""


def make(way: str) -> nn.Module:
    """The network that changes itself in one way, in training mode, the same each time."""
    torch.manual_seed(3)
    kind = type(way.title().replace(" ", ""), (Changing,), {"change": WAYS[way]})
    module = kind()
    module.train()
    return module


class UsesIts(nn.Module):
    """Its answer depends on a buffer that each call changes, in place, before it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("seen", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add_(1)
        return (self.conv(x) * self.seen).mean((2, 3))
