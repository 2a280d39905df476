"""Batches for a training, in an order that any of its moments can be resumed from."""

import random
from collections.abc import Iterator, Sized
from typing import Any, Protocol, cast

import torch
from torch import Generator, Tensor

from convscope.errors import DataError, UsageError
from convscope.learn.batches.augment_images import augmented
from convscope.learn.recipe import ClassificationRecipe
from convscope.nets import Net
from convscope.worlds import ImageTensorDataset, LabelledImages
from convscope.worlds.images.adapt import to_contract

Batch = tuple[Tensor, Tensor]
"""Inputs `[b c ...]` in the contract's range and labels `[b]`, on the network's device."""

ROOM_ON_DEVICE = 2 * 2**30
"""Bytes of pictures that are kept on an accelerator."""


class BatchSource(Protocol):
    """Where batches come from."""

    steps: int
    """Batches of an epoch."""

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """The batches of an epoch (from 0), without the first `skip`."""
        ...

    @property
    def problems(self) -> int:
        """Pictures that could not be read so far."""
        ...


def seed_of(*parts: int | str) -> int:
    """One 63-bit seed from several things; the same on every machine."""
    return random.Random("/".join(map(str, parts))).getrandbits(63)


def make_batches(data: Any, net: Net, plan: ClassificationRecipe) -> BatchSource:
    """A feed from `LabelledImages`, or from anything that yields `(inputs, labels)`, such as a DataLoader.

    Raises:
        DataError: there is nothing to learn from.
        UsageError: it is neither.
    """
    if isinstance(data, LabelledImages):
        return DatasetBatches(data, net, plan)
    if hasattr(data, "__iter__") and hasattr(data, "__len__"):
        return LoaderBatches(data, net)
    raise UsageError("Samples or a DataLoader to learn from", received=type(data).__name__)


class DatasetBatches:
    """Shuffled batches of `LabelledImages`.

    The order follows from seed and epoch, and the augmentation from seed, epoch and step, so nothing needs to
    be remembered to go on from the middle. Pictures in memory are picked out by index; files are decoded by
    threads while the network computes.
    """

    def __init__(self, samples: LabelledImages, net: Net, plan: ClassificationRecipe) -> None:
        if not len(samples):
            raise DataError("pictures to learn from", received=f"{samples.name} holds none")
        self.samples, self.net, self.plan = samples, net, plan
        alone = len(samples) > plan.batch and len(samples) % plan.batch == 1
        self._used = len(samples) - alone  # a batch of one has no variance to normalise by
        self.steps = -(-self._used // plan.batch)
        self._images = _on_device(samples, net) if not plan.augment else None
        self._labels = samples.labels.to(net.device)

    @property
    def problems(self) -> int:
        """Pictures that could not be read so far."""
        return len(self.samples.problems)

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """The batches of an epoch, without the first `skip`."""
        generator = Generator().manual_seed(seed_of(self.plan.seed, "order", epoch))
        order = torch.randperm(len(self.samples), generator=generator)[: self._used]
        contract, size = self.net.contract, self.plan.batch
        if self._images is not None:
            for part in order.to(self._labels.device)[skip * size :].split(size):
                yield (
                    to_contract(self._images.index_select(0, part), contract),
                    self._labels.index_select(0, part),
                )
            return
        rest = self.samples.batches(order[skip * size :], size)
        for step, (pictures, labels) in enumerate(rest, start=skip):
            if self.plan.augment:
                pictures = augmented(pictures, self.plan.augment, seed_of(self.plan.seed, epoch, step))
            yield to_contract(pictures.to(self._labels.device), contract), labels.to(self._labels.device)


class LoaderBatches:
    """Batches as a DataLoader makes them: inputs in the contract's range, labels as class numbers.

    Going on from the middle of an epoch draws and drops the batches before, under the epoch's own randomness.
    """

    problems = 0

    def __init__(self, loader: Any, net: Net) -> None:
        self.loader, self.net = loader, net
        self.steps = len(cast(Sized, loader))
        if not self.steps:
            raise DataError("batches to learn from", received="a loader of length 0")

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """The batches of an epoch, without the first `skip`."""
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
    """A loader's batch on the network's device; bytes become numbers in its range.

    Raises:
        DataError: it is no pair of inputs and class numbers.
    """
    match batch:
        case [Tensor() as inputs, Tensor() as labels] if labels.shape == inputs.shape[:1] and not (
            labels.is_floating_point()
        ):
            pass
        case _:
            wanted = "pairs of inputs [b c ...] and class numbers [b] from the loader"
            raise DataError(wanted, received=_form(batch))
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < max(len(net.labels), 1):
        raise DataError(
            f"class numbers from 0 to {len(net.labels) - 1}",
            received=f"{int(labels.min())} to {int(labels.max())}",
        )
    ready = to_contract(inputs, net.contract) if inputs.dtype == torch.uint8 else inputs
    return ready.to(net.device), labels.to(net.device, torch.int64)


def _on_device(samples: LabelledImages, net: Net) -> Tensor | None:
    """All pictures as one tensor beside the network, if they are in memory and there is room."""
    if not isinstance(samples, ImageTensorDataset):
        return None
    there = net.device.type == "cpu" or samples.images.numel() <= ROOM_ON_DEVICE
    return samples.images.to(net.device) if there else None


def _form(batch: Any) -> str:
    if isinstance(batch, list | tuple):
        return ", ".join(
            f"{tuple(x.shape)} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__ for x in batch
        )
    return type(batch).__name__
