"""A batch of samples of any kind: inputs of a network, and what belongs to them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
