"""Rules that turn gradients into steps.

A new one is one entry in `OPTIMIZERS`, and its name in `plan.Optimizer`.
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
    """The plan's optimizer over all weights that may change.

    Weights of one axis (biases, norms) do not decay.

    Raises:
        UsageError: nothing in the network may change.
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
