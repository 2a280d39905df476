"""Learning to name what is in a picture: the task that `Trainer` has when it is told no other."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convscope.errors import DataError
from convscope.learn.batches.source import Batch, BatchSource, make_batches
from convscope.learn.execution import choose
from convscope.learn.recipe import TrainRecipe
from convscope.learn.tasks.classifier_head import ClassifierHead, read_head
from convscope.learn.tasks.evaluation import class_names, evaluate
from convscope.learn.tasks.task import EvalResult, StepOutput
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig


class Classification:
    """Cross-entropy, and the share that is right. The network's labels become the names of the classes."""

    metric_sums = 2
    head: ClassifierHead
    smoothing: float

    def make_batches(self, net: Net, data: Any, plan: Any) -> BatchSource:
        """Read the network's answer, name its outputs, and say where batches come from.

        Raises:
            UsageError: network and data do not fit each other.
            DataError: there is nothing to learn from, or nothing to tell apart: all of one class.
        """
        names = class_names(data, net)
        _check_classes(data, names)
        self.head = read_head(net, len(names), getattr(data, "name", "the data"))
        self.smoothing = plan.label_smoothing
        net.labels = names
        return make_batches(data, net, plan)

    def execution(self, net: Net, plan: TrainRecipe) -> ExecutionConfig:
        """The fastest precision and memory format here."""
        return choose(net, plan)

    def training_step(self, net: Net, batch: Batch, choice: ExecutionConfig, step: int) -> StepOutput:
        """Softened cross-entropy; plain cross-entropy and right answers are added up."""
        inputs, labels = batch
        with choice.autocast(inputs.device):
            logits = self.head.logits(net(choice.to_memory_format(inputs)))
        loss = self.head.loss(logits, labels, self.smoothing)
        with torch.no_grad():
            right = (logits.argmax(1) == labels).sum()
            plain = self.head.loss(logits, labels)
            return StepOutput(loss, torch.stack((plain * len(labels), right)))

    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        """Loss in nats, and accuracy from 0 to 1."""
        return {"loss": sums[0] / max(seen, 1), "accuracy": sums[1] / max(seen, 1)}

    def evaluate(self, net: Net, data: Any, choice: ExecutionConfig) -> EvalResult:
        """Loss, accuracy, and the commonest mistake."""
        found = evaluate(net, data, choice=choice, head=self.head)
        return EvalResult({"loss": found.loss, "accuracy": found.accuracy}, found.worst)


def _check_classes(data: Any, names: Sequence[str]) -> None:
    """Refuse pictures of one class: whatever a network answered about them, it would be right."""
    labels = getattr(data, "labels", None)
    there = sorted(set(labels.tolist())) if isinstance(labels, Tensor) and len(labels) else range(len(names))
    if len(names) < 2 or len(there) < 2:
        raise DataError(
            "pictures of two classes or more, to tell them apart",
            received=f"{getattr(data, 'name', 'the data')}, all of the class {names[next(iter(there))]}",
            hint="A folder of pictures has one folder for each class: FOLDER/<class>/<pictures>.",
        )
