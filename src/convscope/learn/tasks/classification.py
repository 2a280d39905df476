"""Training of a classifier: the task that a training has by default."""

import inspect
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.learn.batches.class_balance import balanced_weights, class_counts, is_imbalanced
from convscope.learn.batches.source import BatchSource, make_batches, seed_of
from convscope.learn.optimization.projections import convs_without_bias, limit_norm, normalize_filters
from convscope.learn.recipe import PROBE_LR, ClassificationRecipe, ClassWeights, Sampler
from convscope.learn.tasks.classifiers.averaged_views import AveragedViews
from convscope.learn.tasks.classifiers.calibration import fit_temperature
from convscope.learn.tasks.classifiers.classifier_head import ClassifierHead, read_head
from convscope.learn.tasks.classifiers.initialization import dirac_init, whiten_first_conv
from convscope.learn.tasks.evaluation import (
    Evaluation,
    check_labels,
    class_names,
    evaluate,
    evaluate_logits,
    read_scores,
)
from convscope.learn.tasks.findings import ClassifiedSamples, Finding
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.learn.trainer.distributed import ALONE, Processes
from convscope.learn.trainer.freezing.resolving import RUNNING
from convscope.learn.transfer.layer_decay import layer_lr_scales
from convscope.learn.transfer.probe import FeatureBatch, LinearProbe, ProbeBatches, require_probe_data
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.io.replaced_head import find_head
from convscope.worlds import Batch, LabelledDataset

BALANCED = MetricSpec(
    "balanced_accuracy", "balanced accuracy", ".2%", higher_is_better=True, low=0, high=1, optional=True
)
"""Accuracy averaged over classes, measured on held-out data alone."""
TTA = MetricSpec(
    "tta_accuracy", "accuracy of six views", ".2%", higher_is_better=True, low=0, high=1, optional=True
)
"""Accuracy of the mean answer to `AveragedViews`, measured at the end alone: it takes six times as long."""
WITHOUT_ARGUMENT = ("max_norm", "adamw_head", "normalize_filters", "dirac_init", "whiten_first_conv", "tta")
"""Settings of a recipe that are attributes of the task, not arguments."""


