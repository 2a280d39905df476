"""L-BFGS with one function evaluation for each step, separately for each image of a batch.

Source: Nocedal and Wright 2006, Numerical Optimization, algorithms 7.4 and 7.5 (two loops), section 3.1
(sufficient decrease); the initial Hessian approximation is their equation 7.20.
"""

from collections import deque
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

HISTORY = 10
"""Pairs of step and gradient change that are kept."""
DECREASE = 1e-4
"""Constant of the sufficient decrease (Armijo) condition."""
LEAST_CURVATURE = 1e-10
"""A pair is used only if its curvature exceeds this share of the product of the squared norms of step and
gradient change."""
BACKTRACK = 0.25
"""Factor of the step length at each backtracking."""
PATIENCE = 6
"""Rejected steps in a row, each shorter than the last, after which an image's history is cleared."""


class LBFGS:
    """L-BFGS that tries the full step first, and backtracks where the loss rises.

    Each call of `step` gets loss and gradient at the current parameters, accepts or rejects the step that led
    there, and moves on. A rejected step is undone by the next one, so the last parameters may be worse than
    earlier ones. Images do not influence each other.

    Args:
        parameters: tensors `[b ...]` to be minimised over, changed in place.
        history: pairs of step and gradient change that are kept.
    """

    def __init__(self, parameters: Sequence[Tensor], history: int = HISTORY) -> None:
        self.parameters = parameters
        flat = _flat(parameters)
        self.buffers = [(torch.empty_like(flat), torch.empty_like(flat)) for _ in range(history)]
        """For all pairs, allocated now so that they do not fragment the memory that activations reuse."""
        self.pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque()
        self.best: tuple[Tensor, Tensor, Tensor] | None = None
        """The last accepted point: parameters, loss and gradient."""
        self.direction = torch.empty(0)
        self.length = self.rejected = torch.empty(0)

    def step(self, gradients: Sequence[Tensor], rate: float, losses: Float[Tensor, " b"]) -> None:
        """Accept or reject the last step, and move the parameters in place.

        Args:
            gradients: of the losses at the current parameters, one for each parameter.
            rate: root mean square of the change made by a steepest-descent step: the first, and those
                without usable history.
            losses: of each image, at the current parameters.
        """
        here, gradient = _flat(self.parameters), _flat(gradients)
        if self.best is None:
            self.best = (here, losses, gradient)
            self.length, self.rejected = torch.ones_like(losses), torch.zeros_like(losses)
        else:
            self._accept_or_reject(here, gradient, losses)
        best, _, gradient = self.best
        accepted = self.rejected == 0
        proposal = self._direction(gradient, rate)
        self.direction = (
            torch.where(accepted[:, None], proposal, self.direction) if len(self.direction) else proposal
        )
        self.length = torch.where(accepted, torch.ones_like(self.length), self.length * BACKTRACK)
        _write_back(best + self.length[:, None] * self.direction, self.parameters)

    def _accept_or_reject(self, here: Tensor, gradient: Tensor, losses: Tensor) -> None:
        """Keep the parameters where the loss decreased enough, and add the pair to the history."""
        best, least, before = self.best or (here, losses, gradient)
        buffer = self.buffers.pop() if self.buffers else self.pairs.popleft()[:2]
        delta, change = torch.sub(here, best, out=buffer[0]), torch.sub(gradient, before, out=buffer[1])
        expected = _dot(before, delta).clamp_max(0)
        sufficient = losses <= least + DECREASE * expected
        curvature = _dot(delta, change)
        usable = sufficient & (curvature > LEAST_CURVATURE * _squared_norms(delta) * _squared_norms(change))
        self.pairs.append((delta, change, torch.where(usable, 1 / curvature, torch.zeros_like(curvature))))
        self.rejected = torch.where(sufficient, torch.zeros_like(self.rejected), self.rejected + 1)
        exhausted = self.rejected > PATIENCE
        if bool(exhausted.any()):
            self._clear_history(exhausted)
            self.rejected = torch.where(exhausted, torch.zeros_like(self.rejected), self.rejected)
        torch.where(sufficient[:, None], here, best, out=best)
        torch.where(sufficient[:, None], gradient, before, out=before)
        self.best = (best, torch.where(sufficient, losses, least), before)

    def _clear_history(self, which: Bool[Tensor, " b"]) -> None:
        """Clear the history of these images."""
        kept = [(s, y, torch.where(which, torch.zeros_like(r), r)) for s, y, r in self.pairs]
        self.pairs = deque(kept)

    def _direction(self, gradient: Float[Tensor, "b n"], rate: float) -> Float[Tensor, "b n"]:
        """Return the search direction by the two-loop recursion; steepest descent without history."""
        direction, shares = -gradient, []
        for delta, change, inverse in reversed(self.pairs):
            share = inverse * _dot(delta, direction)
            direction = direction - share[:, None] * change
            shares.append(share)
        has_history = torch.zeros_like(self.length, dtype=torch.bool)
        scale = torch.ones_like(self.length)
        for delta, change, inverse in self.pairs:
            valid = inverse > 0
            scale = torch.where(valid, _dot(delta, change) / _squared_norms(change), scale)
            has_history |= valid
        direction = direction * scale[:, None]
        for (delta, change, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            back = inverse * _dot(change, direction)
            direction = direction + (share - back)[:, None] * delta
        tiny = torch.finfo(gradient.dtype).tiny
        steepest = (
            -gradient
            * (rate * (gradient.shape[1] / _squared_norms(gradient).clamp_min(tiny)).sqrt())[:, None]
        )
        downhill = has_history & (_dot(direction, gradient) < 0)
        return torch.where(downhill[:, None], direction, steepest)


def _dot(a: Float[Tensor, "b n"], b: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    return torch.linalg.vecdot(a, b)


def _squared_norms(a: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Return the squared norm of each row, at least the smallest normal number."""
    return torch.linalg.vecdot(a, a).clamp_min(torch.finfo(a.dtype).tiny)


def _flat(tensors: Sequence[Tensor]) -> Float[Tensor, "b n"]:
    """Concatenate all parameters of each image into one row."""
    return torch.cat([tensor.detach().flatten(1) for tensor in tensors], 1)


def _write_back(flat: Float[Tensor, "b n"], tensors: Sequence[Tensor]) -> None:
    """Write rows back into the parameters, in place."""
    at = 0
    for tensor in tensors:
        count = tensor[0].numel()
        tensor.copy_(flat[:, at : at + count].view_as(tensor))
        at += count
