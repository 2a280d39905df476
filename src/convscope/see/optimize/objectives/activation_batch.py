"""What objectives are evaluated on: a batch of images and their activations."""

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
    """A batch of images, and the activations of some layers for them.

    Where images are processed in tiles, `activations` hold only the positions that belong to the current
    tile, and `tile_slices` says which these are; `image` is always the whole image.

    Attributes:
        activations: activation `[b c *size]` by layer, of the images after random transformations.
        image: the images before any transformation, as the parameterization gave them.
        tile_slices: for each layer the part of its whole map that is here; None where the maps are whole.
    """

    activations: Mapping[LayerAddress, Tensor]
    image: Float[Tensor, "b *shape"]
    tile_slices: Mapping[LayerAddress, TileSlices] | None = None

    def __getitem__(self, place: LayerAddress) -> Float[Tensor, "b *shape"]:
        return self.activations[place.layer_only]

    def rows(self, rows: tuple[int, ...]) -> "ActivationBatch":
        """Select images of the batch, with their activations.

        Args:
            rows: indices of images; repetitions are allowed.

        Returns:
            A batch of these images, in this order; the batch itself where all are selected in order.
        """
        if rows == tuple(range(len(self.image))):
            return self
        chosen = index(rows, self.image.device)
        parts = {place: a[chosen] for place, a in self.activations.items()}
        return ActivationBatch(parts, self.image[chosen], self.tile_slices)

    def extent(self, place: LayerAddress) -> tuple[int, ...]:
        """Return the size of a layer's whole feature map, also where only a tile of it is here.

        Args:
            place: any address in the layer.

        Returns:
            The number of positions along each spatial axis.
        """
        if self.tile_slices is None:
            return tuple(self[place].shape[2:])
        return tuple(whole for _, _, whole in self.tile_slices[place.layer_only])

    def positions(self, place: LayerAddress) -> int:
        """Return the number of positions of a layer's whole feature map.

        Args:
            place: any address in the layer.

        Returns:
            The product of `extent`; 1 for a layer without spatial axes.
        """
        return prod(self.extent(place))

    def window(self, place: LayerAddress) -> tuple[slice, ...]:
        """Return the slices that cut a layer's whole map `[... *size]` to the positions that are here.

        For a target `[c h w]` write `target[(..., *batch.window(place))]`.

        Args:
            place: any address in the layer.

        Returns:
            A slice for each spatial axis.
        """
        if self.tile_slices is None:
            return tuple(slice(0, extent) for extent in self[place].shape[2:])
        return tuple(slice(first, end) for first, end, _ in self.tile_slices[place.layer_only])


@lru_cache(maxsize=256)
def index(numbers: tuple[int, ...], device: torch.device) -> Int64[Tensor, " n"]:
    """Return whole numbers as an index tensor on the device, cached so that no step copies them there again.

    Args:
        numbers: the indices.
        device: where the tensor lives.

    Returns:
        The numbers as int64; shared between calls, so not to be written to.
    """
    return torch.tensor(numbers, dtype=torch.int64, device=device)
