"""Self-organization of a Neocognitron: competitive learning, stage by stage, without labels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.batches.source import iter_batches
from convscope.learn.tasks.findings import Finding, ImageRows, NumberTable, untranslated
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.classics.neocognitron import Neocognitron
from convscope.worlds import Batch, require_images

RATES = (1.0, 16.0, 16.0)
"""`q` of each stage."""
COLUMN = 5
"""Side of the square in which only the strongest cell of all planes learns."""
SHIFTS = 3
"""Most pixels by which patterns are shifted to measure the tolerance."""
TEMPLATES = 10
"""Planes whose weights are shown."""


@dataclass(frozen=True)
class ShiftTolerance:
    """How patterns are told apart, in the middle and shifted.

    Attributes:
        classes: names of the patterns.
        planes: plane of the last layer that responds most to each pattern; None where none does.
        kept: for each pattern and distance from 0 pixels on, the share of its shifts by that distance at
            which the same plane responds most.
        distinct: number of different planes.
    """

    classes: tuple[str, ...]
    planes: tuple[int | None, ...]
    kept: tuple[tuple[float, ...], ...]
    distinct: int


class SelfOrganization(Task):
    """Train a Neocognitron as Fukushima did: what responds most learns, and its plane with it.

    The stages learn one after the other, each in a third of the epochs. Labels are not read in training; in
    the test a plane of the last layer has the class of the pattern that excites it most. The loss is the sum
    of the weights times their increments, with the sign turned, so that a step of stochastic gradient descent
    with rate 1 adds the increments.
    """

    metric_specs = (
        MetricSpec("seeds", "seeds a pattern", ".2f"),
        MetricSpec("accuracy", form=".2%", higher_is_better=True, low=0, high=1, optional=True),
        MetricSpec("planes", "distinct planes", ".0f", higher_is_better=True, optional=True),
    )
    primary_metric = "accuracy"

    def __init__(self) -> None:
        self._epochs, self._stage = 3, 0
        self._patterns, self._classes = torch.empty(0), ()

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Keep the patterns, which the test needs, and check the settings.

        Args:
            net: a Neocognitron; left unchanged.
            data: labelled images, one of each class.
            recipe: recipe whose optimizer adds increments as they are.

        Returns:
            The same network.

        Raises:
            UsageError: it is another network, or the settings would change the increments.
        """
        _module(net)
        plain = {"optimizer": "sgd", "lr": 1.0, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}
        wrong = {n: getattr(recipe, n) for n, value in plain.items() if getattr(recipe, n) != value}
        clipped = [
            f"{name} = {value}" for name in ("clip", "agc") if (value := getattr(recipe, name)) is not None
        ]
        if wrong or clipped:
            raise UsageError(
                f"{_listed(plain)}, no clip, no agc: increments are added as they are",
                received=_listed(wrong) or ", ".join(clipped),
                hint="convscope train --recipe neocognitron",
            )
        images = require_images(data)
        if sorted(images.labels.tolist()) != list(range(len(images.classes))):
            raise UsageError(
                "one pattern of each class to learn from",
                received=f"{len(images)} images of {len(images.classes)} classes",
                hint="convscope train --recipe neocognitron learns from the set strokes.",
            )
        self._epochs, self._classes = recipe.epochs, images.classes
        order = images.labels.argsort()
        drawn = torch.cat([batch.inputs[0] for batch in iter_batches(images, net)])
        self._patterns = drawn[order.to(drawn.device)]
        return net

    @override
    def begin_epoch(self, epoch: int) -> None:
        """Choose the stage that learns in an epoch."""
        self._stage = min(2, 3 * epoch // self._epochs)

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the increments of the stage that learns.

        Args:
            net: network to train.
            batch: images; their labels are not read.
            execution: not used: responses are computed in float32.
            step: step of the training, from 0; not used.

        Returns:
            The loss whose gradients are the increments with the sign turned, and the number of seeds.
        """
        stages, u = _module(net).stages, batch.inputs[0]
        learning = stages[self._stage][0]
        count = 0
        weight, inhibition = torch.zeros_like(learning.weight), torch.zeros_like(learning.inhibition)
        with torch.no_grad():
            for simple, complex_ in stages[: self._stage]:
                u = complex_(simple(u))
            for one, responses in zip(u, learning(u), strict=True):
                seeds = learning.seeds(responses, COLUMN)
                more = learning.increments(one, seeds, RATES[self._stage])
                weight, inhibition = weight + more[0], inhibition + more[1]
                count += len(seeds)
        loss = -(weight * learning.weight).sum() - (inhibition * learning.inhibition).sum()
        return StepOutput(loss, loss.detach().new_tensor([count]))

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Measure whether the plane of a pattern responds most to it wherever it is.

        Args:
            net: network to evaluate; left unchanged.
            data: labelled images, such as shifted patterns.
            execution: not used.

        Returns:
            The share of images whose strongest plane is of their class, and the number of different planes
            of the patterns; as evidence and details the `ShiftTolerance`.
        """
        images = require_images(data)
        with torch.no_grad(), frozen(net.module):
            responses = net(self._patterns)
            classes = plane_classes(responses)
            answers = torch.cat([_answers(net(b.inputs[0]), classes) for b in iter_batches(images, net)])
            found = _tolerance(net, self._patterns, self._classes)
        right = float((answers.cpu() == images.labels).double().mean())
        kept = [sum(row[k] for row in found.kept) / len(found.kept) for k in range(SHIFTS + 1)]
        shares = ", ".join(f"{share:.0%} by {k}" for k, share in enumerate(kept) if k)
        sentence = (
            f"{found.distinct} different planes respond most to the {len(found.classes)} patterns. Share of "
            f"shifts at which the plane stays the same: {shares} pixels."
        )
        metrics = {"accuracy": right, "planes": float(found.distinct)}
        return EvalResult(metrics, summary=(sentence,), details=asdict(found), evidence=found)

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return the responses of all layers to the patterns, what S-cells have learned, and the tolerance.

        Args:
            net: the trained network.
            data: not used.
            tested: what `evaluate` returned.

        Returns:
            Two figures of images and a table.
        """
        found = tested.evidence
        if not isinstance(found, ShiftTolerance):
            return ()
        with torch.no_grad(), frozen(net.module):
            return (_responses(net, self._patterns), *_templates(net), _table(found))


def plane_classes(responses: Float[Tensor, "n k"]) -> Tensor:
    """Name each plane by the pattern that excites it most.

    Args:
        responses: of the last layer to one pattern of each class.

    Returns:
        Class index of each plane `[k]`; -1 for a plane that no pattern excites.
    """
    most = responses.max(0)
    return torch.where(most.values > 0, most.indices, -torch.ones_like(most.indices))


def _answers(responses: Tensor, classes: Tensor) -> Tensor:
    """Return the class of the strongest plane for each image; -1 where none responds."""
    most = responses.max(1)
    return torch.where(most.values > 0, classes[most.indices], -torch.ones_like(most.indices))


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def _module(net: Net) -> Neocognitron:
    if not isinstance(net.module, Neocognitron):
        raise UsageError("a Neocognitron", received=net.name, hint="convscope train --recipe neocognitron")
    return net.module


def _tolerance(net: Net, patterns: Tensor, classes: tuple[str, ...]) -> ShiftTolerance:
    """Shift each pattern by up to `SHIFTS` pixels, and look which plane responds most."""
    own = net(patterns)
    silent = own.max(1).values <= 0
    planes = own.argmax(1)
    steps = range(-SHIFTS, SHIFTS + 1)
    kept: list[list[list[float]]] = [[[] for _ in range(SHIFTS + 1)] for _ in classes]
    for shift in product(steps, steps):
        responses = net(torch.roll(patterns, shift, (2, 3)))
        same = (responses.argmax(1) == planes) & (responses.max(1).values > 0) & ~silent
        for pattern, is_same in enumerate(same.tolist()):
            kept[pattern][max(map(abs, shift))].append(float(is_same))
    chosen = tuple(None if s else p for s, p in zip(silent.tolist(), planes.tolist(), strict=True))
    shares = tuple(tuple(sum(cell) / len(cell) for cell in row) for row in kept)
    return ShiftTolerance(classes, chosen, shares, len({p for p in chosen if p is not None}))


def _responses(net: Net, patterns: Tensor) -> ImageRows:
    """Show for each pattern the strongest response of all planes at each position, layer by layer."""
    columns, u = [patterns], patterns
    for simple, complex_ in _module(net).stages:
        s = simple(u)
        u = complex_(s)
        columns += [s, u]
    shown = []
    for column in columns:
        most = column.amax(1, keepdim=True)
        scaled = most / most.amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
        shown.append(functional.interpolate(scaled, patterns.shape[2:]).cpu())
    names = ("S1", "C1", "S2", "C2", "S3", "C3")
    heads = [{"en": "pattern", "zh": "图案"}, *map(untranslated, names)]
    rows = [list(row) for row in zip(*shown, strict=True)]
    return ImageRows(
        heads,
        rows,
        net.input_spec,
        {"en": "Responses of the layers to each pattern", "zh": "各层对每个图案的响应"},
        {
            "en": "The strongest response of all planes at each position of a layer, from 0 (paper) to the "
            "largest of the picture (ink). S-cells find features, C-cells tolerate shifts of them.",
            "zh": "每一层各位置上所有平面中最强的响应：从 0（纸色）到该图的最大值（墨色）。"
            "S 细胞检测特征，C 细胞容忍特征的位移。",
        },
    )


def _templates(net: Net) -> tuple[ImageRows, ...]:
    """Show the excitatory weights of the first S-cells that have learned, the most inhibited first."""
    layer = _module(net).s1
    order = [k for k in layer.inhibition.argsort(descending=True).tolist() if layer.inhibition[k] > 0]
    if not order:
        return ()
    weights = layer.weight[order[:TEMPLATES]] / layer.falloff
    scaled = weights / weights.flatten(1).amax(1)[:, None, None, None].clamp_min(1e-12)
    shown = functional.interpolate(scaled, net.input_spec.shape[1:]).cpu()
    title = {"en": "Features that the first S-cells have learned", "zh": "第一层 S 细胞学到的特征"}
    caption = {
        "en": "Excitatory weights of planes of the first layer: windows of 5x5 pixels, each divided by its "
        "largest weight. The plane that has learned most often, by its inhibition, is first; the number "
        "above is the plane's.",
        "zh": "第一层各平面的兴奋性权重：5×5 像素窗口，各除以自身的最大权重。按抑制强度排列，"
        "学习次数最多的平面在前；上方的数字是平面的编号。",
    }
    heads = [untranslated(str(k)) for k in order[:TEMPLATES]]
    return (ImageRows(heads, [list(shown)], net.input_spec, title, caption),)


def _table(found: ShiftTolerance) -> NumberTable:
    """Lay out planes and tolerance as a table."""
    rows = [
        (
            untranslated(name),
            ("" if plane is None else str(plane), *(f"{100 * share:.0f}" for share in shares)),
        )
        for name, plane, shares in zip(found.classes, found.planes, found.kept, strict=True)
    ]
    heads: list[Mapping[str, str]] = [{"en": "plane", "zh": "平面"}]
    heads += [{"en": f"{k} px", "zh": f"{k} 像素"} for k in range(SHIFTS + 1)]
    return NumberTable(
        {
            "en": "The plane of each pattern, and at how many shifts it stays the same",
            "zh": "各图案的平面及其平移容忍度",
        },
        heads,
        rows,
        {
            "en": "Percent of the shifts by so many pixels (the larger of both directions) at which the same "
            "plane of the last layer responds most as in the middle. Two patterns of one plane are not told "
            "apart.",
            "zh": "平移该像素数（取两个方向中较大者）时，最后一层响应最强的仍是同一平面的百分比。"
            "同属一个平面的两个图案无法区分。",
        },
    )
