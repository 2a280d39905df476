"""Data sets of samples of any kind, and labelled images, in memory or read from files."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Int64
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.graph.spec import Shape, TensorSpec
from convscope.system.counting import counted
from convscope.worlds.batch import Batch

Indices = Sequence[int] | Tensor


@dataclass(frozen=True)
class Problem:
    """A file that could not be used.

    Attributes:
        path: the file, as printable text.
        kind: one of `photos.KINDS`, `small` for photographs below a minimum size, `duplicate` for what is
            there already.
        reason: what is wrong, in words.
    """

    path: str
    kind: str
    reason: str


class Dataset(ABC):
    """Base class of data sets: samples of any kind, with or without targets.

    Attributes:
        name: name of the data set, shown in tables and results.
        specs: one for each input of a sample, and so the input specs of a network trained on them without
            others.
    """

    name: str

    @property
    @abstractmethod
    def specs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the inputs of a sample."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Files that could not be used, as far as they have been tried."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes targets wrong or results meaningless, as sentences; for example a single class."""
        return ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, indices: Indices) -> Batch:
        """Return some samples.

        Args:
            indices: which samples, from 0 to `len(self) - 1`, in any order, also repeated.

        Returns:
            Inputs in the range and at the size of `specs`, and targets; on the CPU.

        Raises:
            UsageError: an index is out of range.
        """

    @abstractmethod
    def take(self, indices: Indices) -> Self:
        """Return the subset of some samples.

        Args:
            indices: which samples, from 0 to `len(self) - 1`; this becomes their order.

        Returns:
            A data set of the same kind.

        Raises:
            UsageError: an index is out of range.
        """


class LabelledDataset(Dataset):
    """Base class of data sets of one input and one class for each sample.

    Attributes:
        classes: names of the classes.
        labels: `labels[i]` is the class of sample `i`, an index into `classes`.
        spec: specification of the inputs.
    """

    classes: tuple[str, ...]
    labels: Int64[Tensor, " n"]
    spec: TensorSpec

    @property
    @override
    def specs(self) -> tuple[TensorSpec, ...]:
        return (self.spec,)

    @property
    def shape(self) -> Shape:
        """Shape of one input, `spec.shape`."""
        return self.spec.shape

    @override
    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        extent = "x".join(map(str, self.shape))
        classes = counted(len(self.classes), "class", "classes")
        return f"{type(self).__name__}({self.name}: {len(self):,} of {extent}, {classes})"

    @property
    def groups(self) -> tuple[str, ...]:
        """What each sample has in common with others, such as its speaker; empty where nothing is known.

        Samples of one group are not divided between a part to learn from and one to test on.
        """
        return ()

    @property
    def content(self) -> Tensor | None:
        """All that is held in memory of the samples, to be hashed; None where they are read from files."""
        return None

    @override
    def batch(self, indices: Indices) -> Batch:
        """Return inputs in the spec's value range, with their labels `[b]` as targets."""
        chosen = checked(indices, len(self))
        return Batch((self.inputs(chosen),), self.labels[chosen])

    @abstractmethod
    def inputs(self, indices: Indices, spec: TensorSpec | None = None) -> Tensor:
        """Return the inputs of some samples.

        Args:
            indices: which samples, from 0 to `len(self) - 1`, in any order, also repeated.
            spec: specification of the network's input, in whose value range they are returned; the data
                set's own if left out.

        Returns:
            `[b *shape]`, float32 or int64 as the spec says, on the CPU.

        Raises:
            UsageError: an index is out of range.
        """

    def batches(
        self, indices: Indices, size: int, spec: TensorSpec | None = None
    ) -> Iterator[tuple[Tensor, Int64[Tensor, " b"]]]:
        """Iterate over batches of inputs and labels, in the given order.

        Args:
            indices: which samples, from 0 to `len(self) - 1`.
            size: number of samples in a batch; the last may have fewer.
            spec: as for `inputs`.

        Yields:
            Inputs `[b *shape]` and their labels `[b]`.

        Raises:
            UsageError: an index is out of range.
        """
        chosen = checked(indices, len(self))
        for part in chosen.split(size) if len(chosen) else ():
            yield self.inputs(part, spec), self.labels[part]


