"""What a network answers, as one score per class, and the loss on it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convscope.errors import UsageError
from convscope.nets import Net, frozen

TINY = 1e-30
"""Probabilities are taken to be at least this before the logarithm."""


@dataclass(frozen=True)
class ClassifierHead:
    """How to read a classifier's output.

    Networks end in logits, in log-probabilities, in minus squared distances (LeNet-5) - a softmax over all of
    these is right as it is - or in probabilities, which must not go through a second softmax.
    """

    classes: int
    probabilities: bool = False

    def logits(self, output: Any) -> Tensor:
        """Scores `[b classes]` in fp32, whose softmax is the network's answer."""
        scores = first_tensor(output).flatten(1).float()
        return scores.clamp_min(TINY).log() if self.probabilities else scores

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean cross-entropy, in nats."""
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)


def first_tensor(output: Any) -> Tensor:
    """The tensor itself, or the first one in a tuple or dict (auxiliary outputs follow)."""
    while not isinstance(output, Tensor):
        values = list(output.values()) if isinstance(output, dict) else list(output or ())
        if not values:
            raise UsageError("a network that returns a tensor", received=type(output).__name__)
        output = values[0]
    return output


def read_head(net: Net, classes: int, source: str) -> ClassifierHead:
    """Look at one answer of the network, and check that it fits the data.

    Args:
        net: the network; afterwards as it was.
        classes: how many the data has.
        source: what to call the data in a message.

    Raises:
        UsageError: the network has several inputs, or another number of outputs than the data has classes.
    """
    if len(net.contracts) != 1:
        raise UsageError("a network with one input to learn classes", received=f"{len(net.contracts)} inputs")
    example = sized_example(net)
    with torch.no_grad(), frozen(net.module):
        answer = first_tensor(net(example)).flatten(1).float()
    if answer.shape[1] != classes:
        raise UsageError(
            f"a network with {classes} outputs, one for each class of {source}",
            received=f"{net.name} has {answer.shape[1]}",
            hint="Choose a network or data of the same number of classes.",
        )
    summed = answer.sum(1)
    is_distribution = (
        classes > 1
        and bool((answer >= 0).all())
        and torch.allclose(summed, torch.ones_like(summed), atol=1e-3)
    )
    return ClassifierHead(classes, is_distribution)


def sized_example(net: Net, batch: int = 1) -> Tensor:
    """Random inputs over the contract's range, always the same."""
    contract = net.contract
    generator = torch.Generator().manual_seed(0)
    low, high = contract.value_range
    return (torch.rand(batch, *contract.shape, generator=generator) * (high - low) + low).to(net.device)
