"""Training of capsule networks: squared margins, reconstruction, and what the routing does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.learn.batches.source import iter_batches
from convscope.learn.tasks.classification import BALANCED, Classification
from convscope.learn.tasks.evaluation import Evaluation, check_labels, class_names, evaluate_logits
from convscope.learn.tasks.findings import Finding, ImageRows, NumberTable, numbered, untranslated
from convscope.learn.tasks.generative.binary import in_value_range, unit_range
from convscope.learn.tasks.geometry.hooks import collected, find_layer, replaced
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput
from convscope.nets import Net, frozen
from convscope.nets.activations.classifier_output import INDEPENDENT, select_output
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.classics.capsules import CapsuleLength, CapsuleMask, Capsules
from convscope.worlds import Batch, LabelledDataset

PRESENT, ABSENT, DOWN = 0.9, 0.1, 0.5
"""Margins `m+` and `m-`, and the weight of absent classes."""
ROUTED = 500
"""Test images of which the coupling is averaged."""
SHOWN, DIMENSIONS = 8, 8
"""Images in a figure, and dimensions of a capsule that are changed."""
CHANGES = tuple(round(0.05 * step, 2) for step in range(-5, 6))
"""What is added to a dimension, as in section 5.1 of the paper."""


def margin_loss(lengths: Float[Tensor, "b classes"], labels: Int64[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Compute the margin loss of capsules' lengths: squared margins, summed over classes.

    Args:
        lengths: lengths of the classes' capsules, 0 to 1.
        labels: true class indices.

    Returns:
        `max(0, 0.9 - length)^2` of the true class, plus half of `max(0, length - 0.1)^2` of each other.

    Source: Sabour et al. 2017, equation 4, arXiv:1710.09829.
    """
    true = functional.one_hot(labels, lengths.shape[1]).to(lengths.dtype)
    present = (PRESENT - lengths).clamp_min(0).square()
    absent = (lengths - ABSENT).clamp_min(0).square()
    return (true * present + DOWN * (1 - true) * absent).sum(1)


@dataclass(frozen=True, eq=False)
class RoutedCapsules:
    """What a test found beside the metrics.

    Attributes:
        evaluation: labels, predictions and losses of the images.
        received: for each class what share of the coupling each class's capsule receives in the last
            iteration, `[classes classes]`, a mean over images; inputs count by their lengths. Rows sum to 1;
            NaN for classes without images.
    """

    evaluation: Evaluation
    received: Tensor

    @property
    def own(self) -> float:
        """Mean share that the capsule of the true class receives."""
        return float(self.received.diagonal().nanmean())


