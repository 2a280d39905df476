"""Batch normalisation folded into the preceding convolution, in the passes of attribution methods.

Relevance propagation also needs it, since signs of folded weights are those of contributions. The network is
not modified or copied: a function mode replaces the arguments of its calls.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from convscope.nets.inference.bn_folding import FoldedMode, PairFinder
from convscope.nets.inference.memory_format import channels_last, supports_channels_last
from convscope.see.attribution.target import AttributionTask


@dataclass(frozen=True)
class FoldPlan:
    """Folded weights of one network: calling it returns a context in which passes use them.

    `weights` maps the `id` of a convolution's weight to its folded weight and bias; `norms` has the `id` of
    the running mean of each normalisation that is skipped.
    """

    weights: Mapping[int, tuple[Tensor, Tensor]]
    norms: set[int]
    channels_last: bool = True
    """Whether passes run in channels-last memory format."""

    def __call__(self) -> AbstractContextManager[object]:
        """Return a context in which convolutions contain their normalisations."""
        return FoldedMode(self.weights, self.norms) if self.weights else nullcontext()

    def laid_out(self, x: Tensor) -> Tensor:
        """Convert an input to the memory format of the passes: channels last where the network supports it.

        Args:
            x: an input of any shape; only those with four axes are converted.

        Returns:
            The same values.
        """
        return channels_last(x) if self.channels_last and x.dim() == 4 else x


def plan_folding(task: AttributionTask, *, every_format: bool = False) -> FoldPlan:
    """Fold batch normalisations into convolutions, and return a plan for passes with them.

    Two passes record which convolution's output goes to one normalisation and nowhere else. Only weights
    that are the network's own tensors are folded, once. Networks that do not support channels last (they
    call `view` on a convolution's output) run in contiguous memory format.

    Args:
        task: the task: network, inputs and targets.
        every_format: fold in every dtype, where the result depends on folding (relevance propagation).
            Otherwise only float32 is folded: half precision would round the folded weights once more.

    Returns:
        The plan; without anything to fold, its contexts do nothing.
    """
    finder = _watched(task)
    module = task.net.module
    own = {id(tensor) for tensor in chain(module.parameters(), module.buffers())}
    pairs = finder.pairs() if every_format or task.net.dtype == torch.float32 else []
    pairs = [pair for pair in pairs if pair.within(own)]
    last = supports_channels_last(task.net, *task.inputs)
    layout = torch.channels_last if last else torch.contiguous_format
    with torch.no_grad():
        weights = {id(pair.weight): _laid_out(*pair.folded(), layout) for pair in pairs}
    return FoldPlan(weights, {id(pair.norm["running_mean"]) for pair in pairs}, last)


def _laid_out(weight: Tensor, bias: Tensor, layout: torch.memory_format) -> tuple[Tensor, Tensor]:
    """Convert the weight of a 2-d convolution to a memory format."""
    return (weight.contiguous(memory_format=layout) if weight.dim() == 4 else weight), bias


def _watched(task: AttributionTask) -> PairFinder:
    """Run one pass with one row for each set of layers that targets read, and record its pairs."""
    read = [frozenset((p.layer, p.call, p.key) for p in goal.places) for goal in task.objectives]
    rows = [read.index(places) for places in dict.fromkeys(read)]
    finder = PairFinder()
    with torch.no_grad():
        task.scores(task.repeated(rows), rows)  # the first pass of a network may run it several times
        with finder:
            task.scores(task.repeated(rows), rows)
    return finder
