"""Diagnosis of a loss, weight or activation that is NaN or infinite."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convscope.errors import TrainingError, UsageError
from convscope.nets import Net
from convscope.nets.activations.tree import tree_leaves
from convscope.worlds import Batch

MODERATE = 0.1
"""Highest learning rate that is suggested after NaN: a tenth of an absurd one is absurd."""


@dataclass(frozen=True)
class TrainingStep:
    """A step of a training, as errors name it.

    Attributes:
        epoch: counted from 1.
        number: of the step in its epoch, counted from 1.
        lr: its learning rate.
        precision: `fp32`, `bf16` or `fp16`.
        lr_flag: the flag of the highest learning rate, for hints.
    """

    epoch: int
    number: int
    lr: float
    precision: str
    lr_flag: str = "--lr"

    def __str__(self) -> str:
        return f"epoch {self.epoch}, step {self.number}, learning rate {self.lr:.3g}, {self.precision}"

    @property
    def hint(self) -> str:
        """What helps against losses and weights that are not finite, without the full stop."""
        lower = min(self.lr / 10, MODERATE)
        return f"Begin again with a lower learning rate ({self.lr_flag} {lower:.2g}), or --clip 1"


def nan_diagnosis(net: Net, batch: Batch, run: Callable[[], object], step: TrainingStep) -> TrainingError:
    """Find what first was NaN or infinite, after a batch whose loss is.

    In this order: the inputs and targets, the weights, the activations of the layers as they run.

    Args:
        net: network in the state in which the batch was computed.
        batch: the batch, as it went into the network.
        run: computes the losses of the batch again.
        step: the step of the batch.

    Returns:
        The error to raise, with cause and hint.
    """
    if not all(bool(torch.isfinite(x).all()) for _, x in tree_leaves((batch.inputs, batch.targets))):
        return TrainingError(
            "finite numbers in the data",
            received=f"NaN or infinity in a batch at {step}",
            hint="Look at how the samples are made: a division by zero, a logarithm of zero.",
        )
    broken = [name for name, p in net.module.named_parameters() if not bool(torch.isfinite(p).all())]
    if broken:
        layer = broken[-1].rpartition(".")[0] or broken[-1]
        cause = (
            f"the step before had NaN or infinite gradients from {layer} backwards ({len(broken)} tensors)"
        )
    else:
        layer = first_broken(net.module, run)
        cause = (
            f"{layer} was the first layer with NaN or infinite activations" if layer else "only the loss is"
        )
    hint = step.hint + ("." if step.precision == "fp32" else ", or --precision fp32.")
    return TrainingError("a finite loss", received=f"{cause}, at {step}", hint=hint)


def broken_elsewhere(step: TrainingStep) -> TrainingError:
    """Return the error for a loss that is NaN or infinite in another of the processes that train together.

    Args:
        step: the step of the batch.

    Returns:
        The error to raise.
    """
    return TrainingError(
        "a finite loss",
        received=f"NaN or infinity in another process, at {step}",
        hint=f"That process says where it began. {step.hint}.",
    )


def broken_state(where: str, step: TrainingStep) -> TrainingError:
    """Return the error for weights, entries of an optimizer or sums that are NaN or infinite.

    Args:
        where: which of them.
        step: the last step done.

    Returns:
        The error to raise.
    """
    return TrainingError(
        "finite numbers in weights and optimizer",
        received=f"NaN or infinity in {where}, {step}",
        hint=f"{step.hint}.",
    )


def first_broken(module: nn.Module, run: Callable[[], object]) -> str:
    """Find the first layer whose output is NaN or infinite.

    Args:
        module: its submodules without children are watched by forward hooks.
        run: runs the module.

    Returns:
        Name of the first such layer in the order in which they run; empty if there is none.
    """
    broken: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
                broken.append(name)

        return note

    leaves = [(name, part) for name, part in module.named_modules() if name and not any(part.children())]
    handles = [part.register_forward_hook(watch(name)) for name, part in leaves]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return broken[0] if broken else ""


def not_finite(module: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """Find the first trainable weight or optimizer entry that is NaN or infinite.

    Buffers are not checked: a mask may hold minus infinity on purpose.

    Args:
        module: module whose trainable parameters are checked.
        tensors: tensors of a state, named `model/...` and `optimizer/...`.

    Returns:
        Its name, without `model/` for a weight; empty if all are finite.
    """
    learned = {f"model/{name}" for name, weight in module.named_parameters() if weight.requires_grad}
    for name, value in tensors.items():
        counts = name in learned or name.startswith("optimizer/")
        if counts and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return name.partition("/")[2] if name in learned else name
    return ""


def one_value(net: Net, error: Exception, batch: int) -> UsageError | None:
    """Explain torch's error `Expected more than 1 value per channel` of batch normalisation.

    With a single value per channel, subtracting the mean over batch and positions would leave nothing.

    Args:
        net: network in training.
        error: what its forward pass raised.
        batch: samples in the batch.

    Returns:
        The error to raise in its place; None for any other error.
    """
    if "more than 1 value per channel" not in str(error):
        return None
    names = [name for name, part in net.module.named_modules() if "BatchNorm" in type(part).__name__]
    return UsageError(
        f"more than one value per channel for the batch normalisation of {net.name} to learn from "
        f"({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})",
        received=f"a batch of {batch}, with one position at one of these layers",
        hint="Use batches of two or more (--batch 2); in a DataLoader, drop_last=True.",
    )
