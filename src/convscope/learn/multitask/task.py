"""Training of a network of several inputs and outputs: the weighted sum of a loss for each output."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Self

import torch
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.learn.multitask.losses import (
    check_shape,
    loss_sums,
    named_outputs,
    output_of,
    output_spec,
)
from convscope.learn.multitask.recipe import MultitaskRecipe, OutputLoss
from convscope.learn.tasks.classifiers.classifier_head import random_inputs
from convscope.learn.tasks.findings import Finding, NumberTable
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig
from convscope.system import processes
from convscope.system.counting import counted
from convscope.worlds import Batch
from convscope.worlds.datasets.table import ColumnDataset

SUMS = 3
"""Values that are summed for each output: loss, targets, and what is measured beside the loss."""
ACCURATE = ("cross_entropy", "bce")
"""Losses beside which the accuracy is measured; beside the others it is the mean absolute error."""


@dataclass(frozen=True)
class OutputScore:
    """What a test found about one output.

    Attributes:
        output: the output in the recipe.
        loss: mean loss; NaN without targets.
        second: accuracy, or mean absolute error.
        baseline: the same of the best answer that does not look at the input; NaN where it is not known.
        targets: number of targets.
        missing: number of samples (of numbers, where there are several for a sample) without one.
    """

    output: OutputLoss
    loss: float
    second: float
    baseline: float
    targets: int
    missing: int

    def to_json(self) -> dict[str, Any]:
        """Return everything, JSON-ready; NaN becomes None."""
        second = "accuracy" if self.output.loss in ACCURATE else "mean_absolute_error"
        numbers = {"loss": self.loss, second: self.second, "baseline": self.baseline}
        found = {name: value if isfinite(value) else None for name, value in numbers.items()}
        return {
            "weight": self.output.weight,
            "loss_function": self.output.loss,
            **found,
            "targets": self.targets,
            "missing": self.missing,
        }


class Multitask(Task):
    """Train several outputs at once, each with a loss, a weight and targets of its own.

    The loss of a batch is the sum over the outputs of `weight * mean`, where the mean is over the targets
    that the batch has of this output. An output of weight 0 is measured and has no part in the loss: what
    only it reads gets no gradient, so that the optimizer leaves it as it is, without weight decay.

    Args:
        outputs: one for each output that learns, or is measured.
        classes: names of the classes of outputs by name, where the data does not say them.

    Source: Caruana 1997, Multitask Learning.
    """

    primary_metric = "loss"

    def __init__(
        self, outputs: Sequence[OutputLoss], classes: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.losses = tuple(outputs)
        self.classes = {name: tuple(names) for name, names in (classes or {}).items()}
        self.metric_sums = SUMS * len(self.losses)
        self.metric_specs = (
            MetricSpec("loss", form=".4f"),
            *(spec for part in self.losses for spec in _specs(part)),
        )

    @classmethod
    @override
    def from_recipe(cls, recipe: MultitaskRecipe) -> Self:
        return cls(recipe.outputs)

    @override
    def settings(self) -> Mapping[str, Any]:
        return {"outputs": self.losses}

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that the network has every output, and that each fits its targets.

        Args:
            net: network to train; left unchanged.
            data: a `Dataset` or a loader whose batches have targets by the name of their output.
            recipe: its `gradient_accumulation_steps` says whether batches are computed in parts.

        Returns:
            The network, with a specification of each output, in the recipe's order.

        Raises:
            UsageError: an output is missing, or has another shape than its targets; or batches are computed
                in parts, and targets are missing.
            DataError: an output has no targets at all.
        """
        with torch.no_grad(), frozen(net.module):
            outputs = named_outputs(net, net(*random_inputs(net, 2)))
        targets = data.targets if isinstance(data, ColumnDataset) else {}
        self._check_parts(data, recipe)
        specs = []
        for part in self.losses:
            values = output_of(part, outputs)
            classes = part.classes or self.classes.get(part.name, ())
            if part.name in targets:
                check_shape(part, values, targets[part.name], classes)
                if not int(_present(part, targets[part.name]).sum()):
                    raise DataError(
                        f"targets of the output {part.name} in {data.name}",
                        received="empty cells alone",
                        hint="Fill in its column, or leave the output out.",
                    )
            specs.append(output_spec(part, outputs, classes or _units(part, values)))
        return replace(net, output_specs=tuple(specs))

    def _check_parts(self, data: Any, recipe: Any) -> None:
        """Refuse parts of batches, or several processes, where each part would have other missing targets.

        A part counts by its samples, and an output's mean is over its targets: the sum would be another one.
        """
        parts = getattr(recipe, "gradient_accumulation_steps", 1)
        if parts == 1 and processes.count() == 1:
            return
        whole = isinstance(data, ColumnDataset) and not any(self.missing(data).values())
        if not whole:
            raise UsageError(
                "targets of every output for every sample, where batches are computed in parts",
                received=getattr(data, "name", type(data).__name__) + ", in which that is not so",
                hint="Train in one process, without --gradient-accumulation-steps.",
            )

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the weighted sum of the losses of a batch.

        Args:
            net: network to train.
            batch: inputs in the specs' ranges, and targets by the name of their output.
            execution: precision and memory format of the forward pass.
            step: step of the training, from 0; not used.

        Returns:
            The loss, and for each output the sums `[3]` of its losses, its targets and its correct answers or
            absolute errors.
        """
        with execution.autocast(batch.device):
            result = net(*map(execution.to_memory_format, batch.inputs))
        outputs = named_outputs(net, result)
        sums = [loss_sums(part, output_of(part, outputs), _target(part, batch)) for part in self.losses]
        weighted = [
            part.weight * found.mean for part, found in zip(self.losses, sums, strict=True) if part.weight
        ]
        stacked = torch.stack(
            [
                torch.stack(
                    (s.loss.detach().double(), s.second.new_tensor(s.count).double(), s.second.double())
                )
                for s in sums
            ]
        )
        return StepOutput(torch.stack(weighted).sum(), stacked.flatten())

    @override
    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """Compute the mean losses, accuracies and errors over all targets, and the weighted sum.

        An output without targets so far has none, and no part in the sum.
        """
        found: dict[str, float] = {"loss": 0.0}
        for index, part in enumerate(self.losses):
            loss, count, second = sums[SUMS * index : SUMS * (index + 1)]
            if not count:
                continue
            first_spec, second_spec = _specs(part)
            found[first_spec.name], found[second_spec.name] = loss / count, second / count
            found["loss"] += part.weight * loss / count if part.weight else 0.0
        return found

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate every output on held-out data, in float32.

        Args:
            net: network to evaluate; left unchanged.
            data: as for `prepare`.
            execution: precision and memory format of the training.

        Returns:
            The metrics, a sentence for each output, and as evidence an `OutputScore` for each.
        """
        metrics = super().evaluate(net, data, execution).metrics
        scores = tuple(self._score(part, metrics, data) for part in self.losses)
        return EvalResult(
            metrics,
            summary=tuple(map(_sentence, scores)),
            details={"outputs": {score.output.name: score.to_json() for score in scores}},
            evidence=scores,
        )

    def missing(self, data: ColumnDataset) -> dict[str, int]:
        """Count the samples that lack a target.

        Args:
            data: samples.

        Returns:
            Samples by output, of which a target is missing (one of them, where there are several numbers).
        """
        present = {part.name: _present(part, data.targets[part.name]) for part in self.losses}
        return {name: int((~there.view(len(data), -1).all(1)).sum()) for name, there in present.items()}

    def without_gradient(self, net: Net) -> list[str]:
        """Return the parameters that no output of a weight above 0 depends on.

        Args:
            net: network to train; left unchanged.

        Returns:
            Their names: those that the training leaves as they are.
        """
        copy = net.with_module(deepcopy(net.module).eval())
        parameters = {name: p for name, p in copy.module.named_parameters() if p.requires_grad}
        with torch.enable_grad():
            outputs = named_outputs(copy, copy(*random_inputs(net, 2)))
            read = torch.stack([output_of(part, outputs).sum() for part in self.losses if part.weight]).sum()
            gradients = torch.autograd.grad(read, list(parameters.values()), allow_unused=True)
        return [name for name, found in zip(parameters, gradients, strict=True) if found is None]

    def _score(self, part: OutputLoss, metrics: Mapping[str, float], data: Any) -> OutputScore:
        loss, second = (metrics.get(spec.name, float("nan")) for spec in _specs(part))
        if not isinstance(data, ColumnDataset):
            return OutputScore(part, loss, second, float("nan"), 0, 0)
        targets = data.targets[part.name]
        present = _present(part, targets)
        known = int(present.sum())
        return OutputScore(
            part, loss, second, _baseline(part, targets, present), known, present.numel() - known
        )

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return the table of the outputs: weights, losses, and what is measured beside them.

        Args:
            net: not used.
            data: not used.
            tested: what `evaluate` returned.

        Returns:
            One table.
        """
        if not isinstance(tested.evidence, tuple):
            return ()
        return (_table(tested.evidence),)


def _specs(part: OutputLoss) -> tuple[MetricSpec, MetricSpec]:
    """Return the metrics of an output: its loss, and its accuracy or mean absolute error."""
    first = MetricSpec(f"{part.name}_loss", f"{part.name} loss", ".4g", optional=True)
    if part.loss in ACCURATE:
        name = f"{part.name} accuracy"
        second = MetricSpec(
            f"{part.name}_accuracy", name, ".2%", higher_is_better=True, low=0, high=1, optional=True
        )
    else:
        second = MetricSpec(f"{part.name}_mae", f"{part.name} MAE", ".4g", low=0, optional=True)
    return first, second


def _units(part: OutputLoss, values: Tensor) -> tuple[str, ...]:
    """Return names of an output's units: the columns of its targets, where there is one for each."""
    return part.columns if values[0].numel() == len(part.columns) and not part.kind else ()


