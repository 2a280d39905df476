"""Pooling over everything: one value per channel, for signals and images of any size."""

from jaxtyping import Float
from torch import Tensor, nn


class GlobalAvgPool(nn.Module):
    """The mean of each channel."""

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c"]:
        """Average over all positions."""
        return x.mean(tuple(range(2, x.ndim)))


class GlobalMaxPool(nn.Module):
    """The largest value of each channel."""

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c"]:
        """The maximum over all positions."""
        return x.amax(tuple(range(2, x.ndim)))
