"""Global pooling: one value per channel, for signals and images of any size."""

from jaxtyping import Float
from torch import Tensor, nn


class GlobalAvgPool(nn.Module):
    """Global average pooling."""

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c"]:
        """Average over all positions.

        Args:
            x: signals or maps `[b c ...]`.

        Returns:
            Means `[b c]`.
        """
        return x.mean(tuple(range(2, x.ndim)))


class GlobalMaxPool(nn.Module):
    """Global max pooling."""

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c"]:
        """Take the maximum over all positions.

        Args:
            x: signals or maps `[b c ...]`.

        Returns:
            Maxima `[b c]`.
        """
        return x.amax(tuple(range(2, x.ndim)))