class CapsuleClassification(Classification):
    """Train a capsule network by the margin loss, and its decoder by the reconstruction of the true class.

    In training the decoder gets the capsule of the true class, in a test that of the prediction. The loss of
    a test is the margin loss; probabilities follow from lengths as from independent ones.

    Args:
        reconstruction: weight of the sum of squared errors of the reconstruction.

    Source: Sabour, Frosst and Hinton 2017, sections 3 and 4.1, arXiv:1710.09829.
    """

    metric_sums = 3
    """Sums of the margin loss, of the correct predictions, and of the squared errors of reconstructions."""
    metric_specs = (
        *Classification.metric_specs,
        MetricSpec("reconstruction", "squared error", ".2f", optional=True),
    )

    def __init__(self, reconstruction: float = 0.0005) -> None:
        super().__init__(0.0)
        self.reconstruction = reconstruction
        self._decodes = True

    @classmethod
    @override
    def from_recipe(cls, recipe: Any) -> Self:
        return cls(recipe.reconstruction)

    @override
    def settings(self) -> Mapping[str, Any]:
        return {"reconstruction": self.reconstruction}

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that network and data fit, and that the network returns lengths of capsules.

        Args:
            net: network to train; left unchanged.
            data: as for every classifier.
            recipe: not used.

        Returns:
            The network with the names of the classes, its output marked as independent probabilities.

        Raises:
            UsageError: the network has no lengths of capsules, or does not fit the data.
            DataError: there is no data, or all of it is of one class.
        """
        if find_layer(net, CapsuleLength) is None or find_layer(net, Capsules) is None:
            raise UsageError(
                "a network of capsules that ends in capsulelength",
                received=net.name,
                hint="convscope train --recipe capsnet",
            )
        self._decodes = find_layer(net, CapsuleMask) is not None
        first = replace(net.output_spec, kind=INDEPENDENT)
        return super().prepare(replace(net, output_specs=(first, *net.output_specs[1:])), data, recipe)

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the margin loss of a batch, and the weighted error of the reconstructions.

        Args:
            net: network to train.
            batch: images in the spec's range, and labels `[b]`.
            execution: precision and memory format of the forward pass.
            step: step of the training, from 0; not used.

        Returns:
            The mean loss, and the sums `[3]` of margin loss, correct predictions and squared errors.
        """
        labels = batch.targets
        with (
            replaced(find_layer(net, CapsuleMask), lambda layer, capsules: layer.keep(capsules, labels)),
            execution.autocast(batch.device),
        ):
            output = net(*map(execution.to_memory_format, batch.inputs))
        lengths = _lengths(net, output)
        margins, errors = margin_loss(lengths, labels), _errors(net, output, batch.inputs[0])
        loss = margins.mean() + self.reconstruction * errors.mean()
        correct = (lengths.argmax(1) == labels).sum()
        return StepOutput(loss, torch.stack([margins.sum(), correct, errors.sum()]).detach())

    @override
    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """Compute margin loss, accuracy and squared error from the sums of an epoch."""
        names = ("loss", "accuracy", "reconstruction")[: 2 + self._decodes]
        return {name: total / max(seen, 1) for name, total in zip(names, sums, strict=False)}

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate on held-out images, in float32; reconstructions are those of the predicted classes.

        Args:
            net: network to evaluate; left unchanged.
            data: as for `prepare`.
            execution: not used.

        Returns:
            The metrics; as of every classifier, and as evidence `RoutedCapsules`.
        """
        names = class_names(data, net)
        sums, logits, labels = torch.zeros(3, dtype=torch.float64), [], []
        head = replace(self.head, net=net)
        received, routed = torch.zeros(len(names), len(names), dtype=torch.float64), torch.zeros(len(names))
        with torch.no_grad(), frozen(net.module):
            for loaded in iter_batches(data, net):
                batch = check_labels(loaded, net.with_classes(names))
                count = max(0, ROUTED - int(routed.sum()))
                with collected(
                    find_layer(net, Capsules, last=True), lambda layer, x, k=count: _received(layer, x[:k])
                ) as shares:
                    output = net(*batch.inputs)
                lengths, truth = _lengths(net, output), batch.targets
                margins, errors = margin_loss(lengths, truth), _errors(net, output, batch.inputs[0])
                sums += (
                    torch.stack([margins.sum(), (lengths.argmax(1) == truth).sum(), errors.sum()])
                    .double()
                    .cpu()
                )
                logits.append(head.logits(output))
                labels.append(truth)
                first = truth[:count].cpu()
                received.index_add_(0, first, shares[-1].double().cpu())
                routed += first.bincount(minlength=len(names))
        if not labels:
            raise DataError(
                "samples to evaluate on", received="none", hint="Give data with at least one sample."
            )
        found = evaluate_logits(torch.cat(logits), torch.cat(labels), names, net.output_spec.temperature)
        evidence = RoutedCapsules(found, received / routed[:, None])
        sentence = (
            f"In the last iteration of the routing, the capsule of the true class receives "
            f"{evidence.own:.1%} of the coupling; alike would be {1 / len(names):.1%}."
        )
        details = {**found.to_json(), "routed_to_own": evidence.own}
        metrics = dict(self.metrics(sums.tolist(), len(found.labels)))
        if self._balanced:
            metrics[BALANCED.name] = found.balanced_accuracy
        return EvalResult(metrics, found.worst, (*found.summary, sentence), details, evidence)

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return reconstructions, what dimensions of a capsule change, and the routing; then the answers.

        Args:
            net: the trained network.
            data: the test images.
            tested: what `evaluate` returned for them.

        Returns:
            Figures of images and a table, and what every classifier's report shows.
        """
        found = tested.evidence
        if not isinstance(found, RoutedCapsules) or not isinstance(data, LabelledDataset):
            return ()
        plain = super().findings(net, data, replace(tested, evidence=found.evaluation))
        images = next(iter(iter_batches(data, net, SHOWN))).inputs[0]
        with torch.no_grad(), frozen(net.module):
            decoded = (_reconstructions(net, images), _changes(net, images[:1])) if self._decodes else ()
            routing = _routing(net, images)
        return (*decoded, *routing, _table(found), *plain)


