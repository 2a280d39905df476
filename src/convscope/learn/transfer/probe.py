"""Linear probing: the first epochs of a training, in which only the head learns, on cached features.

Followed by epochs in which everything learns, that is LP-FT. Source: Kumar et al. 2022, arXiv:2202.10054.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.batches.source import BatchSource, DatasetBatches
from convscope.learn.transfer.features import cache_folder, iter_features, prune_cache
from convscope.nets import Net
from convscope.nets.io.replaced_head import find_head
from convscope.worlds import Batch, LabelledImages


@dataclass(frozen=True)
class FeatureBatch(Batch):
    """Hold features `[b f]` that the head of a classifier reads, with their labels."""


class LinearProbe:
    """Train only the head of a classifier, on features that are computed once.

    Args:
        net: the classifier; its other weights stay as they are while it is probed.
        epochs: number of epochs, the first of the training.

    Attributes:
        head: the head.
        epochs: as given.

    Raises:
        UsageError: the network's output is no linear function of features that can be computed once.
    """

    def __init__(self, net: Net, epochs: int) -> None:
        self.net, self.epochs, self.head = net, epochs, find_head(net)
        if self.head.nonlinear:
            raise UsageError(
                "a network whose output is a linear function of its features, to probe it",
                received=f"{net.name}: {self.head.nonlinear}",
                hint="Fine-tune without a probe: --probe-epochs 0 --epochs 5.",
            )
        self._features: dict[int, tuple[LabelledImages, Tensor]] = {}

    def prepare(self, *data: Any) -> Iterator[float]:
        """Compute the features of data sets, or read them from the user's cache.

        Args:
            *data: `LabelledImages`; the share of each in the progress is that of its samples.

        Yields:
            The share that is done, 0 to 1.
        """
        every = sum(map(len, data))
        before = 0
        for images in data:
            folder = cache_folder(self.net, self.head, images)
            steps = iter_features(self.net, self.head, images, cache=folder)
            while True:
                try:
                    yield (before + next(steps) * len(images)) / every
                except StopIteration as end:
                    self._features[id(images)] = (images, end.value.to(self.net.device))
                    break
            prune_cache(folder)
            before += len(images)

    def features(self, data: Any) -> Tensor | None:
        """Return the features of a data set; None where they have not been computed.

        Args:
            data: one of the data sets given to `prepare`.

        Returns:
            `[n f]`, on the network's device.
        """
        found = self._features.get(id(data))
        return None if found is None else found[1]

    def logits(self, features: Tensor, net: Net) -> Tensor:
        """Return the head's output for features.

        Args:
            features: `[b f]`.
            net: the classifier in training, or one with averaged weights; its head is run.

        Returns:
            `[b classes]`.
        """
        return self.head.logits(features, net.module)


class ProbeBatches(BatchSource):
    """Yield batches of features in the epochs of a linear probe, and then those of another source.

    Both have the same order in an epoch, and so the same number of steps. Features are not augmented.

    Args:
        source: batches of images.
        probe: the linear probe.
    """

    def __init__(self, source: DatasetBatches, probe: LinearProbe) -> None:
        self.source, self.probe, self.steps = source, probe, source.steps

    @property
    @override
    def problems(self) -> int:
        return self.source.problems

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        if epoch >= self.probe.epochs:
            yield from self.source.batches(epoch, skip)
            return
        data = self.source.data
        features = self.probe.features(data)
        if features is None or not isinstance(data, LabelledImages):
            raise RuntimeError("the features are computed before the first epoch")
        labels = data.labels.to(features.device)
        size = self.source.recipe.batch
        for indices in self.source.order(epoch)[skip * size :].to(features.device).split(size):
            if len(indices):
                yield FeatureBatch((features.index_select(0, indices),), labels.index_select(0, indices))

    @override
    def example(self) -> Batch:
        """Return a batch of images: the probe's steps cost too little to be worth a measurement."""
        with torch.random.fork_rng(devices=[]):
            return next(self.source.batches(0, 0))


def require_images(data: Any) -> LabelledImages:
    """Check that features of a data set can be computed once, and drawn again in any order.

    Args:
        data: what a training learns from or is tested on.

    Returns:
        The same data.

    Raises:
        UsageError: it is a loader, or holds something else than labelled images.
    """
    if isinstance(data, LabelledImages):
        return data
    raise UsageError(
        "labelled images to probe on, whose features are computed once",
        received=type(data).__name__,
        hint="Leave probe_epochs out, or give a data set of labelled images.",
    )
