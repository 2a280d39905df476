"""Batches of a training, in an order that can be resumed at any step."""

import copy
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence, Sized
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Generator, Tensor
from torch.utils.data.distributed import DistributedSampler
from typing_extensions import override

from convscope import worlds
from convscope.errors import DataError, UsageError
from convscope.graph import TensorSpec
from convscope.learn.batches import alternating_flip
from convscope.learn.batches.alternating_flip import AlternatingFlip
from convscope.learn.batches.lengths import by_length, lengths_of, trimmed, trims
from convscope.learn.recipe import Sampler, TrainRecipe
from convscope.learn.trainer.distributed import ALONE, Processes
from convscope.nets import Net
from convscope.worlds import Batch, Dataset, ImageTensorDataset, LabelledImages
from convscope.worlds.images.adapt import to_spec
from convscope.worlds.images.bit_depth import PictureWarning
from convscope.worlds.images.datasets.labelled import gathered
from convscope.worlds.images.pixels import require_range
from convscope.worlds.registry import augmented, check_augmentations

ROOM_ON_DEVICE = 2 * 2**30
"""Largest data set, in bytes, that is kept on an accelerator."""
FLOATS = 2**19
"""Input values in a batch of an evaluation: enough to occupy all cores, few enough for their caches."""
TOLERANCE = 0.5
"""How far a loader's values may be out of the spec's range, as a share of it: augmentations brighten."""


class BatchSource(ABC):
    """Base class of what provides the batches of every epoch of a training.

    Attributes:
        steps: number of batches of an epoch.
        uses_global_rng: whether the order is drawn from torch's global generators while an epoch is iterated,
            as a DataLoader draws it. To resume within an epoch, the caller must then restore their state as
            it was at the beginning of the epoch until the first batch is drawn.
    """

    steps: int
    uses_global_rng: bool = False

    @property
    def problems(self) -> int:
        """Number of files that could not be read so far."""
        return 0

    @abstractmethod
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            epoch: index of the epoch, from 0; it decides the order.
            skip: number of batches to leave out at the beginning, those done before a resumed state was
                stored.

        Yields:
            Batches on the network's device.
        """

    def example(self) -> Batch:
        """Return the first batch of the first epoch, without a change of torch's global generators."""
        with torch.random.fork_rng(devices=[]):
            return next(self.batches(0, 0))

    def shared(self, processes: Processes) -> "BatchSource":
        """Return a source of this process' share of every batch, where several train together.

        Args:
            processes: all of them.

        Returns:
            By default one that draws whole batches and yields their share.

        Raises:
            DataError: there are fewer samples than processes.
        """
        return self if processes.count == 1 else SharedBatches(self, processes)


class SharedBatches(BatchSource):
    """Yield one process' share of the batches of another source, which every process draws whole.

    Args:
        source: batches in an order that is the same in every process.
        processes: all processes.
    """

    def __init__(self, source: BatchSource, processes: Processes) -> None:
        self.source, self.processes = source, processes
        self.steps, self.uses_global_rng = source.steps, source.uses_global_rng

    @property
    @override
    def problems(self) -> int:
        return self.source.problems

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        for batch in self.source.batches(epoch, skip):
            _require_enough(batch.size, self.processes)
            yield batch.part(*self.processes.bounds(batch.size))

    @override
    def example(self) -> Batch:
        batch = self.source.example()
        return batch.part(*self.processes.bounds(batch.size))


def seed_of(*parts: int | str) -> int:
    """Derive a 63-bit seed from several values; the same on every machine.

    Args:
        *parts: such as the recipe's seed, the purpose and the epoch.

    Returns:
        A seed from 0 to `2**63 - 1`.
    """
    return random.Random("/".join(map(str, parts))).getrandbits(63)


def open_named(data: Any, spec: TensorSpec, split: str) -> Any:
    """Open the data set of a name, or of a folder or file; anything else is returned as it is.

    Args:
        data: what `worlds.open` takes, or data.
        spec: specification of the samples of a folder.
        split: `train` or `test`; of a folder or file all is taken.

    Returns:
        The data.

    Raises:
        UsageError: there is no such name.
        MissingError: the published data set is not there.
        DataError: there are no such files, or they are damaged.
    """
    if not isinstance(data, str | PathLike):
        return data
    return worlds.open(str(data), None if Path(data).exists() else split, spec=spec)


