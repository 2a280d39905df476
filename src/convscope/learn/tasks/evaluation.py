"""Evaluation of a classifier on labelled images: loss, accuracy, confusion matrix, hardest images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convscope.errors import DataError, UsageError
from convscope.learn.batches.source import can_share, describe, iter_batches, open_named
from convscope.learn.tasks.classifiers.calibration import adaptive_reliability, chance_error, reliability
from convscope.learn.tasks.classifiers.classifier_head import TINY, ClassifierHead, read_head
from convscope.learn.trainer.distributed import ALONE, Processes
from convscope.nets import Net, frozen, takes_network
from convscope.nets.inference.execution import PLAIN, ExecutionConfig
from convscope.recipe.result import Result
from convscope.system.counting import counted
from convscope.worlds import Batch, Dataset


@dataclass(frozen=True)
class Evaluation(Result):
    """Hold a classifier's predictions for labelled images, and derive metrics from them.

    Tensors are on the CPU, in the order of the images.

    Attributes:
        classes: names of the classes.
        labels: true class indices `[n]`.
        probabilities: predicted distributions `[n classes]`.
        losses: cross-entropy of each image `[n]`, in nats.
        temperature: what the network's scores were divided by; 1 without calibration.
    """

    classes: tuple[str, ...]
    labels: Tensor
    probabilities: Tensor
    losses: Tensor
    temperature: float = 1.0

    def _answer(self) -> Iterator[tuple[str, Any]]:
        yield "accuracy", self.accuracy
        yield "loss", self.loss
        yield "worst", self.worst
        yield "samples", len(self.labels)

    @property
    def metrics(self) -> dict[str, float]:
        """`loss` in nats and `accuracy` from 0 to 1."""
        return {"loss": self.loss, "accuracy": self.accuracy}

    @property
    def summary(self) -> tuple[str, ...]:
        """Sentences on the result: the accuracy with the most frequent confusion, and the caveat."""
        worst = f"; most often {self.worst}" if self.worst else ""
        samples = counted(len(self.labels), "test sample is", "test samples are")
        line = f"{self.accuracy:.2%} of {samples} right{worst}."
        lines = [line]
        if self.temperature != 1:
            lines.append(
                f"Calibrated at temperature {self.temperature:.3g}: the expected calibration error of the "
                f"test is {self.ece:.2%}, before {self.uncalibrated.ece:.2%}."
            )
        return (*lines, self.caveat) if self.caveat else tuple(lines)

    @property
    def predictions(self) -> Tensor:
        """Index of the most probable class of each image, `[n]`."""
        return self.probabilities.argmax(1)

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return self.losses.double().mean().item()

    @property
    def accuracy(self) -> float:
        """Share of images whose most probable class is the true one, 0 to 1."""
        return (self.predictions == self.labels).double().mean().item()

    @property
    def confusion(self) -> Tensor:
        """Confusion matrix `[classes classes]`: counts by true class (row) and prediction (column)."""
        count = len(self.classes)
        return torch.bincount(self.labels * count + self.predictions, minlength=count**2).view(count, count)

    @property
    def class_accuracy(self) -> Tensor:
        """Recall of each class `[classes]`: its share of correct predictions; NaN for one without images."""
        confusion = self.confusion.double()
        return confusion.diagonal() / confusion.sum(1)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the classes' recalls, 0 to 1, over the classes that there are images of."""
        return self.class_accuracy.nanmean().item()

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1, in 15 bins of equal width (Guo et al. 2017)."""
        return reliability(self.probabilities, self.labels).error

    @property
    def chance_ece(self) -> float:
        """Expected calibration error that a calibrated network of these confidences shows by chance."""
        return chance_error(self.probabilities)

    @property
    def adaptive_ece(self) -> float:
        """Expected calibration error, 0 to 1, in 15 bins of equally many images."""
        return adaptive_reliability(self.probabilities, self.labels).error

    @property
    def uncalibrated(self) -> "Evaluation":
        """The same evaluation at the temperature 1."""
        if self.temperature == 1:
            return self
        logits = self.probabilities.double().clamp_min(TINY).log() * self.temperature
        losses = functional.cross_entropy(logits, self.labels, reduction="none")
        return replace(self, probabilities=logits.softmax(1).float(), losses=losses.float(), temperature=1.0)

    @property
    def confusions(self) -> tuple[tuple[int, int, int], ...]:
        """Each confusion as true class, predicted class and count, the most frequent first; none of 0."""
        wrong = self.confusion.fill_diagonal_(0)
        pairs = wrong.nonzero().tolist()
        found = [(truth, answer, int(wrong[truth, answer])) for truth, answer in pairs]
        return tuple(sorted(found, key=lambda entry: -entry[2]))

    @property
    def worst(self) -> str:
        """The most frequent confusion, as `9 taken for 7 (10 times)`; empty if there is none.

        Where others are as frequent, their number is stated.
        """
        if not self.confusions:
            return ""
        truth, answer, count = self.confusions[0]
        ties = sum(other == count for _, _, other in self.confusions) - 1
        times = f"{count} time{'s' * (count > 1)}"
        more = f", {ties} other{'s' * (ties > 1)} as often" if ties else ""
        return f"{self.classes[truth]} taken for {self.classes[answer]} ({times}{more})"

    @property
    def majority(self) -> float:
        """Accuracy of always predicting the most frequent class, 0 to 1."""
        return self.labels.bincount().max().item() / len(self.labels)

    @property
    def caveat(self) -> str:
        """A sentence where the accuracy is no better than `majority`; else empty."""
        common = self.classes[int(self.labels.bincount().argmax())]
        if self.majority == 1:
            return (
                f"All of them are {common}: always predicting that is right, and says nothing of a network."
            )
        if self.accuracy <= self.majority:
            return f"Always predicting {common} would be right in {self.majority:.2%}."
        return ""

    def hardest(self, count: int = 16) -> Tensor:
        """Return the indices of the images with the largest loss.

        Args:
            count: how many; fewer if there are fewer images.

        Returns:
            Indices `[count]`, the largest loss first.
        """
        return self.losses.argsort(descending=True, stable=True)[:count]

    def to_json(self) -> dict[str, Any]:
        """Return all metrics and the hardest images, JSON-ready.

        Beside the metrics: calibration errors (`ece`, `adaptive_ece`), also before calibration
        (`uncalibrated`), confusion matrix, and the 16 images with the largest loss, by index.
        """
        plain = self.uncalibrated
        before = {"loss": plain.loss, "ece": plain.ece, "adaptive_ece": plain.adaptive_ece}
        recalls = [None if share != share else share for share in self.class_accuracy.tolist()]
        hardest = [
            {
                "index": i,
                "label": self.classes[int(self.labels[i])],
                "prediction": self.classes[int(self.predictions[i])],
                "probability": float(self.probabilities[i].max()),
                "loss": float(self.losses[i]),
            }
            for i in self.hardest().tolist()
        ]
        return {
            "pictures": len(self.labels),
            "loss": self.loss,
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "ece": self.ece,
            "adaptive_ece": self.adaptive_ece,
            "temperature": self.temperature,
            "uncalibrated": before,
            "majority": self.majority,
            "caveat": self.caveat,
            "class_accuracy": dict(zip(self.classes, recalls, strict=True)),
            "confusion": self.confusion.tolist(),
            "worst": self.worst,
            "hardest": hardest,
        }


@takes_network
def evaluate(
    net: Net,
    data: Any,
    *,
    batch: int | None = None,
    execution: ExecutionConfig = PLAIN,
    head: ClassifierHead | None = None,
    processes: Processes = ALONE,
) -> Evaluation:
    """Evaluate a classifier on labelled images.

    The network runs in evaluation mode, without gradients, and is left unchanged.

    Args:
        net: a classifier.
        data: `LabelledDataset`, another `Dataset` of class indices, or a DataLoader of `(inputs, labels)`
            with inputs in the spec's range; or the name of a set, whose test part is taken, or a folder.
        batch: samples at once; by default a number that suits their size. Not used for a DataLoader.
        execution: precision and memory format.
        head: how the output is read; found out from the output for a random input if left out.
        processes: each computes the scores of its share of a `Dataset`, and all get the whole result.

    Returns:
        Labels, predicted probabilities and losses of all images.

    Raises:
        UsageError: the network does not have one output for each class.
        DataError: there are no images.
    """
    data = open_named(data, net.input_spec, "test")
    names = class_names(data, net)
    head = head or read_head(net, len(names), getattr(data, "name", "the data"))
    scores, targets = read_scores(net, data, head, batch=batch, execution=execution, processes=processes)
    return evaluate_logits(scores, targets, names, head.net.output_spec.temperature)


def read_scores(
    net: Net,
    data: Any,
    head: ClassifierHead,
    *,
    batch: int | None = None,
    execution: ExecutionConfig = PLAIN,
    processes: Processes = ALONE,
) -> tuple[Tensor, Tensor]:
    """Compute a classifier's scores for labelled images.

    Args:
        net: a classifier; runs in evaluation mode and is left unchanged.
        data: as for `evaluate`.
        head: how the output is read.
        batch: samples at once; by default a number that suits their size.
        execution: precision and memory format.
        processes: each computes the scores of its share of a `Dataset`.

    Returns:
        Scores `[n classes]`, from `head.logits`, and labels `[n]`, on the network's device.

    Raises:
        DataError: there are no images.
    """
    names = class_names(data, net)
    logits, labels = [], []
    processes = processes if can_share(data, processes) else ALONE
    with torch.inference_mode(), frozen(net.module), execution.autocast(net.device):
        for loaded in iter_batches(data, net, batch, processes):
            checked = check_labels(loaded, net.with_classes(names))
            logits.append(head.logits(net(*map(execution.to_memory_format, checked.inputs))))
            labels.append(checked.targets)
        if not labels:
            raise DataError(
                "samples to evaluate on", received="none", hint="Give data with at least one sample."
            )
        scores, targets = torch.cat(logits), torch.cat(labels)
    scores, targets = scores.clone(), targets.clone()
    if processes.count == 1:
        return scores, targets
    return processes.gather(scores, len(data)), processes.gather(targets, len(data))


def evaluate_logits(
    logits: Tensor, labels: Tensor, names: Sequence[str], temperature: float = 1.0
) -> Evaluation:
    """Evaluate a classifier's logits.

    Args:
        logits: scores `[n classes]`, divided by the temperature.
        labels: true class indices `[n]`.
        names: names of the classes.
        temperature: what they were divided by.

    Returns:
        Labels, predicted probabilities and losses.
    """
    with torch.inference_mode():
        losses = functional.cross_entropy(logits, labels, reduction="none")
        probabilities = logits.softmax(1)
    return Evaluation(
        tuple(names), *(x.cpu().clone() for x in (labels, probabilities, losses)), temperature=temperature
    )


def class_names(data: Any, net: Net) -> tuple[str, ...]:
    """Return the names of the classes.

    They are the data's, else the network's labels, else those of a loader's data set.

    Args:
        data: its `classes`, or those of its `dataset`, are looked up.
        net: its `labels` are looked up.

    Returns:
        One name for each class.

    Raises:
        UsageError: neither has names.
    """
    names = getattr(data, "classes", None) or net.classes
    if not names:
        names = getattr(getattr(data, "dataset", None), "classes", None)
    if not names and isinstance(data, Dataset):
        raise UsageError(
            "data with classes, to train or test a classifier",
            received=f"{data.name}, which has none",
            hint="Choose data with classes, or the task that learns from such data: --task NAME.",
        )
    if not names:
        raise UsageError(
            "names of the classes",
            received="a loader and a network without",
            hint="Name the classes: wrap(module, spec, classes=...).",
        )
    return tuple(map(str, names))


def check_labels(batch: Batch, net: Net) -> Batch:
    """Check that the targets of a batch are class indices.

    Args:
        batch: samples whose targets should be integer labels `[b]`.
        net: network with the names of the classes.

    Returns:
        The batch with labels in int64.

    Raises:
        DataError: the targets are something else, or a label is out of range.
    """
    labels = batch.targets
    if (
        not isinstance(labels, Tensor)
        or labels.shape != batch.inputs[0].shape[:1]
        or labels.is_floating_point()
    ):
        raise DataError(
            "pairs of inputs [b c ...] and class numbers [b] from the loader",
            received=describe(batch),
            hint="Let the loader yield (inputs, labels), the labels whole numbers from 0.",
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < max(len(net.classes), 1):
        raise DataError(
            f"class numbers from 0 to {len(net.classes) - 1}",
            received=f"{int(labels.min())} to {int(labels.max())}",
            hint="Number the classes from 0, or name all of them: wrap(module, spec, classes=...).",
        )
    return Batch(batch.inputs, labels.to(torch.int64))
