"""How well a network does on labelled pictures, and where it fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convscope.errors import DataError, UsageError
from convscope.learn.batches.source import checked
from convscope.learn.execution import PLAIN, ExecutionConfig
from convscope.learn.tasks.classifier_head import ClassifierHead, read_head
from convscope.nets import Net, frozen
from convscope.worlds import LabelledImages
from convscope.worlds.images.adapt import to_contract

FLOATS = 2**19
"""Numbers that go into one batch: enough to keep the cores busy, few enough for their caches."""


@dataclass(frozen=True)
class Evaluation:
    """What a network answered to labelled pictures.

    Tensors are on the CPU, in the order of the pictures: `probabilities` `[n classes]`, `losses` `[n]` in
    nats, `labels` `[n]`.
    """

    classes: tuple[str, ...]
    labels: Tensor
    probabilities: Tensor
    losses: Tensor

    @property
    def predictions(self) -> Tensor:
        """The likeliest class of each picture, `[n]`."""
        return self.probabilities.argmax(1)

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return self.losses.double().mean().item()

    @property
    def accuracy(self) -> float:
        """Share that was right, 0 to 1."""
        return (self.predictions == self.labels).double().mean().item()

    @property
    def confusion(self) -> Tensor:
        """How many of each class (row) were taken for each class (column): `[classes classes]`."""
        count = len(self.classes)
        return torch.bincount(self.labels * count + self.predictions, minlength=count**2).view(count, count)

    @property
    def class_accuracy(self) -> Tensor:
        """Share of each class that was right; NaN for a class without pictures."""
        confusion = self.confusion.double()
        return confusion.diagonal() / confusion.sum(1)

    @property
    def worst(self) -> str:
        """The commonest mistake: `9 taken for 7 (10 times)`; empty if there is none."""
        wrong = self.confusion.fill_diagonal_(0)
        label, answer = divmod(int(wrong.argmax()), len(self.classes))
        times = int(wrong[label, answer])
        return f"{self.classes[label]} taken for {self.classes[answer]} ({times} times)" if times else ""

    @property
    def majority(self) -> float:
        """Share that is right if the commonest class is always answered, 0 to 1."""
        return self.labels.bincount().max().item() / len(self.labels)

    @property
    def caveat(self) -> str:
        """Why the accuracy is no achievement, as a sentence; empty where it may be one."""
        common = self.classes[int(self.labels.bincount().argmax())]
        if self.majority == 1:
            return f"All of them are {common}: always answering that is right, and says nothing of a network."
        if self.accuracy <= self.majority:
            return f"Always answering {common} would be right in {self.majority:.2%}."
        return ""

    def hardest(self, count: int = 16) -> Tensor:
        """Indices of the pictures with the largest loss, hardest first."""
        return self.losses.argsort(descending=True, stable=True)[:count]

    def to_json(self) -> dict[str, Any]:
        """Numbers for a document; pictures are named by index."""
        shares = [None if share != share else share for share in self.class_accuracy.tolist()]
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
            "majority": self.majority,
            "caveat": self.caveat,
            "class_accuracy": dict(zip(self.classes, shares, strict=True)),
            "confusion": self.confusion.tolist(),
            "worst": self.worst,
            "hardest": hardest,
        }


def evaluate(
    net: Net,
    data: Any,
    *,
    batch: int | None = None,
    choice: ExecutionConfig = PLAIN,
    head: ClassifierHead | None = None,
) -> Evaluation:
    """Show the network labelled pictures; it is afterwards as it was.

    Args:
        net: a classifier.
        data: `LabelledImages`, or a DataLoader of `(inputs, labels)` with inputs in the contract's range.
        batch: pictures at once; by default a number that suits their size.
        choice: precision and memory format.
        head: how to read the answer; found out when left out.

    Raises:
        UsageError: the network does not have one output for each class.
        DataError: there are no pictures.
    """
    head = head or read_head(net, len(class_names(data, net)), getattr(data, "name", "the data"))
    logits, labels = [], []
    with torch.inference_mode(), frozen(net.module), choice.autocast(net.device):
        for inputs, wanted in _batches(net, data, batch):
            logits.append(head.logits(net(choice.to_memory_format(inputs))))
            labels.append(wanted)
        if not labels:
            raise DataError("pictures to evaluate on", received="none")
        scores, wanted = torch.cat(logits), torch.cat(labels)
        losses = functional.cross_entropy(scores, wanted, reduction="none")
        probabilities = scores.softmax(1)
    return Evaluation(
        class_names(data, net), wanted.cpu().clone(), probabilities.cpu().clone(), losses.cpu().clone()
    )


def class_names(data: Any, net: Net) -> tuple[str, ...]:
    """What the data calls its classes, else what the network does.

    Raises:
        UsageError: neither says.
    """
    names = getattr(data, "classes", None) or net.labels
    if not names:
        names = getattr(getattr(data, "dataset", None), "classes", None)
    if not names:
        raise UsageError(
            "names of the classes",
            received="a loader and a network without",
            hint="Give the network labels: wrap(module, contract, labels=...).",
        )
    return tuple(map(str, names))


def _batches(net: Net, data: Any, batch: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    if not isinstance(data, LabelledImages):
        for loaded in data:
            yield checked(loaded, net)
        return
    size = batch or min(1000, max(8, FLOATS // prod(net.contract.shape)))
    for pictures, labels in data.batches(range(len(data)), size):
        yield to_contract(pictures.to(net.device), net.contract), labels.to(net.device)
