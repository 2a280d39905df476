"""L-BFGS that takes one look at each step, for each image of a batch on its own.

Source: Nocedal and Wright 2006, Numerical Optimization, algorithms 7.4 and 7.5 (two loops), section 3.1
(sufficient decrease); the first matrix is their equation 7.20.
"""

from collections import deque
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

HISTORY = 10
"""Looks whose steps and changes of the gradient are remembered."""
DECREASE = 1e-4
"""Share of the expected decrease that is enough."""
CURVED = 1e-10
"""Least curvature of a pair, as a share of the squares of step and change, for it to be remembered."""
SHORTER = 0.25
PATIENCE = 6
"""Steps that may be taken back in a row, each shorter than the last, before the memory is cleared."""


class LBFGS:
    """A direction from the memory of earlier steps, taken whole; where the loss rises, back, and shorter.

    Each call looks at the loss where the parameters are now and moves them on. A step that made the loss rise
    is taken back by the next one, so the last place may be worse than one before it.
    """

    def __init__(self, parameters: Sequence[Tensor], history: int = HISTORY) -> None:
        self.parameters = parameters
        flat = _flat(parameters)
        self.rooms = [(torch.empty_like(flat), torch.empty_like(flat)) for _ in range(history)]
        """For all pairs there will be: taken now, lest they land in gaps that a network's maps need again."""
        self.pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque()
        self.best: tuple[Tensor, Tensor, Tensor] | None = None
        """Where the loss was least: the parameters, the loss, its gradient."""
        self.direction = torch.empty(0)
        self.length = self.refused = torch.empty(0)

    def step(self, gradients: Sequence[Tensor], rate: float, losses: Float[Tensor, " b"]) -> None:
        """Move on from here.

        Args:
            gradients: of the losses, here.
            rate: root mean square of the change that the first step makes, and those after a memory that was
                cleared.
            losses: of each image, here.
        """
        here, slope = _flat(self.parameters), _flat(gradients)
        if self.best is None:
            self.best = (here, losses, slope)
            self.length, self.refused = torch.ones_like(losses), torch.zeros_like(losses)
        else:
            self._judge(here, slope, losses)
        best, _, slope = self.best
        again = self.refused == 0
        wanted = self._towards(slope, rate)
        self.direction = (
            torch.where(again[:, None], wanted, self.direction) if len(self.direction) else wanted
        )
        self.length = torch.where(again, torch.ones_like(self.length), self.length * SHORTER)
        _pour(best + self.length[:, None] * self.direction, self.parameters)

    def _judge(self, here: Tensor, slope: Tensor, losses: Tensor) -> None:
        """Keep what is better, and learn from it how the loss bends."""
        best, least, before = self.best or (here, losses, slope)
        room = self.rooms.pop() if self.rooms else self.pairs.popleft()[:2]
        moved, change = torch.sub(here, best, out=room[0]), torch.sub(slope, before, out=room[1])
        expected = _dot(before, moved).clamp_max(0)
        good = losses <= least + DECREASE * expected
        bend = _dot(moved, change)
        curved = good & (bend > CURVED * _norms(moved) * _norms(change))
        self.pairs.append((moved, change, torch.where(curved, 1 / bend, torch.zeros_like(bend))))
        self.refused = torch.where(good, torch.zeros_like(self.refused), self.refused + 1)
        tired = self.refused > PATIENCE
        if bool(tired.any()):
            self._forget(tired)
            self.refused = torch.where(tired, torch.zeros_like(self.refused), self.refused)
        torch.where(good[:, None], here, best, out=best)
        torch.where(good[:, None], slope, before, out=before)
        self.best = (best, torch.where(good, losses, least), before)

    def _forget(self, which: Bool[Tensor, " b"]) -> None:
        kept = [(s, y, torch.where(which, torch.zeros_like(r), r)) for s, y, r in self.pairs]
        self.pairs = deque(kept)

    def _towards(self, slope: Float[Tensor, "b n"], rate: float) -> Float[Tensor, "b n"]:
        """The direction by two loops; straight down, so far as `rate` says, where nothing is remembered."""
        direction, shares = -slope, []
        for moved, change, inverse in reversed(self.pairs):
            share = inverse * _dot(moved, direction)
            direction = direction - share[:, None] * change
            shares.append(share)
        known = torch.zeros_like(self.length, dtype=torch.bool)
        scale = torch.ones_like(self.length)
        for moved, change, inverse in self.pairs:
            valid = inverse > 0
            scale = torch.where(valid, _dot(moved, change) / _norms(change), scale)
            known |= valid
        direction = direction * scale[:, None]
        for (moved, change, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            back = inverse * _dot(change, direction)
            direction = direction + (share - back)[:, None] * moved
        tiny = torch.finfo(slope.dtype).tiny
        straight = -slope * (rate * (slope.shape[1] / _norms(slope).clamp_min(tiny)).sqrt())[:, None]
        downhill = known & (_dot(direction, slope) < 0)
        return torch.where(downhill[:, None], direction, straight)


def _dot(a: Float[Tensor, "b n"], b: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    return torch.linalg.vecdot(a, b)


def _norms(a: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Squared."""
    return torch.linalg.vecdot(a, a).clamp_min(torch.finfo(a.dtype).tiny)


def _flat(tensors: Sequence[Tensor]) -> Float[Tensor, "b n"]:
    return torch.cat([tensor.detach().flatten(1) for tensor in tensors], 1)


def _pour(flat: Float[Tensor, "b n"], tensors: Sequence[Tensor]) -> None:
    at = 0
    for tensor in tensors:
        count = tensor[0].numel()
        tensor.copy_(flat[:, at : at + count].view_as(tensor))
        at += count
