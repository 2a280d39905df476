"""Spatial transformer: an affine transform predicted from features, grid generator and bilinear sampler."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.nets.modules.padding import each

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""The affine transform that samples every position where it is, row by row."""


def sample(
    maps: Float[Tensor, "b c h w"], theta: Float[Tensor, "b 2 3"], size: Sequence[int]
) -> Float[Tensor, "b c oh ow"]:
    """Sample maps at the positions of affine transforms, bilinearly, with zeros outside.

    Args:
        maps: maps `[b c h w]`.
        theta: for each sample the matrix that takes an output position `(x, y, 1)` to an input position
            `(x, y)`; coordinates go from -1 to 1 between the centres of the outermost pixels, x to the right,
            y downwards.
        size: height and width of the output.

    Returns:
        Maps `[b c oh ow]`; those of the identity are the input, to rounding.

    Source: Jaderberg et al. 2015, equations 1 and 5, arXiv:1506.02025; `affine_grid` and `grid_sample` with
        `align_corners=True`.
    """
    grid = functional.affine_grid(theta, [*maps.shape[:2], *size], align_corners=True)
    return functional.grid_sample(maps, grid, padding_mode="zeros", align_corners=True)


class SpatialTransformer(nn.Module):
    """Last layer of a localisation network, grid generator and sampler.

    Before training, `theta` is the identity for every input: `weight` is 0. Half precision is computed in
    float32: a coordinate in bfloat16 is wrong by up to a pixel in 256.

    Args:
        in_features: features of the localisation network.
        size: height and width of the output.

    Source: Jaderberg et al. 2015, section 3, arXiv:1506.02025.
    """

    def __init__(self, in_features: int, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = each(size, 2)
        self.weight = nn.Parameter(torch.empty(6, in_features))
        self.bias = nn.Parameter(torch.empty(6))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the transform to the identity, whatever the features are."""
        nn.init.zeros_(self.weight)
        with torch.no_grad():
            self.bias.copy_(torch.tensor(IDENTITY))

    def theta(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b 2 3"]:
        """Predict the affine transform.

        Args:
            features: of the localisation network.

        Returns:
            For each sample the matrix that takes output positions to input positions, as `sample` takes it.
        """
        return functional.linear(features, self.weight, self.bias).unflatten(1, (2, 3))

    def forward(
        self, x: Float[Tensor, "b c h w"], features: Float[Tensor, "b f"]
    ) -> Float[Tensor, "b c oh ow"]:
        """Predict a transform, and sample the maps by it.

        Args:
            x: maps `[b c h w]`.
            features: of the localisation network, for the same samples.

        Returns:
            Maps `[b c oh ow]`, in the precision of `x`.
        """
        with torch.autocast(x.device.type, enabled=False):
            exact = torch.promote_types(x.dtype, torch.float32)
            return sample(x.to(exact), self.theta(features.to(exact)), self.size).to(x.dtype)

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        return f"in_features={self.weight.shape[1]}, size={self.size}"
