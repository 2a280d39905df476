"""Reading a classifier's output as one score per class, and the cross-entropy of it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convscope.errors import UsageError
from convscope.nets import Net, frozen
from convscope.nets.activations.classifier_output import (
    INDEPENDENT,
    LOGITS,
    PROBABILITIES,
    SCORES,
    independent_logits,
    output_kind,
    select_output,
)

TINY = 1e-30
"""Lower bound of probabilities before the logarithm."""


@dataclass(frozen=True)
class ClassifierHead:
    """Define how a classifier's output is read.

    Networks end in logits, in log-probabilities, in negative squared distances (LeNet-5), which all go
    through a softmax as they are, in probabilities, which must not go through a second softmax, or in
    probabilities of each class on its own.

    Attributes:
        net: the classifier, for the specification of its output.
        classes: number of classes.
        kind: what the output is: logits, or a kind that is converted to them.
    """

    net: Net
    classes: int
    kind: str = LOGITS

    def logits(self, output: Any) -> Tensor:
        """Convert the network's output to logits.

        Args:
            output: what the network returned (see `select_output`).

        Returns:
            Scores `[b classes]` in fp32, divided by the temperature of the network's output; their softmax is
            the predicted distribution.
        """
        scores, temperature = _output_rows(self.net, output), self.net.output_spec.temperature
        if self.kind == PROBABILITIES:
            scores = scores.clamp_min(TINY).log()
        elif self.kind == INDEPENDENT:
            scores = independent_logits(scores)
        return scores if temperature == 1 else scores / temperature

    def loss(
        self, logits: Tensor, labels: Tensor, smoothing: float = 0.0, weight: Tensor | None = None
    ) -> Tensor:
        """Compute the mean cross-entropy.

        Args:
            logits: scores `[b classes]`, from `logits`.
            labels: class indices `[b]`.
            smoothing: label smoothing, 0 to 1.
            weight: weight of each class `[classes]`; the mean is then over weights.

        Returns:
            A scalar tensor, in nats.
        """
        return functional.cross_entropy(logits, labels, weight, label_smoothing=smoothing)


def read_head(net: Net, classes: int, source: str, hint: str = "") -> ClassifierHead:
    """Find out how a classifier's output is read, from the output for one random input.

    What the output's specification declares counts; else it is taken for probabilities if it is nowhere
    negative and sums to 1.

    Args:
        net: classifier; left unchanged.
        classes: number of classes of the data.
        source: name of the data, for messages.
        hint: the next step where the number of outputs is another one; a general one if empty.

    Returns:
        The number of classes, and whether the output is a distribution.

    Raises:
        UsageError: the network has another number of outputs, or is declared to return no scores of classes.
    """
    with torch.no_grad(), frozen(net.module):
        output = _output_rows(net, net(*random_inputs(net)))
    if output.shape[1] != classes:
        raise UsageError(
            f"a network with {classes} outputs, one for each class of {source}",
            received=f"{net.name} has {output.shape[1]:,}",
            hint=hint or "Choose a network or data of the same number of classes.",
        )
    kind = output_kind(net, output)
    if kind not in SCORES:
        raise UsageError(
            f"a network whose output is {', '.join(SCORES)}",
            received=f"{net.name}: {kind}",
            hint="Choose a classifier, or name its output: wrap(module, spec, output=OutputSpec('logits')).",
        )
    return ClassifierHead(net, classes, LOGITS if classes == 1 and kind == PROBABILITIES else kind)


def _output_rows(net: Net, output: Any) -> Tensor:
    """Return what a network returned as one row for each sample, `[b ...]`, in fp32."""
    found = select_output(net, output)
    if found is None:
        raise UsageError(
            "a network that returns a tensor",
            received=type(output).__name__,
            hint="Say which of its outputs is meant: OutputSpec(name=...), as select_output reads it.",
        )
    return found.flatten(1).float()


def random_inputs(net: Net, batch: int = 1) -> tuple[Tensor, ...]:
    """Return random inputs, uniform over the specs' value ranges; the same ones at every call.

    Args:
        net: network with the specs and the device.
        batch: number of samples.

    Returns:
        One tensor `[batch ...]` for each input, on the network's device; zeros for an input of indices.
    """
    generator = torch.Generator().manual_seed(0)
    made = []
    for spec in net.input_specs:
        low, high = spec.value_range
        values = torch.rand(batch, *spec.shape, generator=generator) * (high - low) + low
        made.append(
            (torch.zeros_like(values, dtype=torch.int64) if spec.is_integer else values).to(net.device)
        )
    return tuple(made)
