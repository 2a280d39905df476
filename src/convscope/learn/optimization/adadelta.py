"""Adadelta that computes only the rows of a table of vectors that have a gradient.

Of a vocabulary of ten thousand words a batch of sentences has a few hundred. The others' averages only decay,
and their vectors stay; so it is enough to know how many steps ago that began.

Source: Zeiler 2012, ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701; the order of operations is
that of torch.optim.Adadelta, whose results these are, to rounding.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.adadelta import adadelta
from typing_extensions import override

from convscope.learn.optimization.grouped import GroupedOptimizer

TABLE = 1000
"""Rows from which on a weight of two axes is taken for a table of vectors."""
RESCALED = 500
"""Steps after which the averages are brought back to their own scale: 0.95^-500 is 1e11."""


class Adadelta(GroupedOptimizer):
    """Take the steps of Adadelta.

    Averages of tables are stored divided by `rho^s`, `s` steps after they were last rescaled: rows without a
    gradient, whose averages decay by `rho`, then need no change at all.

    Args:
        groups: parameter groups with `params`, `lr` and `weight_decay`.
        rho: decay of the averages.
        eps: added under the square roots.
    """

    def __init__(self, groups: list[dict[str, Any]], rho: float = 0.95, eps: float = 1e-6) -> None:
        super().__init__(groups, {"lr": 1.0, "weight_decay": 0.0, "rho": rho, "eps": eps})

    @override
    def update(self, group: dict[str, Any]) -> None:
        moving = [weight for weight in group["params"] if weight.grad is not None]
        for weight in moving:
            self._begin(weight)
        tables = [w for w in moving if w.ndim == 2 and len(w) >= TABLE and not group["weight_decay"]]
        for weight in tables:
            self._table(weight, group)
        self._others([w for w in moving if not any(w is table for table in tables)], group)

    def _begin(self, weight: Tensor) -> None:
        state = self.state[weight]
        if "step" not in state:
            state["step"] = torch.zeros(())
            state["square_avg"], state["acc_delta"] = torch.zeros_like(weight), torch.zeros_like(weight)

    def _others(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        states = [self.state[weight] for weight in weights]
        adadelta(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [state["square_avg"] for state in states],
            [state["acc_delta"] for state in states],
            [state["step"] for state in states],
            lr=group["lr"],
            rho=group["rho"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=False,
        )

    def _table(self, weight: Tensor, group: dict[str, Any]) -> None:
        """Take the step of the rows that have a gradient."""
        state, rho, eps, gradient = self.state[weight], group["rho"], group["eps"], weight.grad
        if gradient is None:
            return
        since = int(state["step"]) % RESCALED
        if since == 0 and int(state["step"]):
            state["square_avg"].mul_(rho**RESCALED)
            state["acc_delta"].mul_(rho**RESCALED)
        rows = torch.linalg.vector_norm(gradient, dim=1).nonzero().flatten()  # the fastest test for zeros
        before, after = rho**since, rho ** (since + 1)
        moved = gradient[rows]
        squares = state["square_avg"][rows].mul_(before * rho).addcmul_(moved, moved, value=1 - rho)
        deltas = state["acc_delta"][rows].mul_(before)
        step = (deltas + eps).sqrt_().div_((squares + eps).sqrt_()).mul_(moved)
        deltas.mul_(rho).addcmul_(step, step, value=1 - rho)
        state["square_avg"][rows] = squares.div_(after)
        state["acc_delta"][rows] = deltas.div_(after)
        weight[rows] = weight[rows].sub_(step, alpha=group["lr"])
        state["step"] += 1
