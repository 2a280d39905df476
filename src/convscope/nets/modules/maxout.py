"""Maxout: the largest of several linear pieces."""

from jaxtyping import Float
from torch import Tensor, nn


class Maxout(nn.Module):
    """The maximum over groups of `pieces` neighbouring units; `c` units become `c / pieces`.

    Unit `k` is the largest of units `k * pieces` to `k * pieces + pieces - 1` of the layer before it, which
    computes the pieces.

    Source: Goodfellow et al. 2013, section 2, arXiv:1302.4389.
    """

    def __init__(self, pieces: int = 2, dim: int = 1) -> None:
        super().__init__()
        self.pieces, self.dim = pieces, dim

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Keep the largest piece of each unit."""
        return x.unflatten(self.dim, (-1, self.pieces)).amax(self.dim + 1 if self.dim >= 0 else self.dim)

    def extra_repr(self) -> str:
        """Options, for `print`."""
        return f"pieces={self.pieces}, dim={self.dim}"
