"""Choose the fastest precision and memory format for training a network on this machine, by measuring.

bf16 doubles the speed of some processors and halves that of others; channels-last speeds up convolutions and
slows down depthwise ones. So a few steps are timed before a training begins, and the choice is cached for the
next time.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict

import torch
from torch import Tensor

from convscope.learn.recipe import TrainRecipe
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


Losses = Callable[[Net, ExecutionConfig], Iterable[Tensor]]
"""Computes the losses of one training step of a network."""


def choose(net: Net, plan: TrainRecipe, losses: Losses) -> ExecutionConfig:
    """Choose the fastest precision and memory format for training a network on its device.

    What the recipe fixes is kept. The rest is measured in about a second, and cached by network, batch size
    and machine. Candidates whose loss is not finite are excluded. The network is left unchanged.

    Args:
        net: network to train.
        plan: recipe with `precision`, `memory_format` and `batch`; `"auto"` leaves a choice open.
        losses: computes the losses of one training step, on a copy of the network.

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
    seconds = measure(net, losses, candidates)
    best = candidates[0]
    for candidate in candidates[1:]:
        if seconds[candidate] * WORTH < seconds[best]:
            best = candidate
    store(key, asdict(best))
    return best


def measure(net: Net, losses: Losses, candidates: list[ExecutionConfig]) -> dict[ExecutionConfig, float]:
    """Time a training step, without the optimizer's, with each candidate.

    Steps run on copies of the module in training mode. The candidates take turns, so that a change of the
    machine's load affects all of them.

    Args:
        net: network to time; left unchanged.
        losses: computes the losses of one training step.
        candidates: precisions and memory formats to compare.

    Returns:
        Seconds of the fastest step of each candidate; infinite where a loss is not finite. For a module
        that cannot be copied, the candidates' indices, so that the first one wins.
    """
    seconds = dict.fromkeys(candidates, math.inf)
    with torch.random.fork_rng(devices=[], enabled=True):
        try:
            copies = {choice: net.with_module(deepcopy(net.module).train()) for choice in candidates}
        except RuntimeError:  # a module that cannot be copied
            return {choice: float(i) for i, choice in enumerate(candidates)}
        for choice, copy in copies.items():
            choice.format(copy.module)
        started = time.perf_counter()
        for round_index in range(ROUNDS + 1):
            if round_index > 1 and time.perf_counter() - started > PATIENCE:
                break
            for choice, copy in copies.items():
                elapsed = _time_step(copy, choice, losses)
                if round_index or elapsed == math.inf:  # the first round warms up
                    seconds[choice] = min(seconds[choice], elapsed)
    return seconds


def _time_step(net: Net, choice: ExecutionConfig, losses: Losses) -> float:
    """Return the seconds of forward and backward passes; infinite where a loss is not finite."""
    started, finite = time.perf_counter(), True
    for loss in losses(net, choice):
        loss.backward()
        finite = finite and math.isfinite(loss.item())
    net.module.zero_grad()
    if net.device.type == "cuda":
        torch.cuda.synchronize(net.device)
    return time.perf_counter() - started if finite else math.inf


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
