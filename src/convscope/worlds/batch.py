"""A batch of samples of any kind: inputs of a network, and what belongs to them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Hold samples as a network takes them, with their targets.

    Attributes:
        inputs: one tensor `[b ...]` for each input of the network, in its range.
        targets: what a task compares the outputs with: class indices `[b]`, images, boxes for each sample as
            a list of dicts, or None where nothing belongs to the inputs. Tensors may stand in tuples, lists
            and dicts.
    """

    inputs: tuple[Tensor, ...]
    targets: Any = None

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.inputs[0])

    @property
    def device(self) -> torch.device:
        """Device of the inputs."""
        return self.inputs[0].device

    def to(self, device: torch.device | str) -> "Batch":
        """Return this batch on a device.

        Args:
            device: as for `Tensor.to`.

        Returns:
            A batch whose inputs, and all tensors in its targets, lie there.
        """

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device)

        return Batch(tuple(map(move, self.inputs)), tree_map(move, self.targets))

    def part(self, first: int, last: int) -> Self:
        """Return consecutive samples of this batch.

        Args:
            first: index of the first sample.
            last: index after the last one.

        Returns:
            A batch of the same kind. Of its targets, tensors `[b ...]` and lists with an entry for each
            sample are cut; anything else is as it was.
        """
        inputs = tuple(x[first:last] for x in self.inputs)
        return replace(self, inputs=inputs, targets=_cut(self.targets, slice(first, last), self.size))

    def split(self, count: int) -> list[Self]:
        """Divide this batch into consecutive parts whose sizes differ by 1 at most.

        Args:
            count: how many parts; fewer where there are fewer samples.

        Returns:
            The parts; this very batch for a single one.
        """
        count = min(count, self.size)
        if count <= 1:
            return [self]
        return [self.part(self.size * k // count, self.size * (k + 1) // count) for k in range(count)]


def _cut(values: Any, part: slice, size: int) -> Any:
    """Return the entries of some samples, of targets in nested tuples, lists and dicts."""
    if isinstance(values, Tensor):
        return values[part] if values.ndim and len(values) == size else values
    if isinstance(values, dict):
        return {key: _cut(value, part, size) for key, value in values.items()}
    if not isinstance(values, list | tuple):
        return values
    whole = all(isinstance(value, Tensor) and value.ndim and len(value) == size for value in values)
    if isinstance(values, list) and len(values) == size and not whole:
        return values[part]
    return type(values)(_cut(value, part, size) for value in values)


def tree_map(change: Callable[[Tensor], Tensor], values: Any) -> Any:
    """Apply a function to every tensor in nested tuples, lists and dicts.

    Args:
        change: the function.
        values: a tensor, a container, or anything else, which is left as it is.

    Returns:
        The same structure with the results.
    """
    if isinstance(values, Tensor):
        return change(values)
    if isinstance(values, dict):
        return {key: tree_map(change, value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(tree_map(change, value) for value in values)
    return values
