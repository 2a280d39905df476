"""Neocognitron: S-cells that are inhibited, C-cells that tolerate shifts, and learning without labels.

Source: Fukushima 1980, Neocognitron: A Self-organizing Neural Network Model for a Mechanism of Pattern
Recognition Unaffected by Shift in Position, Biological Cybernetics 36. Layers have the paper's sizes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.errors import UsageError

FALLOFF = 0.9
"""Factor of fixed weights for each pixel of distance from the middle of their window."""
FIRST = 0.01
"""Largest excitatory weight before learning, as a share of the fixed weight at its place."""
MOST_PLANES = 1024
"""Most planes of a layer; larger options in a file are refused before memory is taken."""


class SimpleCells(nn.Module):
    """Layer of S-cells: features that only what they have learned excites, since the rest inhibits them.

    `r max(0, (1 + sum a u) / (1 + 2r/(1+r) b v) - 1)`, where `v` is the weighted root mean square of the
    inputs `u` in the window: the response depends on how alike `u` and the learned `a` are, hardly on how
    strong `u` is. The higher the selectivity `r`, the more alike they must be.

    Args:
        in_planes: planes of the input.
        planes: number of planes.
        kernel_size: side of the window.
        padding: zeros at each edge.
        selectivity: `r`, positive.
    """

    falloff: Tensor

    def __init__(
        self, in_planes: int, planes: int, kernel_size: int, padding: int, selectivity: float
    ) -> None:
        super().__init__()
        self.padding, self.selectivity = padding, selectivity
        window = _window(kernel_size).expand(in_planes, -1, -1)
        self.register_buffer("falloff", window / window.sum())
        self.weight = nn.Parameter(torch.rand(planes, *window.shape) * FIRST * self.falloff)
        self.inhibition = nn.Parameter(torch.zeros(planes))

    def forward(self, u: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k oh ow"]:
        """Compute the responses.

        Args:
            u: responses of the layer before, not negative.

        Returns:
            Responses, 0 or positive.
        """
        excitation = functional.conv2d(u, self.weight, padding=self.padding)
        factor = 2 * self.selectivity / (1 + self.selectivity) * self.inhibition[:, None, None]
        ratio = (1 + excitation) / (1 + factor * self.mean_square(u))
        return self.selectivity * functional.relu(ratio - 1)

    def mean_square(self, u: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 oh ow"]:
        """Compute the responses of the inhibiting V-cells: weighted root mean squares of the windows.

        Args:
            u: responses of the layer before.

        Returns:
            One value for each position.
        """
        return functional.conv2d(u.square(), self.falloff[None], padding=self.padding).clamp_min(0).sqrt()

    def seeds(self, u_s: Float[Tensor, "k oh ow"], column: int) -> list[tuple[int, int, int]]:
        """Find the cells that learn from a pattern: at most one of each plane.

        A candidate has the largest response of all planes in a square around it; the candidate of the
        largest response represents its plane.

        Args:
            u_s: responses to one pattern.
            column: side of the square, odd.

        Returns:
            Plane, y and x of each.
        """
        most = functional.max_pool2d(u_s.amax(0)[None], column, 1, column // 2)[0]
        candidates = torch.where((u_s == most) & (u_s > 0), u_s, torch.zeros_like(u_s))
        found = []
        for plane in candidates.flatten(1).max(1).values.nonzero().flatten().tolist():
            y, x = divmod(int(candidates[plane].argmax()), u_s.shape[2])
            found.append((plane, y, x))
        return found

    def increments(
        self, u: Float[Tensor, "c h w"], seeds: Sequence[tuple[int, int, int]], rate: float
    ) -> tuple[Tensor, Tensor]:
        """Compute what is added to the weights of the planes whose cells were seeds.

        All cells of a plane share their weights; excitation grows by `q c u` and inhibition by `q v / 2`.

        Args:
            u: responses of the layer before to the pattern.
            seeds: as `seeds` returns them.
            rate: `q`, positive.

        Returns:
            Increments of `weight` and of `inhibition`.
        """
        side = self.falloff.shape[-1]
        around = functional.pad(u, (self.padding,) * 4)
        mean_square = self.mean_square(u[None])[0, 0]
        weight, inhibition = torch.zeros_like(self.weight), torch.zeros_like(self.inhibition)
        for plane, y, x in seeds:
            weight[plane] = rate * self.falloff * around[:, y : y + side, x : x + side]
            inhibition[plane] = rate / 2 * mean_square[y, x]
        return weight, inhibition


class ComplexCells(nn.Module):
    """Layer of C-cells: each responds to the feature of its plane anywhere in a window.

    `psi((1 + sum d u) / (1 + v) - 1)` with `psi(x) = x / (alpha + x)` for positive `x`, else 0; `v` is the
    mean of the sums over all planes, which inhibits what responds less than others. Nothing is learned.

    Args:
        kernel_size: side of the window.
        padding: zeros at each edge; negative to leave out so many positions there.
        saturation: `alpha`, positive: half of the largest response is reached there.
    """

    falloff: Tensor

    def __init__(self, kernel_size: int, padding: int, saturation: float) -> None:
        super().__init__()
        self.padding, self.saturation = padding, saturation
        window = _window(kernel_size)
        self.register_buffer("falloff", window / window.sum())

    def forward(self, u: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k oh ow"]:
        """Compute the responses.

        Args:
            u: responses of S-cells.

        Returns:
            Responses from 0 to below 1.
        """
        padded = functional.pad(u, (self.padding,) * 4)
        sums = functional.conv2d(padded.flatten(0, 1)[:, None], self.falloff[None, None])
        sums = sums[:, 0].unflatten(0, u.shape[:2])
        positive = functional.relu((1 + sums) / (1 + sums.mean(1, keepdim=True)) - 1)
        return positive / (self.saturation + positive)


class Neocognitron(nn.Module):
    """Three stages of S-cells and C-cells, of 16, 10, 8, 6, 2 and 1 positions a side.

    Args:
        planes: planes of each layer.
        selectivity: `r` of each stage.
        saturation: `alpha` of the C-cells.

    Raises:
        UsageError: an option is no number of its range.
    """

    kind = "neocognitron"
    input_shape = (1, 16, 16)

    def __init__(
        self,
        planes: int = 24,
        selectivity: Sequence[float] = (4.0, 1.5, 5.0),
        saturation: float = 0.5,
    ) -> None:
        super().__init__()
        numbers = [*selectivity, saturation] if isinstance(selectivity, Sequence) else []
        sound = len(numbers) == 4 and all(type(n) in (int, float) and 0 < n < 1e6 for n in numbers)
        if type(planes) is not int or not 1 <= planes <= MOST_PLANES or not sound:
            raise UsageError(
                f"1 to {MOST_PLANES} planes, and three selectivities and a saturation above 0",
                received=f"{planes}, {selectivity}, {saturation}",
                hint="Leave them out for those of the recipe neocognitron.",
            )
        self.options: Mapping[str, Any] = {
            "planes": planes,
            "selectivity": list(selectivity),
            "saturation": saturation,
        }
        first, second, third = selectivity
        self.s1 = SimpleCells(1, planes, 5, 2, first)
        self.c1 = ComplexCells(5, -1, saturation)
        self.s2 = SimpleCells(planes, planes, 5, 1, second)
        self.c2 = ComplexCells(5, 1, saturation)
        self.s3 = SimpleCells(planes, planes, 5, 0, third)
        self.c3 = ComplexCells(2, 0, saturation)

    @property
    def stages(self) -> tuple[tuple[SimpleCells, ComplexCells], ...]:
        """S-cells and C-cells of each stage."""
        return (self.s1, self.c1), (self.s2, self.c2), (self.s3, self.c3)

    def forward(self, u: Float[Tensor, "b 1 16 16"]) -> Float[Tensor, "b k"]:
        """Compute the responses of the last C-cells, of which each plane has one.

        Args:
            u: images, in [0, 1].

        Returns:
            Responses from 0 to below 1.
        """
        for simple, complex_ in self.stages:
            u = complex_(simple(u))
        return u.flatten(1)


def _window(side: int) -> Tensor:
    """Return fixed weights `[side side]` that fall with the distance from the middle."""
    offset = torch.arange(side) - (side - 1) / 2
    return FALLOFF ** (offset[:, None].square() + offset.square()).sqrt()