def make_batches(
    data: Any, net: Net, recipe: TrainRecipe, augment: Sequence[str] = (), sampler: Sampler = "shuffle"
) -> BatchSource:
    """Build the batch source of a training.

    Args:
        data: a `Dataset`, or a sized iterable of batches such as a DataLoader (see `as_batch`).
        net: network to train; batches are on its device, images at the size and in the range of its spec.
        recipe: recipe with seed and batch size; not read for a DataLoader.
        augment: names of augmentations of the data's world; for a `Dataset` only.
        sampler: `balanced` draws every class equally often; for data with labels only.

    Returns:
        An `ImageBatches`, `DatasetBatches` or `LoaderBatches`.

    Raises:
        DataError: the data is empty.
        UsageError: `data` is something else, its world has no such augmentation, or it has no labels to
            balance.
    """
    if isinstance(data, LabelledImages):
        return ImageBatches(data, net, recipe, augment, sampler)
    if isinstance(data, Dataset):
        return DatasetBatches(data, net, recipe, augment, sampler)
    if sampler != "shuffle":
        raise UsageError(
            "a Dataset with labels, to draw its classes equally often",
            received=type(data).__name__,
            hint="Leave sampler out, and give the loader a torch.utils.data.WeightedRandomSampler.",
        )
    if augment:
        raise UsageError(
            f"a Dataset to augment by {', '.join(augment)}",
            received=type(data).__name__,
            hint="Augment in the data set or loader itself, and leave augment out.",
        )
    if hasattr(data, "__iter__") and hasattr(data, "__len__") and not isinstance(data, str | bytes):
        return LoaderBatches(data, net)
    raise UsageError(
        "a Dataset or a DataLoader to learn from",
        received=type(data).__name__,
        hint="Give a Dataset (worlds.open), or a torch DataLoader.",
    )


