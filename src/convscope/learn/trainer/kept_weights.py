"""Which weights a training tests and saves: those of the last step, their average, or the best epoch's."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import UsageError
from convscope.learn.recipe import TrainRecipe
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.trainer.events import Epoch
from convscope.learn.trainer.freezing.freezer import Freezer
from convscope.learn.trainer.state import State
from convscope.nets import Net
from convscope.nets.io.weights import load_weights

WARMUP_POWER = 0.75
"""Exponent of the warm-up of the decay: after `step` steps it is at most `1 - step ** -WARMUP_POWER`, that is
0.97 after 100 and 0.999 after 10,000. timm recommends it for trainings of less than a million steps."""


class KeptWeights:
    """Keep the moving average of the weights and the best epoch's, as far as the recipe asks for them.

    The average (`ema`) is timm's `ModelEmaV3`, with its warm-up of the decay. Buffers such as the statistics
    of batch normalisation are averaged too, whole numbers are copied. Where that would be wrong (weights that
    several layers share, buffers with infinities), all buffers are copied.

    Args:
        module: module in training, with its initial weights.
        recipe: recipe with `ema` and `patience`.

    Attributes:
        best: parameters and buffers of the best epoch by name; empty before the first, or without `patience`.

    Raises:
        UsageError: an average is asked for of weights that are not in float32.
    """

    def __init__(self, module: nn.Module, recipe: TrainRecipe) -> None:
        self.patience = recipe.patience
        probed = getattr(recipe, "probe_epochs", 0)
        self.first = probed if probed < recipe.epochs else 0  # patience begins with the fine-tuning
        self.best: dict[str, Tensor] = {}
        self._average = None if recipe.ema is None else _average(module, recipe.ema)

    def update(self, module: nn.Module, step: int, freezer: Freezer | None = None) -> None:
        """Take the weights of a step into the average.

        Args:
            module: module in training.
            step: steps since the training began, this one included.
            freezer: what is frozen is copied: an average of equal numbers may differ in the last bit.
        """
        if self._average is not None:
            self._average.update(module, step)
            if freezer is not None:
                freezer.copy_to(self._average.module)

    def evaluated(self, net: Net) -> Net:
        """Return the network that is tested after an epoch.

        Args:
            net: network in training.

        Returns:
            One that runs the average, where there is one, else the same.
        """
        return net if self._average is None else net.with_module(self._average.module)

    def kept(self, net: Net) -> Net:
        """Return the network that the run saves.

        Args:
            net: network in training; left unchanged.

        Returns:
            One with the weights of the best epoch, or with the average, or the same.
        """
        evaluated = self.evaluated(net)
        if not self.best:
            return evaluated
        module = deepcopy(evaluated.module)
        module.load_state_dict(self.best)
        return net.with_module(module)

    def with_verdict(self, epoch: Epoch, history: Sequence[Epoch], metric: MetricSpec, net: Net) -> Epoch:
        """Decide whether an epoch is the best so far, and whether the training ends early after it.

        Args:
            epoch: the finished epoch, with its validation metrics.
            history: the epochs before.
            metric: the task's primary metric.
            net: network in training; its weights are kept where the epoch is the best.

        Returns:
            The epoch, with `best` and `stopped`; the same without `patience`.
        """
        if self.patience is None:
            return epoch
        best = best_epoch(history)
        value = epoch.validation_metrics.get(metric.name)
        before = None if best is None else best.validation_metrics.get(metric.name)
        better = value is not None and (
            before is None or (value > before if metric.higher_is_better else value < before)
        )
        if better:
            self.best = _copied(self.evaluated(net).module)
        since = 0 if better else epoch.index - max(self.first, 0 if best is None else best.index)
        return replace(epoch, best=better, stopped=since >= self.patience and epoch.index < epoch.epochs)

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of average and best epoch for a state, named `ema/<name>` and `best/<name>`."""
        average = {} if self._average is None else _copied(self._average.module)
        parts = {"ema": average, "best": self.best}
        return {f"{part}/{name}": tensor for part, found in parts.items() for name, tensor in found.items()}

    def restore(self, state: State) -> None:
        """Load average and best epoch from a state that was checked.

        Args:
            state: state to load from.
        """
        if self._average is not None:
            load_weights(self._average.module, state.part("ema"), "the run's state")
        self.best = state.part("best")


def best_epoch(epochs: Sequence[Epoch]) -> Epoch | None:
    """Return the best epoch of a training that stops early.

    Args:
        epochs: the finished epochs.

    Returns:
        The last that was the best so far; None where none was chosen.
    """
    return next((epoch for epoch in reversed(epochs) if epoch.best), None)


def best_epoch_text(epochs: Sequence[Epoch], metric: MetricSpec) -> str:
    """Say which epoch's weights a run keeps, and by what they were chosen.

    Args:
        epochs: the finished epochs.
        metric: the task's primary metric.

    Returns:
        A sentence; empty where no epoch was chosen.
    """
    best = best_epoch(epochs)
    if best is None:
        return ""
    value = metric.text(best.validation_metrics)
    text = f"Kept: epoch {best.index} of {len(epochs)}, the best by validation {metric.heading} ({value})"
    return f"{text}; the training ended early." if epochs[-1].stopped else f"{text}."


def _average(module: nn.Module, decay: float) -> Any:
    """Return timm's moving average of a module; timm is slow to import."""
    from timm.utils.model_ema import ModelEmaV3

    if any(p.dtype != torch.float32 for p in module.parameters()):
        raise UsageError(
            "weights in float32 for a moving average",
            received=", ".join(sorted({str(p.dtype) for p in module.parameters()})),
            hint="Convert them: net.module.float().",
        )
    names = len(list(module.named_parameters(remove_duplicate=False)))
    shared = names > len(list(module.parameters()))
    infinite = any(b.is_floating_point() and not bool(b.isfinite().all()) for b in module.buffers())
    return ModelEmaV3(
        module,
        decay=decay,
        use_warmup=True,
        warmup_power=WARMUP_POWER,
        exclude_buffers=shared or infinite,
    )


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
