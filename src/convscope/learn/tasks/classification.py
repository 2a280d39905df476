"""Training of a classifier: the task that `Trainer` has by default."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convscope.errors import DataError
from convscope.learn.batches.source import Batch, BatchSource, make_batches
from convscope.learn.execution import choose_execution
from convscope.learn.recipe import TrainRecipe
from convscope.learn.tasks.classifier_head import ClassifierHead, read_head
from convscope.learn.tasks.evaluation import class_names, evaluate
from convscope.learn.tasks.task import EvalResult, StepOutput
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig


class Classification:
    """Train a classifier with cross-entropy, and measure its accuracy.

    The trained network has the names of the data's classes; the one that was given keeps its own.

    Attributes:
        metric_sums: sums kept over an epoch: cross-entropy without label smoothing, and correct predictions.
        head: how the network's output is read; set by `make_batches`.
        classes: names of the data's classes; set by `make_batches`.
        smoothing: label smoothing of the loss, 0 to 1; set by `make_batches`.
    """

    metric_sums = 2
    head: ClassifierHead
    classes: tuple[str, ...]
    smoothing: float

    def make_batches(self, net: Net, data: Any, plan: Any) -> BatchSource:
        """Check that network and data fit, and build the batch source.

        Args:
            net: classifier to train.
            data: `LabelledImages`, or a DataLoader of `(inputs, labels)`.
            plan: recipe with seed, batch size, augmentations and label smoothing.

        Returns:
            The batch source.

        Raises:
            UsageError: network and data do not fit each other.
            DataError: there is no data, or all of it is of one class.
        """
        names = class_names(data, net)
        _check_classes(data, names)
        self.head = read_head(net, len(names), getattr(data, "name", "the data"))
        self.smoothing = plan.label_smoothing
        self.classes = names
        return make_batches(data, net.with_classes(names), plan)

    def execution(self, net: Net, plan: TrainRecipe) -> ExecutionConfig:
        """Choose the fastest precision and memory format on this machine, by measuring.

        Args:
            net: network to train; left unchanged.
            plan: recipe with `precision`, `memory_format` and `batch`.

        Returns:
            The precision and memory format of the training.
        """
        return choose_execution(net, plan)

    def training_step(self, net: Net, batch: Batch, choice: ExecutionConfig, step: int) -> StepOutput:
        """Compute the loss of a batch: cross-entropy with label smoothing.

        Args:
            net: network to train.
            batch: inputs `[b c ...]` in the spec's range, and labels `[b]`.
            choice: precision and memory format of the forward pass.
            step: step of the training, from 0; not used.

        Returns:
            The mean loss, and the sums `[2]` of the cross-entropy without smoothing and of the correct
            predictions.
        """
        inputs, labels = batch
        with choice.autocast(inputs.device):
            logits = self.head.logits(net(choice.to_memory_format(inputs)))
        loss = self.head.loss(logits, labels, self.smoothing)
        with torch.no_grad():
            correct = (logits.argmax(1) == labels).sum()
            unsmoothed = self.head.loss(logits, labels)
            return StepOutput(loss, torch.stack((unsmoothed * len(labels), correct)))

    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """Compute mean loss and accuracy.

        Args:
            sums: summed cross-entropy and number of correct predictions.
            seen: number of images that were summed over.

        Returns:
            `loss` in nats, without label smoothing, and `accuracy` from 0 to 1.
        """
        return {"loss": sums[0] / max(seen, 1), "accuracy": sums[1] / max(seen, 1)}

    def evaluate(self, net: Net, data: Any, choice: ExecutionConfig) -> EvalResult:
        """Evaluate the network on held-out images.

        Args:
            net: classifier, in any mode; left unchanged.
            data: `LabelledImages`, or a DataLoader of `(inputs, labels)`.
            choice: precision and memory format.

        Returns:
            `loss` in nats, `accuracy` from 0 to 1, and the most frequent confusion of two classes.
        """
        evaluation = evaluate(net, data, choice=choice, head=self.head)
        return EvalResult({"loss": evaluation.loss, "accuracy": evaluation.accuracy}, evaluation.worst)


def _check_classes(data: Any, names: Sequence[str]) -> None:
    """Refuse data of a single class, on which every network would be right."""
    labels = getattr(data, "labels", None)
    present = (
        sorted(set(labels.tolist())) if isinstance(labels, Tensor) and len(labels) else range(len(names))
    )
    if len(names) < 2 or len(present) < 2:
        raise DataError(
            "pictures of two classes or more, to tell them apart",
            received=f"{getattr(data, 'name', 'the data')}, all of the class {names[next(iter(present))]}",
            hint="A folder of pictures has one folder for each class: FOLDER/<class>/<pictures>.",
        )
