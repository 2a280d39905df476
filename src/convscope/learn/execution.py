"""Choose the fastest precision and memory format for training a network on this machine."""

import math
from collections.abc import Callable, Iterable
from copy import deepcopy

from torch import Tensor

from convscope.learn.recipe import TrainRecipe
from convscope.nets import Net, takes_network
from convscope.nets.inference.autotune import Workload, fastest, network_facts, precisions
from convscope.nets.inference.execution import ExecutionConfig

Losses = Callable[[Net, ExecutionConfig], Iterable[Tensor]]
"""Computes the losses of one training step of a network."""


@takes_network
def choose_execution(net: Net, recipe: TrainRecipe, losses: Losses) -> ExecutionConfig:
    """Choose the fastest precision and memory format for training a network on its device.

    What the recipe fixes is kept. The rest is measured in seconds, and cached by task, network, batch size
    and machine: a training step of a copy, without the optimizer's. Candidates with a loss that is not finite
    are excluded. fp16 is only used when the recipe fixes it. The network is left unchanged.

    Args:
        net: network to train.
        recipe: recipe with `precision`, `memory_format` and `batch`; `"auto"` leaves a choice open.
        losses: computes the losses of one training step, on a copy of the network.

    Returns:
        The plainest configuration, unless another one is clearly faster.
    """
    every = precisions(net.device) if recipe.precision == "auto" else (recipe.precision,)
    formats = ("contiguous", "channels_last") if recipe.memory_format == "auto" else (recipe.memory_format,)
    if not any(p.ndim == 4 for p in net.module.parameters()):
        formats = ("contiguous",)
    candidates = [ExecutionConfig(precision, layout) for precision in every for layout in formats]
    facts = ["train", recipe.task, *network_facts(net), recipe.batch]
    return fastest(Workload(facts, net.device, lambda config: _step(net, losses, config)), candidates)


def _step(net: Net, losses: Losses, config: ExecutionConfig) -> Callable[[], bool]:
    """Return one training step of a copy; it returns whether all losses are finite."""
    copy = net.with_module(deepcopy(net.module).train())
    config.format(copy.module)

    def step() -> bool:
        finite = True
        for loss in losses(copy, config):
            loss.backward()
            finite = finite and math.isfinite(loss.item())
        copy.module.zero_grad()
        return finite

    return step
