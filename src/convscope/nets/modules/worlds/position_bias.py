"""A bias for each position of a map, which a convolution shares among all positions."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PositionBias(nn.Module):
    """Add a learned bias to each value of a map: untied, one for each channel and position.

    `bias` has the shape of the maps, and begins at 0.

    Args:
        shape: shape of the maps, without batch axis.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(*shape))

    def forward(self, x: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *shape"]:
        """Add the biases.

        Args:
            x: maps `[b ...]` of the shape that the biases were made for.

        Returns:
            Maps of the same shape.
        """
        return x + self.bias

    def extra_repr(self) -> str:
        """Return the shape, for `print`."""
        return " x ".join(map(str, self.bias.shape))