def _lengths(net: Net, output: Any) -> Tensor:
    """Return the lengths of the classes' capsules, in float32."""
    lengths = select_output(net, output)
    if lengths is None:
        raise UsageError(
            "a network that returns lengths of capsules",
            received=net.name,
            hint="Choose a network that ends in capsules, such as a chain with the capsule layers.",
        )
    return lengths.float()


def _errors(net: Net, output: Any, images: Tensor) -> Tensor:
    """Return the sum of squared errors of each reconstruction, of pixels from 0 to 1; 0 without a decoder."""
    if not isinstance(output, Mapping) or "image" not in output:
        return images.new_zeros(len(images))
    target = unit_range(images, net).flatten(1)
    return (output["image"].float() - target).square().sum(1)


def _received(layer: Capsules, x: Tensor) -> Tensor:
    """Return the share of the coupling that each output capsule receives; inputs count by their lengths."""
    if not len(x):
        return x.new_zeros(0, layer.out_capsules)
    weights = torch.linalg.vector_norm(layer.capsules(x.float()), dim=2)
    coupling = layer.couplings(x.float())[-1]
    return torch.einsum("bn,bnk->bk", weights, coupling) / weights.sum(1, keepdim=True).clamp_min(1e-12)


def _decoded(net: Net, images: Tensor, capsules: Tensor | None = None) -> Tensor:
    """Return reconstructions, in the spec's range, of given masked capsules or of the predictions' own."""
    if capsules is None:
        output = net(images)
    else:
        with replaced(find_layer(net, CapsuleMask), lambda _, __: capsules):
            output = net(images)
    return in_value_range(output["image"].view_as(images), net)


def _reconstructions(net: Net, images: Tensor) -> Finding:
    """Show test images and their reconstructions from the predicted class's capsule."""
    heads = numbered(len(images))
    rows = [list(row.cpu()) for row in (images, _decoded(net, images))]
    return ImageRows(heads, rows, net.input_spec, *_COPIES)


def _changes(net: Net, image: Tensor) -> Finding:
    """Show reconstructions while one dimension of the capsule changes: those of the largest effect."""
    with collected(find_layer(net, CapsuleMask), lambda layer, capsules: layer.forward(capsules)) as kept:
        net(image)
    capsules = kept[0]
    places = capsules[0].nonzero()[:, 0]
    steps = torch.tensor(CHANGES, device=image.device)
    changed = capsules.repeat(len(places) * len(steps), 1)
    rows = torch.arange(len(changed), device=image.device)
    changed[rows, places.repeat_interleave(len(steps))] += steps.repeat(len(places))
    made = _decoded(net, image.expand(len(changed), -1, -1, -1), changed).unflatten(0, (-1, len(steps)))
    effect = (made[:, -1] - made[:, 0]).square().flatten(1).sum(1)
    chosen = effect.argsort(descending=True)[:DIMENSIONS].sort().values
    heads = [untranslated(f"{change:+.2f}" if change else "0") for change in CHANGES]
    return ImageRows(heads, [list(row) for row in made[chosen].cpu()], net.input_spec, *_CHANGES)


