"""A data set of points: vectors in memory."""

from typing import Self

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError
from convscope.graph.spec import TensorSpec
from convscope.worlds.batch import Batch
from convscope.worlds.dataset import Dataset, Indices, checked


class Points(Dataset):
    """A data set of vectors held in memory, with or without targets.

    Args:
        points: float32 `[n c]`, in the spec's range.
        targets: one for each point, `[n ...]`; None without.
        spec: number of coordinates and their range.
        name: name of the data set, shown in tables and results.

    Raises:
        DataError: points, targets and spec do not fit each other.
    """

    def __init__(
        self, points: Float[Tensor, "n c"], targets: Tensor | None, spec: TensorSpec, name: str = "points"
    ) -> None:
        if points.shape[1:] != spec.shape or (targets is not None and len(targets) != len(points)):
            shapes = f"{tuple(points.shape)}, targets {None if targets is None else tuple(targets.shape)}"
            raise DataError(f"points of {spec.shape}, and a target for each or none", received=shapes)
        self.points, self.targets, self.spec, self.name = points, targets, spec, name

    @property
    @override
    def specs(self) -> tuple[TensorSpec, ...]:
        return (self.spec,)

    @override
    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"Points({self.name}: {len(self):,} of {self.spec.channels} coordinates)"

    @override
    def batch(self, indices: Indices) -> Batch:
        """Return points `[b c]`, with their targets if there are any."""
        chosen = checked(indices, len(self))
        return Batch((self.points[chosen],), None if self.targets is None else self.targets[chosen])

    @override
    def take(self, indices: Indices) -> Self:
        """Return the subset of some points, copied."""
        chosen = checked(indices, len(self))
        targets = None if self.targets is None else self.targets[chosen]
        return type(self)(self.points[chosen], targets, self.spec, self.name)
