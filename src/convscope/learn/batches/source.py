"""Batches of a training, in an order that can be resumed at any step."""

import random
from collections.abc import Iterator, Sized
from typing import Any, Protocol, cast

import torch
from torch import Generator, Tensor

from convscope.errors import DataError, UsageError
from convscope.learn.recipe import ClassificationRecipe
from convscope.nets import Net
from convscope.worlds import ImageTensorDataset, LabelledImages
from convscope.worlds.images.adapt import to_spec
from convscope.worlds.images.augment import augmented

Batch = tuple[Tensor, Tensor]
"""Inputs `[b c ...]` in the spec's range and labels `[b]`, on the network's device."""

ROOM_ON_DEVICE = 2 * 2**30
"""Largest data set, in bytes, that is kept on an accelerator."""


class BatchSource(Protocol):
    """Provide the batches of every epoch of a training."""

    steps: int
    """Number of batches of an epoch."""

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            epoch: index of the epoch, from 0; it decides the order.
            skip: number of batches to leave out at the beginning, those done before a resumed state was
                stored.

        Yields:
            Inputs `[b c ...]` and labels `[b]`.
        """
        ...

    @property
    def problems(self) -> int:
        """Number of files that could not be read so far."""
        ...


def seed_of(*parts: int | str) -> int:
    """Derive a 63-bit seed from several values; the same on every machine.

    Args:
        *parts: such as the recipe's seed, the purpose and the epoch.

    Returns:
        A seed from 0 to `2**63 - 1`.
    """
    return random.Random("/".join(map(str, parts))).getrandbits(63)


def make_batches(data: Any, net: Net, plan: ClassificationRecipe) -> BatchSource:
    """Build the batch source of a classifier's training.

    Args:
        data: `LabelledImages`, or a sized iterable of `(inputs, labels)`, such as a DataLoader.
        net: network to train; its spec decides size and range of the inputs.
        plan: recipe with seed, batch size and augmentations; not read for a DataLoader.

    Returns:
        A `DatasetBatches` or a `LoaderBatches`.

    Raises:
        DataError: the data is empty.
        UsageError: `data` is neither.
    """
    if isinstance(data, LabelledImages):
        return DatasetBatches(data, net, plan)
    if hasattr(data, "__iter__") and hasattr(data, "__len__"):
        return LoaderBatches(data, net)
    raise UsageError("Samples or a DataLoader to learn from", received=type(data).__name__)


class DatasetBatches:
    """Yield shuffled batches of `LabelledImages`.

    The order follows from seed and epoch, and the augmentation from seed, epoch and step, so no random state
    must be stored to resume from the middle of an epoch. Images in memory are picked by index; files are
    decoded by threads while the network computes. A last batch of a single image is left out: batch
    normalisation cannot compute a variance from it.

    Args:
        samples: labelled images to draw from.
        net: network to train; batches match its spec and are on its device.
        plan: recipe with seed, batch size and augmentations.

    Raises:
        DataError: there are no images.
    """

    def __init__(self, samples: LabelledImages, net: Net, plan: ClassificationRecipe) -> None:
        if not len(samples):
            raise DataError("pictures to learn from", received=f"{samples.name} holds none")
        self.samples, self.net, self.plan = samples, net, plan
        single_left = len(samples) > plan.batch and len(samples) % plan.batch == 1
        self._used = len(samples) - single_left  # a batch of one has no variance to normalise by
        self.steps = -(-self._used // plan.batch)
        self._images = _images_on_device(samples, net) if not plan.augment else None
        self._labels = samples.labels.to(net.device)

    @property
    def problems(self) -> int:
        """Number of files that could not be read so far."""
        return len(self.samples.problems)

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            epoch: index of the epoch, from 0; with the seed, it decides the order.
            skip: number of batches to leave out at the beginning.

        Yields:
            Inputs `[b c ...]` in the spec's range, and labels `[b]`, on the network's device.
        """
        generator = Generator().manual_seed(seed_of(self.plan.seed, "order", epoch))
        order = torch.randperm(len(self.samples), generator=generator)[: self._used]
        spec, size = self.net.input_spec, self.plan.batch
        if self._images is not None:
            for indices in order.to(self._labels.device)[skip * size :].split(size):
                yield (
                    to_spec(self._images.index_select(0, indices), spec),
                    self._labels.index_select(0, indices),
                )
            return
        remaining = self.samples.batches(order[skip * size :], size)
        for step, (pictures, labels) in enumerate(remaining, start=skip):
            if self.plan.augment:
                pictures = augmented(pictures, self.plan.augment, seed_of(self.plan.seed, epoch, step))
            yield to_spec(pictures.to(self._labels.device), spec), labels.to(self._labels.device)