def _routing(net: Net, images: Tensor) -> Sequence[Finding]:
    """Show from where in the image the predicted class's capsule receives its votes, by iteration.

    Nothing is shown where the capsules that vote have no positions.
    """

    def maps(layer: Capsules, x: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.linalg.vector_norm(layer.capsules(x.float()), dim=2)
        outputs = torch.stack([weights[..., None] * coupling for coupling in layer.couplings(x.float())])
        places = outputs.unflatten(2, (-1, *x.shape[2:])).sum(2)  # [iterations b h w k]
        return places, weights.unflatten(1, (-1, *x.shape[2:])).sum(1)

    with collected(find_layer(net, Capsules, last=True), maps) as found:
        output = net(images)
    places, active = found[0]
    if places.dim() != images.dim() + 1:
        return ()
    chosen = _lengths(net, output).argmax(1)
    taken = torch.stack([places[:, b, ..., k] for b, k in enumerate(chosen.tolist())], 1)
    apart = taken / active.clamp_min(1e-12) - 1 / places.shape[-1]
    grey = (0.5 + 0.5 * apart / apart.abs().max().clamp_min(1e-6)).flatten(0, 1)[:, None]
    shown = functional.interpolate(grey, images.shape[2:]).unflatten(0, apart.shape[:2])
    spec, channels = net.input_spec, images.shape[1]
    rows = [
        [image, *in_value_range(one.expand(-1, channels, -1, -1), net).cpu()]
        for image, one in zip(images.cpu(), shown.transpose(0, 1), strict=True)
    ]
    heads = [{"en": "input", "zh": "输入"}]
    heads += [{"en": f"iteration {k}", "zh": f"第 {k} 次迭代"} for k in range(1, len(apart) + 1)]
    return (ImageRows(heads, rows, spec, *_ROUTING),)


_COPIES = (
    {"en": "Reconstructions from the capsule of the answer", "zh": "由所答类别的胶囊重建"},
    {
        "en": "Above test images, below each what the decoder makes of the capsule of its predicted class.",
        "zh": "上为测试图像，下为解码器由其预测类别的胶囊得到的重建。",
    },
)
_CHANGES = (
    {"en": "What the dimensions of a capsule change", "zh": "胶囊各维度改变什么"},
    {
        "en": "The first test image, while one dimension of its capsule is changed by the number above: a "
        "row for each of the dimensions that change it most.",
        "zh": "第一张测试图像：其胶囊的一个维度加上表头的数值；每行是影响最大的维度之一。",
    },
)
_ROUTING = (
    {"en": "Routing: which places vote for the answer", "zh": "路由：哪些位置投票给所答类别"},
    {
        "en": "What share of their votes the capsules at each place send to the capsule of the answer: grey "
        "is alike to all capsules, ink is more, paper is less; the largest difference in this figure is "
        "black or white.",
        "zh": "各位置的胶囊把投票的多大份额送往所答类别的胶囊：灰色为均分，墨色更多，纸色更少；"
        "本图中最大的差异为全黑或全白。",
    },
)


def _table(found: RoutedCapsules) -> Finding:
    """Lay out the coupling of classes and capsules as a table."""
    names = found.evaluation.classes
    rows = [
        (
            untranslated(name),
            tuple(f"{100 * share:.1f}" if share == share else "" for share in row),
        )
        for name, row in zip(names, found.received.tolist(), strict=True)
    ]
    alike = f"{100 / len(names):.1f}"
    return NumberTable(
        {"en": "Where the routing sends its votes, in percent", "zh": "路由把投票送往何处（百分比）"},
        [untranslated(name) for name in names],
        rows,
        {
            "en": "Rows: the class of the image; columns: the capsule that receives. Means over at most "
            f"{ROUTED} test images of the coupling in the last iteration, each input capsule counted by its "
            "length. Rows sum to 100; before the first iteration, and in a network whose routing does "
            f"nothing, all are {alike}.",
            "zh": f"行：图像的类别；列：接收的胶囊。取最多 {ROUTED} 张测试图像最后一次迭代的耦合系数，"
            "按输入胶囊的长度加权平均。每行之和为 100；第一次迭代之前，或路由不起作用时，"
            f"各处均为 {alike}。",
        },
    )
