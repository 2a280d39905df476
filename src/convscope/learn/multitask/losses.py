"""Losses of one output of a network, over the samples that have a target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convscope.errors import UsageError
from convscope.graph.spec import OutputSpec
from convscope.learn.multitask.recipe import OutputLoss
from convscope.nets import Net
from convscope.nets.activations.classifier_output import LOGITS
from convscope.nets.activations.tree import tree_leaves

ELEMENTWISE = {
    "bce": functional.binary_cross_entropy_with_logits,
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "smooth_l1": functional.smooth_l1_loss,
}
"""Losses that compare number by number."""
KINDS = {"cross_entropy": LOGITS, "bce": "binary_logits"}
"""What an output holds by its loss; `values` for the others."""


@dataclass(frozen=True)
class LossSums:
    """Hold what one output adds up over samples.

    Attributes:
        loss: sum of the losses, with its gradient.
        count: number of targets; missing ones are left out.
        second: sum of what is measured beside the loss: correct answers for `cross_entropy` and `bce`, else
            absolute errors.
    """

    loss: Tensor
    count: int
    second: Tensor

    @property
    def mean(self) -> Tensor:
        """Mean loss over the targets; 0 where there is none."""
        return self.loss / max(self.count, 1)


def loss_sums(part: OutputLoss, values: Tensor, targets: Tensor) -> LossSums:
    """Sum the losses of one output over the targets that are there.

    Args:
        part: the output in the recipe.
        values: what the network returned, `[b ...]`.
        targets: class indices `[b]`, -1 where one is missing; else numbers of as many elements as `values`,
            NaN where one is missing.

    Returns:
        The sums.
    """
    values = values.float()
    if part.loss == "cross_entropy":
        present = targets >= 0
        chosen, labels = values[present], targets[present]
        loss = functional.cross_entropy(chosen, labels, reduction="sum")
        return LossSums(loss, len(labels), (chosen.argmax(1) == labels).sum())
    flat, numbers = values.flatten(1), targets.flatten(1).to(values.dtype)
    present = ~numbers.isnan()
    chosen, wanted = flat[present], numbers[present]
    loss = ELEMENTWISE[part.loss](chosen, wanted, reduction="sum")
    if part.loss == "bce":
        second = ((chosen > 0) == (wanted > 0.5)).sum()
    else:
        second = (chosen - wanted).detach().abs().sum()
    return LossSums(loss, len(wanted), second)


def named_outputs(net: Net, result: Any) -> dict[str, Tensor]:
    """Return a network's outputs by name.

    Args:
        net: the network.
        result: what it returned: tensors in a dict, a tuple or a list; or one tensor.

    Returns:
        Tensors by their keys or indices; one tensor alone under the name `""`.
    """
    return dict(tree_leaves(result))


def output_of(part: OutputLoss, outputs: Mapping[str, Tensor]) -> Tensor:
    """Return the tensor of an output; the only one has any name.

    Args:
        part: the output in the recipe.
        outputs: what the network returned, by name.

    Returns:
        The tensor `[b ...]`.

    Raises:
        UsageError: there is none of that name.
    """
    if part.name in outputs:
        return outputs[part.name]
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    raise UsageError(
        f"an output of the network: {', '.join(outputs)}", received=part.name, hint="Its name in [[outputs]]."
    )


def output_spec(part: OutputLoss, outputs: Mapping[str, Tensor], classes: tuple[str, ...]) -> OutputSpec:
    """Describe a trained output.

    Args:
        part: the output in the recipe.
        outputs: what the network returned, by name.
        classes: names of its units; may be empty.

    Returns:
        The specification.
    """
    name = part.name if part.name in outputs else ""
    return OutputSpec(part.kind or KINDS.get(part.loss, "values"), classes, name)


def check_shape(part: OutputLoss, values: Tensor, targets: Tensor, classes: Sequence[str]) -> None:
    """Check that an output fits its targets.

    Args:
        part: the output in the recipe.
        values: what the network returned, `[b ...]`.
        targets: its targets `[n ...]`.
        classes: names of the classes of `cross_entropy`; as many as there are units, where they are unknown.

    Raises:
        UsageError: it does not.
    """
    shape = tuple(values.shape[1:])
    if part.loss == "cross_entropy":
        units = len(classes) or max(int(targets.max()) + 1, shape[0] if shape else 0)
        if shape != (units,):
            raise UsageError(
                f"an output {part.name} of {units} units, one for each class",
                received="x".join(map(str, shape)) or "one number",
                hint=f"Let its last layer be: dense {units}",
            )
        return
    wanted = tuple(targets.shape[1:])
    if torch.Size(shape).numel() != torch.Size(wanted).numel() or (len(wanted) > 1 and shape != wanted):
        raise UsageError(
            f"an output {part.name} of {'x'.join(map(str, wanted))}, one number for each of its targets",
            received="x".join(map(str, shape)) or "one number",
            hint="Name as many target columns as it has units, or change its last layer.",
        )
