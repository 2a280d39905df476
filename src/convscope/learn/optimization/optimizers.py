"""Optimizers by name.

A new one is one entry in `OPTIMIZERS`, and its name in `recipe.Optimizer`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn, optim

from convscope.errors import UsageError
from convscope.learn.optimization.adadelta import Adadelta
from convscope.learn.optimization.muon import Muon
from convscope.learn.recipe import TrainRecipe

Groups = list[dict[str, Any]]
OPTIMIZER_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""Names of a task's optimizers, which are names of files in a run's state."""

OPTIMIZERS: dict[str, Callable[[Groups, TrainRecipe, bool], optim.Optimizer]] = {
    "adamw": lambda groups, recipe, fused: optim.AdamW(groups, fused=fused),
    "adam": lambda groups, recipe, fused: optim.Adam(groups, fused=fused),
    "sgd": lambda groups, recipe, fused: optim.SGD(
        groups, lr=1.0, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=fused
    ),
    "muon": lambda groups, recipe, fused: Muon(groups, momentum=recipe.momentum),
    "rmsprop": lambda groups, recipe, fused: optim.RMSprop(groups, momentum=recipe.momentum),
    "adadelta": lambda groups, recipe, fused: Adadelta(groups),
}


def make_optimizers(
    parameters: Mapping[str, Sequence[nn.Parameter]],
    recipe: TrainRecipe,
    lr_scales: Mapping[nn.Parameter, float] | None = None,
    output_weights: Iterable[nn.Parameter] = (),
) -> dict[str, optim.Optimizer]:
    """Build the recipe's optimizer over each list of a task's parameters.

    Args:
        parameters: what is optimised, by the name of the optimizer.
        recipe: recipe with the optimizer's kind, weight decay and momentum.
        lr_scales: factors of the learning rate; 1 for those that are left out.
        output_weights: of the last layer, which Muon leaves to AdamW too.

    Returns:
        An optimizer for each name, as `make_optimizer` builds them.

    Raises:
        UsageError: there is no optimizer, one has a name of other characters than lower-case letters, digits
            and `_`, or one has no parameters.
    """
    for name in parameters:
        if not OPTIMIZER_NAME.fullmatch(name):
            raise UsageError(
                "names of optimizers of lower-case letters, digits and _",
                received=name,
                hint="For example: {'generator': ..., 'critic': ...}",
            )
    if not parameters:
        raise UsageError(
            "a task with an optimizer",
            received=recipe.task,
            hint="Let Task.optimizers return at least one list of parameters by name.",
        )
    last = list(output_weights)
    return {name: make_optimizer(members, recipe, lr_scales, last) for name, members in parameters.items()}


def make_optimizer(
    parameters: Sequence[nn.Parameter],
    recipe: TrainRecipe,
    lr_scales: Mapping[nn.Parameter, float] | None = None,
    output_weights: Iterable[nn.Parameter] = (),
) -> optim.Optimizer:
    """Build the recipe's optimizer over some parameters.

    Weight decay applies to weights of two axes or more; biases and the parameters of normalisation layers
    (one axis) are exempt. The fused implementation is used where all weights are fp32 on a CPU or CUDA
    device. The learning rate is set by the training loop at every step. Muon leaves to AdamW what is exempt,
    and the output weights it is given.

    Args:
        parameters: what is optimised.
        recipe: recipe with the optimizer's name, weight decay and momentum.
        lr_scales: factors of the learning rate; 1 for those that are left out.
        output_weights: those of the last layer; read for Muon alone.

    Returns:
        An optimizer with up to two parameter groups for each factor, with weight decay and without; for Muon
        up to three. The factor is the group's `lr_scale`.

    Raises:
        UsageError: there are no parameters.
    """
    if not parameters:
        raise UsageError(
            "a network with weights that may change",
            received="none: it has no parameters, or all are frozen",
            hint="Set requires_grad_(True) on what should learn.",
        )
    last = set(output_weights) if recipe.optimizer == "muon" else set()
    members: dict[tuple[float, bool, bool], list[nn.Parameter]] = {}
    for p in sorted(parameters, key=lambda p: p.ndim <= 1):
        kind = ((lr_scales or {}).get(p, 1.0), p.ndim > 1, p in last or p.ndim <= 1)
        members.setdefault(kind, []).append(p)
    groups: Groups = [
        {
            "params": group,
            "weight_decay": recipe.weight_decay if decays else 0.0,
            "lr_scale": scale,
            "adamw": adamw,
        }
        for (scale, decays, adamw), group in members.items()
    ]
    fused = all(p.device.type in {"cpu", "cuda"} and p.dtype == torch.float32 for p in parameters)
    optimizer = OPTIMIZERS[recipe.optimizer](groups, recipe, fused)
    if isinstance(optimizer, optim.SGD):
        optimizer.register_step_pre_hook(_fill_momentum)
    return optimizer


def _fill_momentum(optimizer: optim.Optimizer, _arguments: Any, _options: Any) -> None:
    """Give weights that move for the first time a momentum of zero, where others have moved before.

    torch's fused SGD (2.14) takes momentum of all weights or of none: it fails on a weight that was frozen,
    or not used, in the first steps. From zero, the first momentum is the gradient, as without an entry.
    """
    for group in optimizer.param_groups:
        moving = [p for p in group["params"] if group["momentum"] and p.grad is not None]
        new = [p for p in moving if optimizer.state[p].get("momentum_buffer") is None]
        if len(new) < len(moving):
            for weight in new:
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
