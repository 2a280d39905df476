"""Textbook steps of optimizers, element by element: what a mask excludes does not move, nor does its memory.

Written from the papers' and torch's formulas, without torch.optim. Each parameter has one counter of steps.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class SlowOptimizer:
    """The six rules, for a parameter and its gradient, where some elements are frozen."""

    name: str
    lr: float
    weight_decay: float
    momentum: float = 0.9
    memory: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)

    def step(self, key: str, weight: Tensor, gradient: Tensor, frozen: Tensor) -> None:
        """Move the elements of one parameter that are not frozen, in place."""
        if bool(frozen.all()):
            return
        self.steps[key] = self.steps.get(key, 0) + 1
        there = self.memory.setdefault(key, {})
        decay = self.weight_decay if weight.ndim > 1 else 0.0
        left_to_adamw = self.name == "muon" and weight.ndim < 2
        adam, lr = self.name == "adamw" or left_to_adamw, 0.06 * self.lr if left_to_adamw else self.lr
        if self.name in ("adamw", "muon"):
            shrunk, g = weight * (1 - lr * decay), gradient
        else:
            shrunk, g = weight, gradient + decay * weight
        change = getattr(self, "_adam" if adam else f"_{self.name}")(key, there, g, frozen)
        weight.copy_(torch.where(frozen, weight, shrunk - lr * change))

    @staticmethod
    def _average(there: dict[str, Tensor], name: str, value: Tensor, rate: float, frozen: Tensor) -> Tensor:
        old = there.get(name, torch.zeros_like(value))
        there[name] = torch.where(frozen, old, rate * old + (1 - rate) * value)
        return there[name]

    def _adam(self, key: str, there: dict[str, Tensor], g: Tensor, frozen: Tensor) -> Tensor:
        first = self._average(there, "first", g, 0.9, frozen) / (1 - 0.9 ** self.steps[key])
        second = self._average(there, "second", g * g, 0.999, frozen) / (1 - 0.999 ** self.steps[key])
        return first / (second.sqrt() + 1e-8)

    def _sgd(self, _key: str, there: dict[str, Tensor], g: Tensor, frozen: Tensor) -> Tensor:
        old = there.get("speed", torch.zeros_like(g))
        there["speed"] = torch.where(frozen, old, self.momentum * old + g)
        return g + self.momentum * there["speed"]  # Nesterov

    def _rmsprop(self, _key: str, there: dict[str, Tensor], g: Tensor, frozen: Tensor) -> Tensor:
        scaled = g / (self._average(there, "square", g * g, 0.99, frozen).sqrt() + 1e-8)
        old = there.get("speed", torch.zeros_like(g))
        there["speed"] = torch.where(frozen, old, self.momentum * old + scaled)
        return there["speed"]

    def _adadelta(self, _key: str, there: dict[str, Tensor], g: Tensor, frozen: Tensor) -> Tensor:
        square = self._average(there, "square", g * g, 0.95, frozen)
        before = there.get("change", torch.zeros_like(g))
        change = (before + 1e-6).sqrt() / (square + 1e-6).sqrt() * g
        self._average(there, "change", change * change, 0.95, frozen)
        return change

    def _muon(self, _key: str, there: dict[str, Tensor], g: Tensor, frozen: Tensor) -> Tensor:
        """Singular values by themselves: each goes five times through the polynomial."""
        old = there.get("speed", torch.zeros_like(g))
        speed = self.momentum * old + g
        there["speed"] = torch.where(frozen, old, speed)
        matrix = (g + self.momentum * speed).reshape(len(g), -1).double()
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        values = values / matrix.norm()
        for _ in range(5):
            values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
        return (left * values @ right).reshape(g.shape).to(g)
