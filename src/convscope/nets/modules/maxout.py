"""Maxout: the maximum of several linear functions."""

from jaxtyping import Float
from torch import Tensor, nn


class Maxout(nn.Module):
    """Maximum over groups of `pieces` neighbouring units; `c` units become `c / pieces`.

    Unit `k` is the maximum of units `k * pieces` to `k * pieces + pieces - 1` of the layer before it.

    Args:
        pieces: units in a group; must divide the number of units.
        dim: axis of the units.

    Source: Goodfellow et al. 2013, section 2, arXiv:1302.4389.
    """

    def __init__(self, pieces: int = 2, dim: int = 1) -> None:
        super().__init__()
        self.pieces, self.dim = pieces, dim

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Take the maximum of each group.

        Args:
            x: activations `[b ...]`.

        Returns:
            Activations with `1 / pieces` of the units along `dim`.
        """
        return x.unflatten(self.dim, (-1, self.pieces)).amax(self.dim + 1 if self.dim >= 0 else self.dim)

    def extra_repr(self) -> str:
        """Return the options, for `print`."""
        return f"pieces={self.pieces}, dim={self.dim}"
