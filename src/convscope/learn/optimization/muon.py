"""Muon: momentum whose steps are orthogonalised, for matrices and convolutions.

Source: Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks,
kellerjordan.github.io/posts/muon. timm's and torch's own compute in bfloat16 whatever the weights are, which
takes processors without it longer than the rest of a training step; torch's takes no convolutions.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from typing_extensions import override

from convscope.learn.optimization.grouped import GroupedOptimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial a x + b x^3 + c x^5, which takes singular values from 0 to 1 to about 0.7 to 1.2."""
ITERATIONS = 5
WIDE = 3
"""How many times as many columns as rows make it worthwhile to iterate with the Gram matrix alone."""


class Muon(GroupedOptimizer):
    """Take steps of momentum whose singular values are all about 1, in place of the gradient's own.

    Weights of two axes or more are matrices: of one row for each output, as in a convolution of
    `[out in h w]`. The step is that matrix of momentum with its singular values set to about 1 by a
    Newton-Schulz iteration, so that rare directions move as far as common ones. Groups with `adamw=True`
    take AdamW's steps instead, at `ADAMW_SHARE` of the learning rate: biases, normalisation layers and,
    where asked for, the last layer.

    Args:
        groups: parameter groups with `params`, `lr`, `weight_decay` (decoupled, as in AdamW) and `adamw`.
        momentum: share of the earlier momentum that is kept at every step; Nesterov's form.

    Raises:
        ValueError: a weight of less than two axes is in a group without `adamw`.
    """

    def __init__(self, groups: list[dict[str, Any]], momentum: float = 0.9) -> None:
        defaults = {"lr": 0.05, "weight_decay": 0.0, "adamw": False, "momentum": momentum}
        super().__init__(groups, defaults)
        if any(p.ndim < 2 for group in self.param_groups if not group["adamw"] for p in group["params"]):
            raise ValueError("Muon is for weights of two axes or more; others go into a group with adamw")

    @override
    def update(self, group: dict[str, Any]) -> None:
        move = self._adamw if group["adamw"] else self._orthogonal
        for weight in group["params"]:
            if weight.grad is not None:
                move(weight, weight.grad, group)

    def _orthogonal(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, momentum, lr = self.state[weight], group["momentum"], group["lr"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        state["momentum_buffer"].mul_(momentum).add_(gradient)
        direction = orthogonalize(gradient.add(state["momentum_buffer"], alpha=momentum))
        weight.mul_(1 - lr * group["weight_decay"]).sub_(direction, alpha=lr)

    def _adamw(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, lr = self.state[weight], ADAMW_SHARE * group["lr"]
        if "step" not in state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        adamw(
            [weight],
            [gradient],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=lr,
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            maximize=False,
        )


ADAMW_SHARE = 0.06
"""Learning rate of AdamW's groups, as a share of Muon's."""
BETAS = (0.9, 0.999)
EPSILON = 1e-8


def orthogonalize(matrix: Tensor) -> Tensor:
    """Set the singular values of a matrix to about 1, by a Newton-Schulz iteration.

    Every iteration multiplies the matrix M by a polynomial of M M^T. Where M is wide, these polynomials are
    multiplied with each other first, as small square matrices, and with M at the end: two products of its
    size in place of ten.

    Args:
        matrix: `[rows ...]`; the axes after the first are one.

    Returns:
        A tensor of the same shape: U V^T of the singular value decomposition U S V^T, to about 0.3 in each
        singular value; 0 where the matrix is 0.
    """
    found = matrix.reshape(len(matrix), -1)
    tall = found.shape[0] > found.shape[1]
    found = found.mT if tall else found
    found = found / found.norm().clamp_min(torch.finfo(found.dtype).tiny)
    steps = _newton_schulz_by_gram if found.shape[1] > WIDE * found.shape[0] else _newton_schulz
    found = steps(found)
    return (found.mT if tall else found).reshape(matrix.shape)


def _newton_schulz(found: Tensor) -> Tensor:
    for _ in range(ITERATIONS):
        found = _polynomial(found @ found.mT) @ found
    return found


def _newton_schulz_by_gram(found: Tensor) -> Tensor:
    """Iterate with the Gram matrix M M^T alone, and multiply M at the end."""
    gram = found @ found.mT
    product = _polynomial(gram)
    factor = product
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor  # they commute: all are polynomials of the first
        factor = _polynomial(gram)
        product = factor @ product
    return product @ found


def _polynomial(square: Tensor) -> Tensor:
    """Return a I + b S + c S^2."""
    a, b, c = COEFFICIENTS
    found = torch.addmm(square, square, square, beta=b, alpha=c)
    found.diagonal().add_(a)
    return found