class Classification(Task):
    """Train a classifier with cross-entropy, and measure its accuracy.

    The trained network has the names of the data's classes; the one that was given keeps its own.

    Args:
        label_smoothing: share of the target spread over all classes, 0 to 1.
        augment: names of augmentations, for `LabelledDataset`.
        probe_epochs: how many epochs, the first ones, train only the head, on features computed once.
        probe_lr: highest learning rate of these epochs.
        layer_decay: factor of the learning rate from one group of layers to the one before it; see
            `layer_lr_scales`.
        freeze_bn_stats: whether batch normalisations compute with their running statistics and keep them, as
            in evaluation; their weights and biases are trained.
        class_weights: `balanced` for a loss in which every class counts alike (`balanced_weights`); accuracy
            averaged over classes is then the primary metric.
        calibrate: whether to fit the temperature of the output on the validation part, at the end.

    Attributes:
        max_norm: largest L2 norm of the weights of each output of the last layer (Srivastava et al. 2014,
            Dropout, section 5.1); None for any, as without a recipe that has it.
        adamw_head: whether Muon leaves the last layer to AdamW; False without a recipe that has it.
        normalize_filters: whether the filters of each convolution without a bias are scaled to a root mean
            square norm of 1 after every step (Jordan 2024, airbench94 with Muon): with a batch normalization
            after it their norm has no effect on the output, but the larger it is, the less a step of the
            optimizer turns them. False without a recipe that has it.
        dirac_init: whether convolutions begin as the identity of their channels; False without a recipe that
            has it.
        whiten_first_conv: whether the first convolution begins as one that whitens the patches of the
            training images; False without a recipe that has it.
        tta: whether the last test also averages over views of each image; False without a recipe that has it.
        head: how the network's output is read; set by `prepare`.
        weight: weights of the classes in the loss, `[classes]`; None where all are 1; set by `prepare`.
        probe: what trains the head alone in the first epochs, if anything does.
    """

    metric_sums = 2
    """Sums of the cross-entropy without label smoothing, and of the correct predictions."""
    metric_specs = (
        MetricSpec("loss", form=".4f"),
        MetricSpec("accuracy", form=".2%", higher_is_better=True, low=0, high=1),
        BALANCED,
        TTA,
    )
    primary_metric = "accuracy"
    head: ClassifierHead
    weight: Tensor | None = None
    max_norm: float | None = None
    adamw_head: bool = False
    normalize_filters: bool = False
    dirac_init: bool = False
    whiten_first_conv: bool = False
    tta: bool = False
    _last = True
    """Whether no epoch comes after the one that is tested."""
    _limited: str | None = None
    """Path of the layer whose weights are limited by `max_norm`."""

    def __init__(
        self,
        label_smoothing: float = 0.1,
        augment: Sequence[str] = (),
        probe_epochs: int = 0,
        probe_lr: float = PROBE_LR,
        layer_decay: float = 1.0,
        freeze_bn_stats: bool = False,
        *,
        class_weights: ClassWeights = "none",
        calibrate: bool = False,
    ) -> None:
        self.label_smoothing, self.augment = label_smoothing, tuple(augment)
        self.probe, self.layer_decay = LinearProbe(probe_epochs, probe_lr), layer_decay
        self.freeze_bn_stats = freeze_bn_stats
        self._balanced = False
        self.class_weights, self.calibrate = class_weights, calibrate
        if class_weights == "balanced":
            self.primary_metric = BALANCED.name

    @classmethod
    @override
    def from_recipe(cls, recipe: ClassificationRecipe) -> Self:
        names = inspect.signature(cls).parameters
        task = cls(**{name: getattr(recipe, name) for name in names})
        for name in WITHOUT_ARGUMENT:
            setattr(task, name, getattr(recipe, name))
        task._choose_primary(recipe)
        return task

    @override
    def settings(self) -> Mapping[str, Any]:
        probe = {"probe_epochs": self.probe.epochs, "probe_lr": self.probe.lr}
        names = inspect.signature(type(self)).parameters
        given = {name: probe[name] if name in probe else getattr(self, name) for name in names}
        return {**given, **{name: getattr(self, name) for name in WITHOUT_ARGUMENT}}

    def _choose_primary(self, recipe: Any) -> None:
        """Compare by balanced accuracy where the classes are drawn alike, as where they are weighed."""
        if _sampler(recipe) == "balanced":
            self.primary_metric, self._balanced = BALANCED.name, True

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that network and data fit, and return the network with the names of the data's classes.

        A temperature from an earlier calibration is dropped: it is of other weights. Where the classes are
        imbalanced, balanced accuracy is among the metrics from here on.

        Args:
            net: classifier to train; left unchanged.
            data: `LabelledDataset`, another `Dataset` of class indices, or a DataLoader of
                `(inputs, labels)`.
            recipe: its `sampler` says whether the classes are drawn alike.

        Returns:
            The network with the classes.

        Raises:
            UsageError: network and data do not fit each other, or weights are asked for of data whose labels
                are not known.
            DataError: there is no data, or all of it is of one class.
        """
        names = class_names(data, net)
        _check_classes(data, names)
        first = replace(net.output_spec, classes=names, temperature=1.0)
        net = replace(net, output_specs=(first, *net.output_specs[1:]))
        hint = _chain_hint(recipe, len(names)) or _fresh_head_hint(recipe, net)
        self.head = read_head(net, len(names), getattr(data, "name", "the data"), hint)
        counts = class_counts(data, names)
        if self.class_weights == "balanced":
            if counts is None:
                raise UsageError(
                    "a data set with labels, to weigh its classes",
                    received=type(data).__name__,
                    hint="Leave class_weights out, or draw the classes alike in the loader itself.",
                )
            self.weight = balanced_weights(counts).to(net.device)
        if self.weight is not None or (counts is not None and is_imbalanced(counts)):
            self._balanced = True
        self._choose_primary(recipe)
        self.probe.begin(net, data)
        self._limited = None if self.max_norm is None else find_head(net).path
        self._epochs, self._last = getattr(recipe, "epochs", 1), True
        if self.normalize_filters and not convs_without_bias(net.module):
            raise UsageError(
                "convolutions without a bias, whose filters are normalized",
                received=f"{net.name}, which has none",
                hint="Leave out --normalize-filters, or write conv 64 3x3 bias=false, batchnorm2d.",
            )
        if self.tta and net.input_spec.kind != "image":
            raise UsageError(
                "tta with a network of images, which are shifted and mirrored",
                received=f"{net.name}, whose input is of the kind {net.input_spec.kind}",
                hint="Leave out --tta.",
            )
        return net

    @override
    def initialize(self, net: Net, data: Any, recipe: Any) -> None:
        """Set convolutions to identities, and the first to one that whitens patches, where asked for."""
        if self.dirac_init:
            dirac_init(net)
        if self.whiten_first_conv:
            whiten_first_conv(net, data, seed_of(recipe.seed, "whitening"))

    @override
    def make_batches(self, net: Net, data: Any, recipe: Any) -> BatchSource:
        source = self.probe.batches(make_batches(data, net, recipe, self.augment, _sampler(recipe)))
        return source if isinstance(data, LabelledDataset) else LabelledBatches(source, net)

    @override
    def choose_execution(self, net: Net, recipe: Any, example: Callable[[], Batch]) -> ExecutionConfig:
        """Choose precision and memory format; nothing is timed where only the head is trained."""
        if self.probe.covers(recipe.epochs - 1):
            recipe = recipe.model_copy(
                update={
                    "precision": "fp32" if recipe.precision == "auto" else recipe.precision,
                    "memory_format": "contiguous" if recipe.memory_format == "auto" else recipe.memory_format,
                }
            )
        return super().choose_execution(net, recipe, example)

    @override
    def check_held_out(self, data: Any) -> None:
        """Refuse a loader where a linear probe is evaluated on features that are computed once."""
        if self.probe.epochs:
            require_probe_data(data)

    @override
    def preparation(
        self, net: Net, source: BatchSource, held_out: Sequence[Any], epoch: int
    ) -> Iterator[float]:
        """Compute the features for the epochs of the probe, of training data and what is held out."""
        if isinstance(source, ProbeBatches) and self.probe.covers(epoch):
            held_out = list(map(require_probe_data, held_out))
            yield from self.probe.prepare(source.source.data, *held_out, processes=source.processes)

    @override
    def set_training_mode(self, module: nn.Module) -> None:
        """Put a module into training mode, batch normalisations into evaluation mode where asked for."""
        module.train()
        if self.freeze_bn_stats:
            for part in module.modules():
                if isinstance(part, RUNNING) and part.track_running_stats:
                    part.eval()

    @override
    def begin_epoch(self, epoch: int) -> None:
        """Note whether this epoch trains the head alone, and whether it is the last."""
        self.probe.begin_epoch(epoch)
        self._last = epoch + 1 >= self._epochs

    @override
    def learning_rate(self, recipe: Any, max_lr: float, step: int, steps: int) -> float:
        """Return the learning rate of a step; probe and fine-tuning run through the schedule each."""
        return self.probe.learning_rate(recipe, max_lr, step, steps)

    @override
    def learning(self, net: Net, epoch: int) -> Iterable[nn.Parameter] | None:
        """Return the parameters of the head in the epochs of the probe, else None."""
        if not self.probe.covers(epoch - 1):
            return None
        return net.module.get_submodule(self.probe.head.path).parameters()

    @override
    def after_update(self, net: Net) -> None:
        """Limit the norms of the last layer's weights, and normalize filters, where asked for."""
        if self.max_norm is not None and self._limited is not None:
            limit_norm(net.module.get_parameter(f"{self._limited}.weight"), self.max_norm)
        if self.normalize_filters:
            normalize_filters(net.module)

    @property
    @override
    def lr_flag(self) -> str:
        return "--probe-lr" if self.probe.is_current else super().lr_flag

    @override
    def lr_scales(self, net: Net, recipe: Any) -> Mapping[nn.Parameter, float]:
        """Return the factors of layer-wise learning rates; all are 1 for a `layer_decay` of 1."""
        if self.layer_decay == 1:
            return {}
        return layer_lr_scales(net, self.layer_decay, find_head(net).path)

    @override
    def output_weights(self, net: Net) -> Iterable[nn.Parameter]:
        """Return the parameters of the head, where `adamw_head` asks for them."""
        return find_head(net).layer.parameters() if self.adamw_head else ()

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the loss of a batch: cross-entropy with label smoothing and weights of the classes.

        Args:
            net: network to train.
            batch: inputs in the spec's range, and labels `[b]`.
            execution: precision and memory format of the forward pass.
            step: step of the training, from 0; not used.

        Returns:
            The mean loss, and the sums `[2]` of the cross-entropy without smoothing and weights, and of the
            correct predictions.
        """
        labels = batch.targets
        if isinstance(batch, FeatureBatch):
            logits = self.probe.logits(batch.inputs[0], net)
        else:
            with execution.autocast(batch.device):
                logits = self.head.logits(net(*map(execution.to_memory_format, batch.inputs)))
        loss = self.head.loss(logits, labels, self.label_smoothing, self.weight)
        total = None if self.weight is None else self.weight[labels].sum()
        with torch.no_grad():
            correct = (logits.argmax(1) == labels).sum()
            unsmoothed = self.head.loss(logits, labels)
            sums = torch.stack((unsmoothed * len(labels), correct))
            return StepOutput(loss, sums, total_weight=total)

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate the network on held-out images, in float32 whatever the precision of the training.

        In bf16, one answer in a thousand may be another than that of the network that is saved.

        Args:
            net: classifier, in any mode; left unchanged.
            data: as for `prepare`.
            execution: precision and memory format of the training.

        Returns:
            `loss` in nats, `accuracy` from 0 to 1, also averaged over classes where they are imbalanced, the
            most frequent confusion of two classes, as details what `Evaluation.to_json` returns, and as
            evidence the `Evaluation`.
        """
        return self._evaluated(net, data, execution, ALONE)

    @override
    def evaluate_together(
        self, net: Net, data: Any, execution: ExecutionConfig, processes: Processes
    ) -> EvalResult:
        """Evaluate the network in several processes: each computes the scores of its share."""
        if type(self).evaluate is not Classification.evaluate:
            return self.evaluate(net, data, execution)
        return self._evaluated(net, data, execution, processes)

    def _evaluated(self, net: Net, data: Any, execution: ExecutionConfig, processes: Processes) -> EvalResult:
        logits = self.probe.evaluated(data, net)
        if logits is not None:
            found = evaluate_logits(logits, data.labels.to(logits.device), net.classes)
        else:
            head = replace(self.head, net=net)
            found = evaluate(net, data, execution=execution.exact(), head=head, processes=processes)
        metrics, said, details = found.metrics, found.summary, found.to_json()
        if self._balanced:
            metrics = {**metrics, BALANCED.name: found.balanced_accuracy}
        if self.tta and self._last:
            views = replace(net, module=AveragedViews(net.module))
            head = replace(self.head, net=views)
            averaged = evaluate(
                views, data, execution=execution.exact(), head=head, processes=processes
            ).accuracy
            metrics, details = {**metrics, TTA.name: averaged}, {**details, TTA.name: averaged}
            said = (*said, f"Averaged over six views of each: {averaged:.2%}.")
        return EvalResult(metrics, found.worst, said, details, found)

    @override
    def finished(self, net: Net, validation: Any) -> Net:
        """Return the network with the temperature that fits the validation part, where it is calibrated.

        Args:
            net: the trained network.
            validation: labelled images that were not learned from.

        Returns:
            The network; its most probable classes are the same.
        """
        if not self.calibrate:
            return net
        head = replace(self.head, net=net)
        temperature = fit_temperature(*read_scores(net, validation, head))
        first = replace(net.output_spec, temperature=temperature)
        return replace(net, output_specs=(first, *net.output_specs[1:]))

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return the answers for the test images, from which confusions and worst mistakes are shown.

        Args:
            net: not used.
            data: the images.
            tested: what `evaluate` returned for them.

        Returns:
            The classified images; nothing where they are read by a loader of the user's.
        """
        found = tested.evidence
        if not isinstance(found, Evaluation) or not isinstance(data, LabelledDataset):
            return ()
        return (ClassifiedSamples(found, data),)

    @override
    def commands(self, folder: str, recipe: Any) -> Sequence[str]:
        """Return commands that classify inputs, look into the network and train on from its weights.

        Args:
            folder: the run's folder, quoted for a shell.
            recipe: names the data.

        Returns:
            One command each.
        """
        data = shlex.quote(str(getattr(recipe, "data", "digits")))
        if isinstance(getattr(recipe, "root", None), Path):
            data += f" --root {shlex.quote(str(recipe.root))}"
        return (
            f"convscope classify INPUT --net {folder}",
            f"convscope explain INPUT --net {folder}",
            f"convscope units {folder} --data {data}",
            f"convscope unit {folder} output:0 --data {data}",
            f"convscope train {folder} {data}",
        )


class LabelledBatches(BatchSource):
    """Check that the batches of another source have class indices as targets.

    Args:
        source: the batches.
        net: network with the names of the classes.
        whole: whether these are all batches of a training, and so must not all be of one class.
    """

    def __init__(self, source: BatchSource, net: Net, *, whole: bool = True) -> None:
        self.source, self.net, self.whole = source, net, whole
        self.steps, self.uses_global_rng = source.steps, source.uses_global_rng

    @override
    def shared(self, processes: Processes) -> BatchSource:
        """Return a source of this process' share of every batch; it may be of a single class."""
        if processes.count == 1:
            return self
        return LabelledBatches(self.source.shared(processes), self.net, whole=False)

    @property
    @override
    def problems(self) -> int:
        return self.source.problems

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            epoch: index of the epoch, from 0.
            skip: number of batches to leave out at the beginning.

        Yields:
            Batches with labels `[b]`.

        Raises:
            DataError: targets are no class indices, or all labels of a whole epoch are the same.
        """
        seen: set[int] = set()
        for number, loaded in enumerate(self.source.batches(epoch, skip), start=skip):
            batch = check_labels(loaded, self.net)
            if len(seen) < 2:
                seen.update(batch.targets.unique().tolist()[:2])
            if self.whole and skip == 0 and number == self.steps - 1 and len(seen) == 1:
                raise DataError(
                    "labels of two classes or more, to tell them apart",
                    received=f"data whose labels are all {next(iter(seen))}",
                    hint="Check what the data set returns as labels: a class number for each sample.",
                )
            yield batch


def _sampler(recipe: Any) -> Sampler:
    """Return the recipe's sampler; that of a recipe without one shuffles."""
    return getattr(recipe, "sampler", "shuffle")


