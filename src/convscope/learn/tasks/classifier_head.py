"""Reading a classifier's output as one score per class, and the cross-entropy of it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convscope.errors import UsageError
from convscope.nets import Net, frozen

TINY = 1e-30
"""Lower bound of probabilities before the logarithm."""


@dataclass(frozen=True)
class ClassifierHead:
    """Define how a classifier's output is read.

    Networks end in logits, in log-probabilities, in negative squared distances (LeNet-5), which all go
    through a softmax as they are, or in probabilities, which must not go through a second softmax.

    Attributes:
        classes: number of classes.
        probabilities: whether the output is a probability distribution over the classes.
    """

    classes: int
    probabilities: bool = False

    def logits(self, output: Any) -> Tensor:
        """Convert the network's output to logits.

        Args:
            output: what the network returned: a tensor, or a tuple or dict whose first tensor counts.

        Returns:
            Scores `[b classes]` in fp32, whose softmax is the predicted distribution.
        """
        scores = first_tensor(output).flatten(1).float()
        return scores.clamp_min(TINY).log() if self.probabilities else scores

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Compute the mean cross-entropy.

        Args:
            logits: scores `[b classes]`, from `logits`.
            labels: class indices `[b]`.
            smoothing: label smoothing, 0 to 1.

        Returns:
            A scalar tensor, in nats.
        """
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)


def first_tensor(output: Any) -> Tensor:
    """Return the first tensor of a network's output.

    Args:
        output: a tensor, or a tuple, list or dict of them, nested or not; auxiliary outputs come later in it.

    Returns:
        The tensor itself, or the first one in it.

    Raises:
        UsageError: there is no tensor.
    """
    while not isinstance(output, Tensor):
        values = list(output.values()) if isinstance(output, dict) else list(output or ())
        if not values:
            raise UsageError("a network that returns a tensor", received=type(output).__name__)
        output = values[0]
    return output


def read_head(net: Net, classes: int, source: str) -> ClassifierHead:
    """Find out how a classifier's output is read, from the output for one random input.

    The output is taken for probabilities if it is nowhere negative and sums to 1.

    Args:
        net: classifier; left unchanged.
        classes: number of classes of the data.
        source: name of the data, for messages.

    Returns:
        The number of classes, and whether the output is a distribution.

    Raises:
        UsageError: the network has several inputs, or its number of outputs is not that of the classes.
    """
    if len(net.input_specs) != 1:
        raise UsageError(
            "a network with one input to learn classes", received=f"{len(net.input_specs)} inputs"
        )
    example = sized_example(net)
    with torch.no_grad(), frozen(net.module):
        output = first_tensor(net(example)).flatten(1).float()
    if output.shape[1] != classes:
        raise UsageError(
            f"a network with {classes} outputs, one for each class of {source}",
            received=f"{net.name} has {output.shape[1]}",
            hint="Choose a network or data of the same number of classes.",
        )
    totals = output.sum(1)
    is_distribution = (
        classes > 1
        and bool((output >= 0).all())
        and torch.allclose(totals, torch.ones_like(totals), atol=1e-3)
    )
    return ClassifierHead(classes, is_distribution)


def sized_example(net: Net, batch: int = 1) -> Tensor:
    """Return random inputs, uniform over the spec's value range; the same ones at every call.

    Args:
        net: network with the spec and the device.
        batch: number of inputs.

    Returns:
        Inputs `[batch c ...]` on the network's device.
    """
    spec = net.input_spec
    generator = torch.Generator().manual_seed(0)
    low, high = spec.value_range
    return (torch.rand(batch, *spec.shape, generator=generator) * (high - low) + low).to(net.device)