def _target(part: OutputLoss, batch: Batch) -> Tensor:
    """Return the targets of an output in a batch."""
    found = batch.targets.get(part.name) if isinstance(batch.targets, dict) else None
    if not isinstance(found, Tensor):
        raise DataError(
            f"targets by the name of their output, {part.name} among them",
            received=", ".join(map(str, batch.targets))
            if isinstance(batch.targets, dict)
            else type(batch.targets).__name__,
            hint="Let the loader yield (inputs, {output: targets}).",
        )
    return found


def _present(part: OutputLoss, targets: Tensor) -> Tensor:
    """Return which targets are there."""
    return targets >= 0 if part.loss == "cross_entropy" else ~targets.isnan()


def _baseline(part: OutputLoss, targets: Tensor, present: Tensor) -> float:
    """Measure the best constant answer: the most frequent class, or the median of each number."""
    if not bool(present.any()):
        return float("nan")
    if part.loss == "cross_entropy":
        known = targets[present]
        return known.bincount().max().item() / len(known)
    flat, there = targets.flatten(1).double(), present.flatten(1)
    if part.loss == "bce":
        ones = ((flat > 0.5) & there).sum(0)
        return int(torch.maximum(ones, there.sum(0) - ones).sum()) / int(there.sum())
    return float((flat - flat.nanmedian(0).values).abs().nansum() / there.sum())


