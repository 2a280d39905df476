"""Locally connected layers: windows as in a convolution, with separate weights at every position."""

from collections.abc import Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.nets.modules.padding import Padding, each, pad, sides


class _Local(nn.Module):
    """Base of locally connected layers of any rank: one weight matrix for each position."""

    rank: int

    def __init__(
        self,
        in_channels: int,
        input_size: int | Sequence[int],
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.input_size, self.kernel_size, self.stride, self.dilation = (
            each(value, self.rank) for value in (input_size, kernel_size, stride, dilation)
        )
        self.sides = sides(padding, self.input_size, self.kernel_size, self.stride, self.dilation)
        self.output_size = tuple(map(self._outputs, range(self.rank)))
        reads = in_channels * prod(self.kernel_size)
        self.weight = nn.Parameter(torch.empty(*self.output_size, reads, out_channels))
        self.bias = nn.Parameter(torch.empty(*self.output_size, out_channels)) if bias else None
        self.reset_parameters()

    def _outputs(self, axis: int) -> int:
        reach = (self.kernel_size[axis] - 1) * self.dilation[axis] + 1
        return (self.input_size[axis] + sum(self.sides[axis]) - reach) // self.stride[axis] + 1

    def reset_parameters(self) -> None:
        """Draw weights uniformly in ±1/sqrt(inputs of one output), as torch initialises convolutions."""
        bound = self.weight.shape[-2] ** -0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )

    def _apply_weights(self, windows: Float[Tensor, "b reads n"]) -> Float[Tensor, "b out n"]:
        """Apply one small matrix product at each of the `n` positions, all in one batched call."""
        weight = self.weight.flatten(0, self.rank - 1)
        out = torch.bmm(windows.permute(2, 0, 1), weight)
        if self.bias is not None:
            out = out + self.bias.flatten(0, self.rank - 1)[:, None]
        return out.permute(1, 2, 0)


class Local2d(_Local):
    """2-D locally connected layer: a convolution without weight sharing.

    `weight` is `[height, width, in_channels * kernel_height * kernel_width, out_channels]` over output
    positions, its third axis ordered as by `torch.nn.functional.unfold`; `bias` is `[height, width,
    out_channels]`. With the same weights at all positions it is a convolution.

    Args:
        in_channels: input channels.
        input_size: height and width of the input, for which the weights are made.
        out_channels: output channels.
        kernel_size: height and width of the windows.
        stride: distance between windows.
        padding: zeros around the input, see `convscope.nets.modules.padding.Padding`.
        dilation: distance between the positions of a window.
        bias: add a bias at every position.

    Source: the layout of flax's `ConvLocal`.
    """

    rank = 2

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out oh ow"]:
        """Apply the layer; the input must be of the size that the weights were made for.

        Args:
            x: maps `[b c h w]`.

        Returns:
            Maps `[b out oh ow]`.
        """
        windows = functional.unfold(pad(x, self.sides), self.kernel_size, self.dilation, 0, self.stride)
        return self._apply_weights(windows).unflatten(2, self.output_size)


class Local1d(_Local):
    """1-D locally connected layer: a convolution without weight sharing.

    `weight` is `[width, in_channels * kernel_width, out_channels]` over output positions, `bias` is
    `[width, out_channels]`. Arguments are those of `Local2d`, with one number for each axis.
    """

    rank = 1

    def forward(self, x: Float[Tensor, "b c w"]) -> Float[Tensor, "b out ow"]:
        """Apply the layer; the input must be of the size that the weights were made for.

        Args:
            x: signals `[b c w]`.

        Returns:
            Signals `[b out ow]`.
        """
        (kernel,), (step,), (spread,) = self.kernel_size, self.stride, self.dilation
        windows = pad(x, self.sides).unfold(2, (kernel - 1) * spread + 1, step)[..., ::spread]
        return self._apply_weights(windows.transpose(2, 3).flatten(1, 2))