class LoaderBatches:
    """Yield the batches of a DataLoader: inputs in the spec's range, labels as class indices.

    To resume in the middle of an epoch, the batches before are drawn again and dropped; the caller restores
    the random state of the epoch's beginning.

    Args:
        loader: sized iterable of `(inputs, labels)`.
        net: network to train; batches are moved to its device.

    Raises:
        DataError: the loader is empty.
    """

    problems = 0

    def __init__(self, loader: Any, net: Net) -> None:
        self.loader, self.net = loader, net
        self.steps = len(cast(Sized, loader))
        if not self.steps:
            raise DataError("batches to learn from", received="a loader of length 0")

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            epoch: index of the epoch, from 0; not used, since the loader decides the order.
            skip: number of batches to draw and drop at the beginning.

        Yields:
            Inputs `[b c ...]` and labels `[b]`, as `checked` returns them.

        Raises:
            DataError: a batch has another form, or all labels of a whole epoch are the same.
        """
        seen: set[int] = set()
        for number, batch in enumerate(self.loader):
            if number < skip:
                continue
            inputs, labels = checked(batch, self.net)
            if len(seen) < 2:
                seen.update(labels.unique().tolist()[:2])
            if skip == 0 and number == self.steps - 1 and len(seen) == 1:
                raise DataError(
                    "labels of two classes or more, to tell them apart",
                    received=f"a loader whose labels are all {next(iter(seen))}",
                )
            yield inputs, labels


def checked(batch: Any, net: Net) -> Batch:
    """Check a loader's batch, and move it to the network's device.

    Args:
        batch: pair of inputs `[b c ...]` and integer labels `[b]`. uint8 inputs are scaled to the spec's
            range and size; others must be in that range already.
        net: network with the spec, labels and device.

    Returns:
        Inputs `[b c ...]` and labels `[b]` (int64).

    Raises:
        DataError: it is no such pair, or a label is out of range.
    """
    match batch:
        case [Tensor() as inputs, Tensor() as labels] if labels.shape == inputs.shape[:1] and not (
            labels.is_floating_point()
        ):
            pass
        case _:
            wanted = "pairs of inputs [b c ...] and class numbers [b] from the loader"
            raise DataError(wanted, received=_describe(batch))
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < max(len(net.classes), 1):
        raise DataError(
            f"class numbers from 0 to {len(net.classes) - 1}",
            received=f"{int(labels.min())} to {int(labels.max())}",
        )
    ready = to_spec(inputs, net.input_spec) if inputs.dtype == torch.uint8 else inputs
    return ready.to(net.device), labels.to(net.device, torch.int64)


def _images_on_device(samples: LabelledImages, net: Net) -> Tensor | None:
    """Return all images as one tensor on the network's device; None if they are files, or too many for it."""
    if not isinstance(samples, ImageTensorDataset):
        return None
    fits = net.device.type == "cpu" or samples.images.numel() <= ROOM_ON_DEVICE
    return samples.images.to(net.device) if fits else None


def _describe(batch: Any) -> str:
    """Describe the form of a batch, for a message."""
    if isinstance(batch, list | tuple):
        return ", ".join(
            f"{tuple(x.shape)} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__ for x in batch
        )
    return type(batch).__name__
