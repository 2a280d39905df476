"""What an objective looks at: a batch of images and the activations they caused."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.nets import LayerAddress

TileSlices = tuple[tuple[int, int, int], ...]
"""Along each axis of a map: the first position, the one after the last, and how many the whole map has."""


@dataclass(frozen=True, eq=False)
class ActivationBatch:
    """A batch of images and what the network made of them.

    `image` is the canvas itself, before any transformation; `activations` come from the transformed images.
    Where images are looked at in tiles, activations are those positions that the tile owns, and `stretches`
    says which ones these are; `image` is the whole one all the same.
    """

    activations: Mapping[LayerAddress, Tensor]
    image: Float[Tensor, "b *shape"]
    tile_slices: Mapping[LayerAddress, TileSlices] | None = None

    def __getitem__(self, place: LayerAddress) -> Float[Tensor, "b *shape"]:
        return self.activations[place.layer_only]

    def rows(self, rows: tuple[int, ...]) -> "ActivationBatch":
        """The scene that these images of the batch make."""
        if rows == tuple(range(len(self.image))):
            return self
        chosen = index(rows, self.image.device)
        parts = {place: a[chosen] for place, a in self.activations.items()}
        return ActivationBatch(parts, self.image[chosen], self.tile_slices)

    def extent(self, place: LayerAddress) -> tuple[int, ...]:
        """How many positions the layer's whole map has along each axis, also where this is but a tile."""
        if self.tile_slices is None:
            return tuple(self[place].shape[2:])
        return tuple(whole for _, _, whole in self.tile_slices[place.layer_only])

    def positions(self, place: LayerAddress) -> int:
        """How many positions the layer's whole map has."""
        return prod(self.extent(place))

    def window(self, place: LayerAddress) -> tuple[slice, ...]:
        """Which positions of the layer's whole map are here: cuts a whole map `[... *size]` to what is here.

        For a target `[c h w]` write `target[(..., *scene.window(place))]`.
        """
        if self.tile_slices is None:
            return tuple(slice(0, extent) for extent in self[place].shape[2:])
        return tuple(slice(first, end) for first, end, _ in self.tile_slices[place.layer_only])


@lru_cache(maxsize=256)
def index(numbers: tuple[int, ...], device: torch.device) -> Int64[Tensor, " n"]:
    """Whole numbers as a tensor on the device; kept, so that no step copies them there again."""
    return torch.tensor(numbers, dtype=torch.int64, device=device)
