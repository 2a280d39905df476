"""Layers with several inputs."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Add(nn.Module):
    """Sum of all inputs."""

    def forward(self, *inputs: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Add the inputs.

        Args:
            *inputs: tensors `[b ...]` of shapes that broadcast.

        Returns:
            The sum.
        """
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total


class Multiply(nn.Module):
    """Product of all inputs; extents of 1 are broadcast (squeeze and excitation)."""

    def forward(self, *inputs: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Multiply the inputs.

        Args:
            *inputs: tensors `[b ...]` of shapes that broadcast.

        Returns:
            The product.
        """
        product = inputs[0]
        for x in inputs[1:]:
            product = product * x
        return product


class Concat(nn.Module):
    """Concatenation of all inputs along the channel axis."""

    def forward(self, *inputs: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Concatenate the inputs.

        Args:
            *inputs: tensors `[b c ...]` that differ at most in channels.

        Returns:
            A tensor with the sum of the channels.
        """
        return torch.cat(inputs, 1)
