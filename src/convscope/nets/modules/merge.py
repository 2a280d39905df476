"""Layers with several inputs, and the shortcut that joins them in a residual network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


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


class Shortcut(nn.Module):
    """Parameter-free shortcut of a residual network: every `stride`-th value, and channels of zeros.

    Args:
        zeros: channels of zeros that are added, half of them before the others and half behind.
        stride: distance between the values that are kept.

    Source: He, Zhang, Ren and Sun 2015, Deep Residual Learning, arXiv:1512.03385, section 3.3, option A.
    """

    def __init__(self, zeros: int, stride: int = 1) -> None:
        super().__init__()
        self.zeros, self.stride = zeros, stride

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out oh ow"]:
        """Keep some values, and add the zeros.

        Args:
            x: maps `[b c h w]`.

        Returns:
            Maps `[b out oh ow]`.
        """
        before = self.zeros // 2
        kept = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, before, self.zeros - before))

    def extra_repr(self) -> str:
        """Return the options, for `print`."""
        return f"zeros={self.zeros}, stride={self.stride}"