def _chain_hint(recipe: Any, classes: int) -> str:
    """Return the next step where a chain of layers has another number of outputs than there are classes.

    Args:
        recipe: recipe of the training; its `network` may be the text of a chain.
        classes: number of classes of the data.

    Returns:
        What is missing, with the command; empty where the network is no chain.
    """
    text = str(getattr(recipe, "network", "")).rstrip(" ,")
    layers = [layer.strip() for layer in text.split(",")]
    words = layers[-1].split()
    if " " not in text or not words or getattr(recipe, "task", "") != "classification":
        return ""
    if words[0] == "dense":
        said, layers = f"Its last layer must be dense {classes}", [*layers[:-1], f"dense {classes}"]
    else:
        flat = [] if words[0] in ("flatten", "maxovertime") else ["flatten"]
        said, layers = "The last layer is missing", [*layers, *flat, f"dense {classes}"]
    command = recipe.model_copy(update={"network": ", ".join(layers)}).command()
    return f"{said}, with one output for each class: {command}"


def _fresh_head_hint(recipe: Any, net: Net) -> str:
    """Return the next step where a network that has learned has outputs for other classes than the data's."""
    if net.source.weights == "none":
        return ""
    data, name = str(getattr(recipe, "data", "")), net.name
    if getattr(recipe, "network", "") != name or not Path(data).exists():
        data, name = "DATA", "NETWORK"
    data = shlex.quote(data)
    return (
        f"Train it with a last layer for these classes: convscope train {data} --from {name}; in Python, "
        "train what nets.replace_head(net, classes) returns."
    )


def _check_classes(data: Any, names: Sequence[str]) -> None:
    """Refuse data of a single class, on which every network would be right."""
    labels = getattr(data, "labels", None)
    present = (
        sorted(set(labels.tolist())) if isinstance(labels, Tensor) and len(labels) else range(len(names))
    )
    if len(names) < 2 or len(present) < 2:
        raise DataError(
            "samples of two classes or more, to tell them apart",
            received=f"{getattr(data, 'name', 'the data')}, all of the class {names[next(iter(present))]}",
            hint="A folder of pictures has one folder for each class: FOLDER/<class>/<pictures>.",
        )