class LabelledTensors(LabelledDataset):
    """A data set of inputs of any kind held in memory as one tensor, with a class for each.

    Args:
        tensor: inputs `[n *shape]` in the range of the spec, float32 or int64.
        labels: class of each sample, `[n]`.
        classes: names of the classes; label k is `classes[k]`.
        spec: specification of the inputs.
        name: name of the data set, shown in tables and results.

    Raises:
        DataError: sizes, labels and classes do not fit each other.
    """

    tensor: Tensor

    def __init__(
        self,
        tensor: Tensor,
        labels: Int64[Tensor, " n"],
        classes: Sequence[str],
        spec: TensorSpec,
        name: str = "samples",
    ) -> None:
        if tensor.dtype != (torch.int64 if spec.is_integer else torch.float32):
            raise DataError(f"inputs of {spec.dtype}", received=str(tensor.dtype))
        if tuple(tensor.shape[1:]) != spec.shape:
            raise DataError(f"inputs of {spec.shape}", received=f"{tuple(tensor.shape[1:])}")
        self.tensor, self.labels = tensor, checked_labels(labels, len(tensor), classes)
        self.classes, self.spec, self.name = tuple(classes), spec, name

    @property
    @override
    def content(self) -> Tensor:
        return self.tensor

    @override
    def inputs(self, indices: Indices, spec: TensorSpec | None = None) -> Tensor:
        """Return the inputs of some samples."""
        chosen = self.tensor[checked(indices, len(self))]
        if spec is None or spec.is_integer or spec.value_range == self.spec.value_range:
            return chosen
        (low, high), (bottom, top) = self.spec.value_range, spec.value_range
        return (chosen - low) * ((top - bottom) / (high - low)) + bottom

    @override
    def take(self, indices: Indices) -> Self:
        """Return the subset of some samples, copied."""
        indices = checked(indices, len(self))
        return type(self)(self.tensor[indices], self.labels[indices], self.classes, self.spec, self.name)


class JoinedSamples(LabelledDataset):
    """Several labelled data sets of the same inputs and classes, one after the other.

    Args:
        parts: the data sets by the names of the parts, at least one.
        name: name of the whole, shown in tables and results.
        rows: which samples of the whole, and in which order; all if left out.

    Attributes:
        parts: the data sets by the names of the parts.

    Raises:
        DataError: inputs or classes of the parts differ.
        UsageError: an entry of `rows` is out of range.
    """

    def __init__(self, parts: Mapping[str, LabelledDataset], name: str, rows: Indices | None = None) -> None:
        first = next(iter(parts.values()))
        for part in parts.values():
            if part.shape != first.shape or part.classes != first.classes:
                raise DataError(
                    f"parts with the same inputs and classes: {first.shape}, "
                    f"{counted(len(first.classes), 'class', 'classes')}",
                    received=f"{part.name}: {part.shape}, {counted(len(part.classes), 'class', 'classes')}",
                    hint="Choose one part: --split.",
                )
        total = sum(map(len, parts.values()))
        self.parts, self.name = dict(parts), name
        self.classes, self.spec = first.classes, first.spec
        self._rows = torch.arange(total) if rows is None else checked(rows, total)
        self.labels = torch.cat([part.labels for part in parts.values()])[self._rows]

    @property
    @override
    def problems(self) -> tuple[Problem, ...]:
        return tuple(problem for part in self.parts.values() for problem in part.problems)

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for part in self.parts.values() for note in part.notes))

    @override
    def inputs(self, indices: Indices, spec: TensorSpec | None = None) -> Tensor:
        """Return the inputs of some samples."""
        chosen = self._rows[checked(indices, len(self))]
        made = torch.empty((len(chosen), *(spec or self.spec).shape))
        first = 0
        for part in self.parts.values():
            rows = ((chosen >= first) & (chosen < first + len(part))).nonzero().flatten()
            if len(rows):
                found = part.inputs(chosen[rows] - first, spec)
                made = made.to(found.dtype)
                made[rows] = found
            first += len(part)
        return made

    @override
    def take(self, indices: Indices) -> Self:
        """Return the subset of some samples, which stay where they are."""
        return type(self)(self.parts, self.name, self._rows[checked(indices, len(self))])


def require_labelled(data: Dataset) -> LabelledDataset:
    """Check that a data set holds samples of one input and one class each.

    Args:
        data: any data set.

    Returns:
        The same data set.

    Raises:
        UsageError: it holds something else.
    """
    if not isinstance(data, LabelledDataset):
        raise UsageError(
            "labelled samples",
            received=f"{data.name}, a {type(data).__name__}",
            hint="Open a folder of classes with worlds.open, or make LabelledTensors.",
        )
    return data


def checked_labels(labels: Tensor, count: int, classes: Sequence[str]) -> Int64[Tensor, " n"]:
    """Check that there is a label for each sample, and that it names a class.

    Args:
        labels: class indices.
        count: number of samples.
        classes: names of the classes.

    Returns:
        The labels as int64 `[n]`.

    Raises:
        DataError: there are too many or too few, or one is no index of a class.
    """
    labels = torch.as_tensor(labels, dtype=torch.int64)
    if tuple(labels.shape) != (count,):
        raise DataError(f"one label for each of {count} samples", received=f"labels {list(labels.shape)}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise DataError(
            f"labels from 0 to {len(classes) - 1}, one for each of {len(classes)} classes",
            received=f"labels from {int(labels.min())} to {int(labels.max())}",
        )
    return labels


def checked(indices: Indices, length: int) -> Int64[Tensor, " b"]:
    """Convert indices to a tensor, and check that they are in range.

    Args:
        indices: whole numbers, as a sequence or a tensor of any shape.
        length: number of items.

    Returns:
        The indices as a flat int64 tensor.

    Raises:
        UsageError: an index is negative, or not below `length`.
    """
    chosen = torch.as_tensor(indices, dtype=torch.int64).flatten()
    if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < length:
        raise UsageError(
            f"indices from 0 to {length - 1}", received=f"from {int(chosen.min())} to {int(chosen.max())}"
        )
    return chosen
