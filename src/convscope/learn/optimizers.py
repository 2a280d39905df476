"""Optimizers by name.

A new one is one entry in `OPTIMIZERS`, and its name in `recipe.Optimizer`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn, optim

from convscope.errors import UsageError
from convscope.learn.recipe import TrainRecipe

Groups = list[dict[str, Any]]

OPTIMIZERS: dict[str, Callable[[Groups, TrainRecipe, bool], optim.Optimizer]] = {
    "adamw": lambda groups, plan, fused: optim.AdamW(groups, fused=fused),
    "adam": lambda groups, plan, fused: optim.Adam(groups, fused=fused),
    "sgd": lambda groups, plan, fused: optim.SGD(
        groups, lr=1.0, momentum=plan.momentum, nesterov=plan.momentum > 0, fused=fused
    ),
    "rmsprop": lambda groups, plan, fused: optim.RMSprop(groups, momentum=plan.momentum),
    "adadelta": lambda groups, plan, fused: optim.Adadelta(groups, rho=0.95),
}


def make_optimizer(module: nn.Module, plan: TrainRecipe) -> optim.Optimizer:
    """Build the recipe's optimizer over all trainable weights.

    Weight decay applies to weights of two axes or more; biases and the parameters of normalisation layers
    (one axis) are exempt. The fused implementation is used where all weights are fp32 on a CPU or CUDA
    device. The learning rate is set by the training loop at every step.

    Args:
        module: its parameters with `requires_grad` are optimised.
        plan: recipe with the optimizer's name, weight decay and momentum.

    Returns:
        An optimizer with up to two parameter groups: with weight decay, and without.

    Raises:
        UsageError: no parameter has `requires_grad`.
    """
    weights = [p for p in module.parameters() if p.requires_grad]
    if not weights:
        raise UsageError(
            "a network with weights that may change",
            received="none: it has no parameters, or all are frozen",
            hint="Set requires_grad_(True) on what should learn.",
        )
    decaying = [p for p in weights if p.ndim > 1]
    others = [p for p in weights if p.ndim <= 1]
    groups: Groups = [
        {"params": group, "weight_decay": decay}
        for group, decay in ((decaying, plan.weight_decay), (others, 0.0))
        if group
    ]
    fused = all(p.device.type in {"cpu", "cuda"} and p.dtype == torch.float32 for p in weights)
    return OPTIMIZERS[plan.optimizer](groups, plan, fused)
