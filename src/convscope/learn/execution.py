"""Choose the fastest precision and memory format for training a network on this machine."""

import math
from collections.abc import Callable
from copy import deepcopy

from convscope.learn.recipe import TrainRecipe
from convscope.learn.tasks.classifier_head import first_tensor, sized_example
from convscope.nets import Net
from convscope.nets.inference.autotune import Workload, fastest, network_facts, precisions
from convscope.nets.inference.execution import ExecutionConfig


def choose_execution(net: Net, plan: TrainRecipe) -> ExecutionConfig:
    """Choose the fastest precision and memory format for training a network on its device.

    What the recipe fixes is kept. The rest is measured in seconds, and cached by network, batch size and
    machine: a forward and backward pass in training mode on random inputs, with `logsumexp` of the output as
    loss. Candidates whose loss is not finite are excluded. fp16 is only used when the recipe fixes it. The
    network is left unchanged.

    Args:
        net: network to train.
        plan: recipe with `precision`, `memory_format` and `batch`; `"auto"` leaves a choice open.

    Returns:
        The plainest configuration, unless another one is clearly faster.
    """
    every = precisions(net.device) if plan.precision == "auto" else (plan.precision,)
    formats = ("contiguous", "channels_last") if plan.memory_format == "auto" else (plan.memory_format,)
    if not any(p.ndim == 4 for p in net.module.parameters()):
        formats = ("contiguous",)
    candidates = [ExecutionConfig(precision, layout) for precision in every for layout in formats]
    facts = ["train", *network_facts(net), plan.batch]
    return fastest(Workload(facts, net.device, lambda config: _step(net, plan.batch, config)), candidates)


def _step(net: Net, batch: int, config: ExecutionConfig) -> Callable[[], bool]:
    """Return one forward and backward pass of a copy; it returns whether the loss is finite."""
    module = deepcopy(net.module).train()
    config.format(module)
    inputs = [config.to_memory_format(x) for x in net.normalise(sized_example(net, batch))]

    def step() -> bool:
        with config.autocast(inputs[0].device):
            loss = first_tensor(module(*inputs)).float().logsumexp(-1).mean()
        loss.backward()
        module.zero_grad()
        return math.isfinite(loss.item())

    return step
