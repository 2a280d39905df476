"""Which weights a training tests and saves: those of the last step, their average, or the best epoch's."""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import UsageError
from convscope.learn.recipe import TrainRecipe
from convscope.learn.tasks.metrics import MetricSpec, formatted
from convscope.learn.trainer.events import Epoch
from convscope.learn.trainer.freezing.freezer import Freezer
from convscope.learn.trainer.state import State
from convscope.nets import Net
from convscope.nets.io.weights import load_weights
from convscope.system.counting import counted
from convscope.worlds import Dataset

FEW = 30
"""Samples below which the choice of an epoch is little more than chance: each is worth over 3 points."""
LARGEST_SHARE = 0.5
"""Largest share that a recipe's `validation_split` may hold out."""
LOSS = "loss"
"""Metric of the validation data that decides between epochs whose primary metric is the same."""
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

        Epochs are compared by the primary metric, then by the loss; of two that are equal in both the later
        one is kept, which is no improvement that the patience would wait for.

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
        best, rank = best_epoch(history), _rank(epoch, metric)
        before = None if best is None else _rank(best, metric)
        chosen = rank is not None and (before is None or rank >= before)
        if chosen:
            self.best = _copied(self.evaluated(net).module)
        if rank is not None and (before is None or rank > before):
            since = 0
        else:  # an epoch that is merely as good is kept, but nothing has improved
            improved = (past.index for past in history if past.best and _rank(past, metric) == before)
            since = epoch.index - max(self.first, min(improved, default=0))
        return replace(epoch, best=chosen, stopped=since >= self.patience and epoch.index < epoch.epochs)

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
    tied = deciding_loss(epochs, metric)
    value = metric.text(best.validation_metrics) + (f"; among equal ones by its loss, {tied}" if tied else "")
    text = f"Kept: epoch {best.index} of {len(epochs)}, the best by validation {metric.heading} ({value})"
    return f"{text}; the training ended early." if epochs[-1].stopped else f"{text}."


def deciding_loss(epochs: Sequence[Epoch], metric: MetricSpec) -> str:
    """Return the validation loss of the best epoch, where others have the same primary metric.

    Args:
        epochs: the finished epochs.
        metric: the task's primary metric.

    Returns:
        The number as text; empty where the primary metric alone has decided.
    """
    best = best_epoch(epochs)
    loss = None if best is None or metric.name == LOSS else best.validation_metrics.get(LOSS)
    if best is None or loss is None:
        return ""
    value = best.validation_metrics.get(metric.name)
    equal = [epoch for epoch in epochs if epoch.validation_metrics.get(metric.name) == value]
    return formatted(loss, ".4f") if len(equal) > 1 else ""


@dataclass(frozen=True)
class FewToChooseBy:
    """State that few samples choose the epoch whose weights a run keeps, or the temperature of its output.

    Attributes:
        count: number of samples of the validation part, 1 to `FEW - 1`.
        points: percentage points of the metric that each of them is worth; None for a metric of which that
            cannot be said.
        share: the `validation_split` that would hold out about `FEW`; None where none can.
        fitted: whether they choose the temperature alone.
    """

    count: int
    points: float | None
    share: float | None
    fitted: bool = False

    @property
    def text(self) -> Mapping[str, str]:
        """How many choose, what each is worth, and what helps, by language (`en`, `zh`)."""
        chosen = ("The epoch to keep is chosen by", "保留哪一轮由", "--patience")
        if self.fitted:
            chosen = ("The temperature of the calibration is fitted on", "校准的温度由", "--calibrate")
        en = f"{chosen[0]} {counted(self.count, 'validation sample')}"
        zh = f"{chosen[1]} {self.count} 个验证样本决定"
        if self.points is not None and not self.fitted:
            en += f", each worth {self.points:.3g} percentage points"
            zh += f"，每个样本相当于 {self.points:.3g} 个百分点"
        more = ("take more samples", "增加样本")
        if self.share is not None:
            split = f"--validation-split {self.share:g}"
            more = (f"hold out more of them ({split})", f"留出更多样本（{split}）")
        return {
            "en": f"{en}: that is little more than chance. To mend it, {more[0]}, or leave {chosen[2]} out.",
            "zh": f"{zh}：这样的选择与偶然相差无几。请{more[1]}，或去掉 {chosen[2]}。",
        }


def few_to_choose_by(
    recipe: TrainRecipe, train: Any, validation: Any, metric: MetricSpec
) -> FewToChooseBy | None:
    """Return whether few samples choose the epoch that a training keeps, or the temperature of its output.

    Args:
        recipe: recipe with `patience`, and with `calibrate` where its task has it.
        train: what is learned from, without the validation part.
        validation: the validation part.
        metric: the task's primary metric.

    Returns:
        What was found; None where `FEW` or more choose, or none, or where their number is not known.
    """
    fitted = recipe.patience is None
    chooses = getattr(recipe, "calibrate", False) if fitted else True
    if not chooses or not isinstance(validation, Dataset) or not 0 < len(validation) < FEW:
        return None
    count = len(validation)
    points = 100 / count if metric.name == "accuracy" else None
    every = count + len(train) if isinstance(train, Dataset) else count
    share = math.ceil(100 * FEW / every) / 100
    return FewToChooseBy(count, points, share if share <= LARGEST_SHARE else None, fitted)


def _rank(epoch: Epoch, metric: MetricSpec) -> tuple[float, float] | None:
    """Return what epochs are compared by, larger for better ones; None without the primary metric."""
    value, loss = (epoch.validation_metrics.get(name) for name in (metric.name, LOSS))
    if value is None:
        return None
    return (value if metric.higher_is_better else -value), (-math.inf if loss is None else -loss)


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