def iter_batches(
    data: Any, net: Net, size: int | None = None, processes: Processes = ALONE
) -> Iterator[Batch]:
    """Iterate over data once, in its own order, for an evaluation.

    Args:
        data: a `Dataset`, or an iterable of batches such as a DataLoader.
        net: batches match its spec and are on its device.
        size: samples in a batch of a `Dataset`; by default a number that suits their size.
        processes: of a `Dataset`, the share of this one is read.

    Yields:
        Batches on the network's device.

    Raises:
        DataError: a loader's batch has another form.
    """
    if not isinstance(data, Dataset):
        yield from (as_batch(loaded, net) for loaded in data)
        return
    size = size or min(1000, max(8, FLOATS // sum(prod(spec.shape) for spec in net.input_specs)))
    first, last = processes.bounds(len(data))
    for start in range(first, last, size):
        yield _drawn(data, torch.arange(start, min(start + size, last)), net)


def can_share(data: Any, processes: Processes) -> bool:
    """Return whether processes can evaluate on data together: a `Dataset` with a sample for each of them.

    Others, such as a DataLoader, which may draw at random, every process reads whole.

    Args:
        data: as for `iter_batches`.
        processes: all of them.

    Returns:
        Whether each of them may evaluate on its share.
    """
    return isinstance(data, Dataset) and len(data) >= processes.count


def _drawn(data: Dataset, indices: Tensor, net: Net) -> Batch:
    """Return some samples on the network's device; images at the size and in the range of its spec."""
    if isinstance(data, LabelledImages):
        images = to_spec(data.pixels(indices).to(net.device), net.input_spec)
        return Batch((images,), data.labels[indices].to(net.device))
    batch = data.batch(indices)
    if trims(data, net):
        batch = Batch((trimmed(batch.inputs[0], net),), batch.targets)
    return batch.to(net.device)


class DatasetBatches(BatchSource):
    """Yield shuffled batches of a `Dataset`, optionally augmented.

    The order follows from seed and epoch, and the augmentation from seed, epoch and step, so no random state
    must be stored to resume from the middle of an epoch. A last batch of a single sample is left out: batch
    normalisation cannot compute a variance from it. So is one of fewer samples than processes.

    Args:
        data: samples to draw from.
        net: network to train; batches are on its device.
        recipe: recipe with seed and batch size.
        augment: names of augmentations of the first input's world.
        sampler: `shuffle` draws each sample once in an epoch; `balanced` draws as many, with replacement,
            each of a class drawn at random.

    Raises:
        DataError: there are no samples.
        UsageError: the world has no such augmentation, or there are no labels to balance.
    """

    def __init__(
        self,
        data: Dataset,
        net: Net,
        recipe: TrainRecipe,
        augment: Sequence[str] = (),
        sampler: Sampler = "shuffle",
    ) -> None:
        if not len(data):
            raise DataError(
                "samples to learn from",
                received=f"{data.name} holds none",
                hint="Give more data: a --validation-split or --samples may have taken it.",
            )
        self.data, self.net, self.recipe = data, net, recipe
        self.augment = tuple(name for name in augment if name != alternating_flip.NAME)
        seed = seed_of(recipe.seed, alternating_flip.NAME)
        self._flip = AlternatingFlip(len(data), seed) if len(self.augment) < len(augment) else None
        if augment:
            check_augmentations(augment, data.specs[0])
        self._labels_to_balance = _labels(data) if sampler == "balanced" else None
        self._lengths = lengths_of(data) if trims(data, net) else None
        self._share(ALONE)

    def _share(self, processes: Processes) -> None:
        """Take this process' share of every batch."""
        self.processes, left = processes, len(self.data) % self.recipe.batch
        too_few = len(self.data) > self.recipe.batch and left < max(2, processes.count)
        self._used = len(self.data) - left * too_few
        self.steps = -(-self._used // self.recipe.batch)

    @override
    def shared(self, processes: Processes) -> Self:
        """Return a source of this process' share of every batch; only its own samples are read.

        Each process augments with random numbers of its own.
        """
        _require_enough(min(len(self.data), self.recipe.batch), processes)
        part = copy.copy(self)
        part._share(processes)
        return part

    @property
    @override
    def problems(self) -> int:
        return len(self.data.problems)

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        for step, indices in enumerate(self.indices(epoch, skip), start=skip):
            batch = _drawn(self.data, indices, self.net)
            first, *others = batch.inputs
            yield Batch((self.change(first, indices, epoch, step), *others), batch.targets)

    def change(self, things: Tensor, samples: Tensor, epoch: int, step: int) -> Tensor:
        """Augment a batch of one input.

        Args:
            things: `[b ...]`; images as bytes.
            samples: their indices in the data, `[b]`.
            epoch: index of the epoch, from 0.
            step: index of the batch in it, from 0.

        Returns:
            The changed batch, on the same device; without augmentations the batch itself.
        """
        if self._flip is not None:
            things = self._flip(things, samples, epoch)
        if not self.augment:
            return things
        own = (self.processes.rank,) if self.processes.rank else ()
        seed = seed_of(self.recipe.seed, epoch, step, *own)
        return augmented(things.cpu(), self.augment, self.data.specs[0], seed).to(things.device)

    def order(self, epoch: int) -> Tensor:
        """Return the order of an epoch.

        Args:
            epoch: index of the epoch, from 0; with the seed, it decides the order.

        Returns:
            Indices of the samples, `[n]`, on the CPU.
        """
        generator = Generator().manual_seed(seed_of(self.recipe.seed, "order", epoch))
        if self._labels_to_balance is not None:
            return _balanced_order(self._labels_to_balance, self._used, generator)
        order = torch.randperm(len(self.data), generator=generator)[: self._used]
        if self._lengths is None:
            return order
        return by_length(order, self._lengths, self.recipe.batch, generator)

    def indices(self, epoch: int, skip: int, device: torch.device | str = "cpu") -> list[Tensor]:
        """Return the samples of each batch of an epoch; of several processes, those of this one.

        Args:
            epoch: index of the epoch, from 0.
            skip: number of batches to leave out at the beginning.
            device: where the indices are needed.

        Returns:
            Indices `[b]` of each batch, on that device.
        """
        parts = self.order(epoch)[skip * self.recipe.batch :].to(device).split(self.recipe.batch)
        return [part[slice(*self.processes.bounds(len(part)))] for part in parts if len(part)]


def _labels(data: Dataset) -> Tensor:
    """Return the class indices of a data set, `[n]`."""
    labels = getattr(data, "labels", None)
    if not isinstance(labels, Tensor):
        raise UsageError(
            "a data set with labels, to draw its classes equally often",
            received=type(data).__name__,
            hint="Leave sampler out.",
        )
    return labels.cpu()


def _balanced_order(labels: Tensor, count: int, generator: Generator) -> Tensor:
    """Draw samples with replacement: a class at random, of those that there are, and one of its samples."""
    by_class = labels.argsort(stable=True)
    _, sizes = labels.unique(return_counts=True)
    starts = sizes.cumsum(0) - sizes
    drawn = torch.randint(len(sizes), (count,), generator=generator)
    places = (torch.rand(count, generator=generator, dtype=torch.float64) * sizes[drawn]).long()
    return by_class[starts[drawn] + places]


class ImageBatches(DatasetBatches):
    """Yield shuffled batches of `LabelledImages`, optionally augmented.

    Images in memory are picked by index on the network's device; files are decoded by threads while the
    network computes.

    Args:
        data: labelled images to draw from.
        net: network to train; batches match its spec and are on its device.
        recipe: recipe with seed and batch size.
        augment: names of augmentations.
        sampler: as for `DatasetBatches`.

    Raises:
        DataError: there are no images.
    """

    def __init__(
        self,
        data: LabelledImages,
        net: Net,
        recipe: TrainRecipe,
        augment: Sequence[str] = (),
        sampler: Sampler = "shuffle",
    ) -> None:
        super().__init__(data, net, recipe, augment, sampler)
        self.images = data
        self._on_device = None if augment else _images_on_device(data, net)
        self._labels = data.labels.to(net.device)

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        spec, device = self.net.input_spec, self._labels.device
        if self._on_device is not None:
            for indices in self.indices(epoch, skip, device):
                images = to_spec(gathered(self._on_device, indices), spec)
                yield Batch((images,), self._labels.index_select(0, indices))
            return
        parts = self.indices(epoch, skip)
        order, size = torch.cat(parts) if parts else torch.empty(0), len(parts[0]) if parts else 1
        for step, (pixels, labels) in enumerate(self.images.pixel_batches(order, size), start=skip):
            pixels = self.change(pixels, parts[step - skip], epoch, step)
            yield Batch((to_spec(pixels.to(device), spec),), labels.to(device))


class LoaderBatches(BatchSource):
    """Yield the batches of a DataLoader.

    To resume in the middle of an epoch, the batches before are drawn again and dropped. Images whose values
    are out of the spec's range, such as those that were normalised already, are warned of once.

    Args:
        loader: sized iterable of batches (see `as_batch`).
        net: network to train; batches are moved to its device.

    Raises:
        DataError: the loader is empty.
    """

    uses_global_rng = True

    def __init__(self, loader: Any, net: Net) -> None:
        self.loader, self.net, self._range_checked = loader, net, False
        self.steps = len(cast(Sized, loader))
        if isinstance(getattr(loader, "sampler", None), DistributedSampler):
            raise UsageError(
                "a loader of whole batches, which the processes share here",
                received="a DistributedSampler",
                hint="Leave the sampler out.",
            )
        if not self.steps:
            raise DataError(
                "batches to learn from",
                received="a loader of length 0",
                hint="Give a loader with batches: drop_last drops a single incomplete one.",
            )

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        for number, loaded in enumerate(self.loader):
            if number >= skip:
                batch = as_batch(loaded, self.net)
                self._check_range(batch)
                yield batch

    def _check_range(self, batch: Batch) -> None:
        """Warn of images out of the spec's range, in the first batch that there is."""
        specs, self._range_checked = () if self._range_checked else self.net.input_specs, True
        for images, spec in zip(batch.inputs, specs, strict=False):
            if spec.kind != "image" or not images.is_floating_point() or not bool(images.isfinite().all()):
                continue
            low, high = spec.value_range
            if float((images - (low + high) / 2).abs().max()) <= (0.5 + TOLERANCE) * (high - low):
                continue
            try:
                require_range(images, spec, images)
            except DataError as error:
                warnings.warn(f"The loader: {error}", PictureWarning, stacklevel=2)

    @override
    def example(self) -> Batch:
        generator = getattr(self.loader, "generator", None)
        if not isinstance(generator, Generator):
            return super().example()
        before = generator.get_state()
        try:
            return super().example()
        finally:
            generator.set_state(before)


def _require_enough(samples: int, processes: Processes) -> None:
    """Refuse a batch that cannot be shared."""
    if samples < processes.count:
        raise DataError(
            f"a sample of every batch for each of {processes.count} processes",
            received=f"a batch of {samples}",
            hint="Start fewer processes, or use larger batches; in a DataLoader, drop_last=True.",
        )


def as_batch(loaded: Any, net: Net) -> Batch:
    """Convert what a loader yields to a `Batch` on the network's device.

    For a network of `k` inputs these are understood: a `Batch`; a tensor, or `k` tensors, as inputs without
    targets; `k` tensors followed by targets of any kind; a pair of inputs, in a tuple, list or dict, and
    targets; a dict of `k` tensors.

    Args:
        loaded: what the loader yields. uint8 inputs of a network of images are scaled to the spec's range and
            size; others must be in that range already.
        net: network with specs and device.

    Returns:
        The batch.

    Raises:
        DataError: it has none of these forms.
    """
    batch = loaded if isinstance(loaded, Batch) else _understood(loaded, len(net.input_specs))
    if batch is None:
        raise DataError(
            f"batches from the loader: {len(net.input_specs)} tensor(s) of inputs, with or without targets",
            received=describe(loaded),
            hint="Let the loader yield a tensor, or a pair (inputs, targets).",
        )
    scaled = (
        to_spec(x, spec) if x.dtype == torch.uint8 and len(spec.size) == 2 else x
        for x, spec in zip(batch.inputs, net.input_specs, strict=False)
    )
    rest = batch.inputs[len(net.input_specs) :]
    return Batch((*scaled, *rest), batch.targets).to(net.device)


def _understood(loaded: Any, count: int) -> Batch | None:
    """Return a loader's batch for a network of `count` inputs; None where it has an unknown form."""
    inputs = _tensors(loaded)
    if inputs is not None and len(inputs) == count:
        return Batch(inputs)
    if not isinstance(loaded, list | tuple) or not loaded:
        return None
    *first, targets = loaded
    inputs = _tensors(first[0] if len(first) == 1 else first)
    return Batch(inputs, targets) if inputs is not None and len(inputs) == count else None


def _tensors(values: Any) -> tuple[Tensor, ...] | None:
    """Return the tensors of a tensor, tuple, list or dict; None where there is anything else in it."""
    if isinstance(values, Tensor):
        return (values,)
    inside = values.values() if isinstance(values, dict) else values
    if not isinstance(values, dict | list | tuple) or not all(isinstance(x, Tensor) for x in inside):
        return None
    return tuple(inside)


def _images_on_device(data: LabelledImages, net: Net) -> Tensor | None:
    """Return all images as one tensor on the network's device; None if they are files, or too many for it."""
    if not isinstance(data, ImageTensorDataset):
        return None
    fits = net.device.type == "cpu" or data.images.numel() <= ROOM_ON_DEVICE
    return data.images.to(net.device) if fits else None


def describe(loaded: Any) -> str:
    """Describe the form of a batch, for a message.

    Args:
        loaded: what a loader yields.

    Returns:
        Shapes and dtypes of tensors, types of other values.
    """
    if isinstance(loaded, Tensor):
        return f"{tuple(loaded.shape)} {loaded.dtype}"
    if isinstance(loaded, list | tuple):
        return ", ".join(map(describe, loaded))
    if isinstance(loaded, Batch):
        return f"inputs {describe(loaded.inputs)}; targets {describe(loaded.targets)}"
    return type(loaded).__name__
