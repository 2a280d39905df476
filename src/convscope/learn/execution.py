"""Choose the fastest precision and memory format for training a network on this machine, by measuring.

bf16 doubles the speed of some processors and halves that of others; channels-last speeds up convolutions and
slows down depthwise ones. So a few steps are timed before a training begins, and the choice is cached for the
next time.
"""

import hashlib
import json
import math
import time
from copy import deepcopy
from dataclasses import asdict

import torch
from torch import Tensor, nn

from convscope.learn.recipe import TrainRecipe
from convscope.learn.tasks.classifier_head import first_tensor, sized_example
from convscope.nets import Net
from convscope.nets.inference.execution import (
    PLAIN,
    ExecutionConfig,
    kept_choice,
    processor,
    retain_heap,
    store,
)

__all__ = ["PLAIN", "ExecutionConfig", "choose", "measure", "retain_heap"]

ROUNDS = 4
"""Timed steps of each candidate, interleaved; the fastest of each counts."""
PATIENCE = 3.0
"""Seconds after which no further round of timings begins."""
WORTH = 1.05
"""Least speed-up for which a candidate replaces a plainer one."""


def choose(net: Net, plan: TrainRecipe) -> ExecutionConfig:
    """Choose the fastest precision and memory format for training a network on its device.

    What the recipe fixes is kept. The rest is measured in about a second, and cached by network, batch size
    and machine. Candidates whose loss is not finite are excluded. The network is left unchanged.

    Args:
        net: network to train.
        plan: recipe with `precision`, `memory_format` and `batch`; `"auto"` leaves a choice open.

    Returns:
        The plainest candidate, unless another one is at least `WORTH` times as fast.
    """
    candidates = _candidates(net, plan)
    if len(candidates) == 1:
        return candidates[0]
    key = _key(net, plan, candidates)
    kept = kept_choice(key, candidates)
    if kept is not None:
        return kept
    seconds = measure(net, plan.batch, candidates)
    best = candidates[0]
    for candidate in candidates[1:]:
        if seconds[candidate] * WORTH < seconds[best]:
            best = candidate
    store(key, asdict(best))
    return best


def measure(net: Net, batch: int, candidates: list[ExecutionConfig]) -> dict[ExecutionConfig, float]:
    """Time a forward and backward pass with each candidate.

    Passes run on copies of the module in training mode, on random inputs, with `logsumexp` of the output as
    loss. The candidates take turns, so that a change of the machine's load affects all of them.

    Args:
        net: network to time; left unchanged.
        batch: inputs in a batch.
        candidates: precisions and memory formats to compare.

    Returns:
        Seconds of the fastest pass of each candidate; infinite where the loss is not finite. For a module
        that cannot be copied, the candidates' indices, so that the first one wins.
    """
    inputs = sized_example(net, batch)
    seconds = dict.fromkeys(candidates, math.inf)
    with torch.random.fork_rng(devices=[], enabled=True):
        try:
            copies = {choice: deepcopy(net.module).train() for choice in candidates}
        except RuntimeError:  # a module that cannot be copied
            return {choice: float(i) for i, choice in enumerate(candidates)}
        for choice, module in copies.items():
            choice.format(module)
        started = time.perf_counter()
        for round_index in range(ROUNDS + 1):
            if round_index > 1 and time.perf_counter() - started > PATIENCE:
                break
            for choice, module in copies.items():
                elapsed = _time_step(module, choice, net.normalise(inputs))
                if round_index or elapsed == math.inf:  # the first round warms up
                    seconds[choice] = min(seconds[choice], elapsed)
    return seconds


def _time_step(module: nn.Module, choice: ExecutionConfig, inputs: tuple[Tensor, ...]) -> float:
    """Return the seconds of one forward and backward pass; infinite where the loss is not finite."""
    device = inputs[0].device
    started = time.perf_counter()
    with choice.autocast(device):
        loss = first_tensor(module(*map(choice.to_memory_format, inputs))).float().logsumexp(-1).mean()
    loss.backward()
    module.zero_grad()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started if math.isfinite(loss.item()) else math.inf


def _candidates(net: Net, plan: TrainRecipe) -> list[ExecutionConfig]:
    """List the candidates, the plainest first. fp16 is only used when the recipe fixes it: it overflows."""
    precisions = {"auto": ["fp32", "bf16"]}.get(plan.precision, [plan.precision])
    if plan.precision == "auto" and net.device.type == "mps":
        precisions = ["fp32"]
    formats = {"auto": [False, True], "contiguous": [False], "channels_last": [True]}[plan.memory_format]
    if not any(p.ndim == 4 for p in net.module.parameters()):
        formats = [False]
    return [ExecutionConfig(precision, last) for precision in precisions for last in formats]


def _key(net: Net, plan: TrainRecipe, candidates: list[ExecutionConfig]) -> str:
    """Return the cache key: a hash of layers, shapes, batch size, candidates, processor, threads, torch."""
    shapes = [(name, list(p.shape)) for name, p in net.module.named_parameters()]
    facts = [
        repr(net.module),
        shapes,
        net.input_spec.shape,
        plan.batch,
        [asdict(c) for c in candidates],
        str(net.device),
        processor(net.device),
        torch.get_num_threads(),
        torch.__version__,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
