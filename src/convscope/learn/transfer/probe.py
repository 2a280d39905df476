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
from convscope.learn.optimization.schedules import lr_factor
from convscope.learn.trainer.distributed import ALONE, Processes
from convscope.learn.transfer.features import cache_folder, iter_features, prune_cache
from convscope.nets import Net
from convscope.nets.io.replaced_head import Head, find_head
from convscope.worlds import Batch, LabelledDataset


@dataclass(frozen=True)
class FeatureBatch(Batch):
    """Hold features `[b f]` that the head of a classifier reads, with their labels."""


class LinearProbe:
    """Train only the head of a classifier, in the first epochs of a training, on cached features.

    Args:
        epochs: number of these epochs; 0 for none.
        lr: highest learning rate of these epochs.

    Attributes:
        epochs: as given.
        lr: as given.
    """

    def __init__(self, epochs: int, lr: float) -> None:
        self.epochs, self.lr = epochs, lr
        self._epoch: int | None = None
        self._net: Net | None = None
        self._head: Head | None = None
        self._features: dict[int, tuple[LabelledDataset, Tensor]] = {}

    def begin(self, net: Net, data: Any) -> None:
        """Find the head, and check that it can be probed; nothing is done without epochs of a probe.

        Args:
            net: the classifier; its other weights stay as they are while it is probed.
            data: what it learns from.

        Raises:
            UsageError: the network's output is no linear function of features that can be computed once, or
                the data is not of labelled samples.
        """
        self._epoch, self._features = None, {}
        if not self.epochs:
            return
        require_probe_data(data)
        self._net, self._head = net, find_head(net)
        if self._head.nonlinear:
            raise UsageError(
                "a network whose output is a linear function of its features, to probe it",
                received=f"{net.name}: {self._head.nonlinear}",
                hint="Fine-tune without a probe: --probe-epochs 0 --epochs 5.",
            )

    @property
    def head(self) -> Head:
        """The head; known once the probe has begun."""
        if self._head is None:
            raise RuntimeError("begin finds the head")
        return self._head

    @property
    def is_current(self) -> bool:
        """Whether the epoch that has begun trains only the head."""
        return self._epoch is not None and self.covers(self._epoch)

    def covers(self, epoch: int) -> bool:
        """Return whether only the head learns in an epoch.

        Args:
            epoch: index of the epoch, from 0.

        Returns:
            True for the first `epochs`.
        """
        return epoch < self.epochs

    def begin_epoch(self, epoch: int) -> None:
        """Note that an epoch begins.

        Args:
            epoch: index of the epoch, from 0.
        """
        self._epoch = epoch

    def learning_rate(self, recipe: Any, max_lr: float, step: int, steps: int) -> float:
        """Return the learning rate of a step; probe and fine-tuning run through the schedule each.

        Args:
            recipe: recipe of the training.
            max_lr: highest learning rate of the fine-tuning.
            step: step of the training, from 0, counted over all epochs.
            steps: steps of an epoch.

        Returns:
            The learning rate, positive.
        """
        probed = self.epochs * steps
        if step < probed:
            return self.lr * lr_factor(recipe, step, probed)
        return max_lr * lr_factor(recipe, step - probed, recipe.epochs * steps - probed)

    def batches(self, source: BatchSource) -> BatchSource:
        """Return a batch source of features in the epochs of the probe.

        Args:
            source: batches of samples.

        Returns:
            A source that yields features first; the same one where nothing is probed.
        """
        probed = self.epochs and isinstance(source, DatasetBatches)
        return ProbeBatches(source, self) if probed else source  # pyright: ignore[reportArgumentType]

    def prepare(self, *data: Any, processes: Processes = ALONE) -> Iterator[float]:
        """Compute the features of data sets, or read them from the user's cache.

        Args:
            *data: `LabelledDataset`; the share of each in the progress is that of its samples.
            processes: those that train together; each computes a share of the features.

        Yields:
            The share that is done, 0 to 1.
        """
        net, head = self._net, self.head
        if net is None:
            raise RuntimeError("begin takes the network")
        every = sum(map(len, data))
        before = 0
        for samples in data:
            folder = cache_folder(net, head, samples)
            steps = iter_features(net, head, samples, cache=folder, processes=processes)
            while True:
                try:
                    yield (before + next(steps) * len(samples)) / every
                except StopIteration as end:
                    self._features[id(samples)] = (samples, end.value.to(net.device))
                    break
            prune_cache(folder)
            before += len(samples)

    def evaluated(self, data: Any, net: Net) -> Tensor | None:
        """Return the answers for a data set from its features, in an epoch of the probe.

        Args:
            data: one of the data sets given to `prepare`.
            net: the classifier in training, or one with averaged weights.

        Returns:
            Scores `[n classes]`; None in later epochs, when the features are no longer those of the network,
            and where none have been computed.
        """
        found = self.features(data)
        if found is None or not self.is_current:
            return None
        with torch.no_grad():
            return self.logits(found, net)

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
        """Return the head's output for features, as the network computes it.

        Args:
            features: `[b f]`.
            net: the classifier in training, or one with averaged weights; its head is run.

        Returns:
            `[b classes]`.

        Raises:
            UsageError: gradients are asked for, and the head is frozen.
        """
        found = self.head.logits(features, net.module)
        if torch.is_grad_enabled() and not found.requires_grad:
            raise UsageError(
                "a head that learns in the epochs of the linear probe",
                received=f"{self.head.path}, which is frozen",
                hint="Thaw it, or leave the probe out: --probe-epochs 0.",
            )
        return found


class ProbeBatches(BatchSource):
    """Yield batches of features in the epochs of a linear probe, and then those of another source.

    Both have the same order in an epoch, and so the same number of steps. Features are not augmented.

    Args:
        source: batches of samples.
        probe: the linear probe.
        processes: those that train together.
    """

    def __init__(self, source: DatasetBatches, probe: LinearProbe, processes: Processes = ALONE) -> None:
        self.source, self.probe, self.steps, self.processes = source, probe, source.steps, processes

    @property
    @override
    def problems(self) -> int:
        return self.source.problems

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        if not self.probe.covers(epoch):
            yield from self.source.batches(epoch, skip)
            return
        data = self.source.data
        features = self.probe.features(data)
        if features is None or not isinstance(data, LabelledDataset):
            raise RuntimeError("the features are computed before the first epoch")
        labels = data.labels.to(features.device)
        for indices in self.source.indices(epoch, skip, features.device):
            yield FeatureBatch((features.index_select(0, indices),), labels.index_select(0, indices))

    @override
    def shared(self, processes: Processes) -> "ProbeBatches":
        return ProbeBatches(self.source.shared(processes), self.probe, processes)

    @override
    def example(self) -> Batch:
        """Return a batch of inputs: the probe's steps cost too little to be worth a measurement."""
        with torch.random.fork_rng(devices=[]):
            return next(self.source.batches(0, 0))


def require_probe_data(data: Any) -> LabelledDataset:
    """Check that features of a data set can be computed once, and drawn again in any order.

    Args:
        data: what a training learns from or is tested on.

    Returns:
        The same data.

    Raises:
        UsageError: it is a loader, or holds something else than labelled samples.
    """
    if isinstance(data, LabelledDataset):
        return data
    raise UsageError(
        "labelled samples to probe on, whose features are computed once",
        received=type(data).__name__,
        hint="Leave probe_epochs out, or give a data set of labelled samples.",
    )
