"""Layers that read several others."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Add(nn.Module):
    """The sum of all inputs."""

    def forward(self, *inputs: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Add them up."""
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total


class Multiply(nn.Module):
    """The product of all inputs; one of extent 1 along an axis is spread over it (squeeze and excitation)."""

    def forward(self, *inputs: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Multiply them."""
        product = inputs[0]
        for x in inputs[1:]:
            product = product * x
        return product


class Concat(nn.Module):
    """All inputs behind each other along the channels."""

    def forward(self, *inputs: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Join them."""
        return torch.cat(inputs, 1)