def _sentence(score: OutputScore) -> str:
    """Say what a test found about one output."""
    first, second = _specs(score.output)
    if not isfinite(score.loss):
        return f"{score.output.name}: no targets to test on."
    values = {first.name: score.loss, second.name: score.second}
    text = f"{first.heading} {first.text(values)}, {second.heading} {second.text(values)}"
    if isfinite(score.baseline):
        constant = "the most frequent answer" if score.output.loss in ACCURATE else "the median"
        text += f"; always {constant}: {second.text({second.name: score.baseline})}"
    if score.missing:
        are = "is" if score.missing == 1 else "are"
        of = counted(score.targets + score.missing, "target")
        text += f"; {score.missing:,} of {of} {are} missing and left out"
    if not score.output.weight:
        text += "; weight 0: it is measured, and nothing is learned from it"
    return f"{text}."


def _table(scores: Sequence[OutputScore]) -> NumberTable:
    """Lay out what a test found about the outputs."""
    heads = (
        ("loss", "损失函数"),
        ("weight", "权重"),
        ("test loss", "测试损失"),
        ("accuracy or MAE", "准确率或平均绝对误差"),
        ("constant", "常数答案"),
        ("targets", "目标数"),
    )
    rows = []
    for score in scores:
        first, second = _specs(score.output)
        shown = {
            first.name: score.loss if isfinite(score.loss) else None,
            second.name: score.second if isfinite(score.second) else None,
        }
        baseline = {second.name: score.baseline if isfinite(score.baseline) else None}
        cells = (
            score.output.loss,
            f"{score.output.weight:g}",
            first.text(shown) or "–",
            second.text(shown) or "–",
            second.text(baseline) or "–",
            f"{score.targets:,}",
        )
        rows.append(({"en": score.output.name, "zh": score.output.name}, cells))
    return NumberTable(
        title={"en": "What each output has learned", "zh": "每个输出学到了什么"},
        heads=[{"en": en, "zh": zh} for en, zh in heads],
        rows=rows,
        caption={
            "en": "Each output has a loss of its own; training minimises their weighted sum. MAE is the mean "
            "absolute error. Samples without a target of an output count for the others. Constant is the "
            "best answer without an input: the most frequent class, or the median, of the test itself. Of an "
            "output with the weight 0 nothing is learned.",
            "zh": "每个输出都有自己的损失,训练最小化它们的加权和。缺少某个输出目标的样本仍用于其他输出。"
            "常数答案是测试集本身最常见的类别或中位数,即忽略输入时最好的答案。权重为 0 的输出只测量,不学习。",
        },
    )
