"""Locally connected layers: a convolution's windows, but weights of their own at every position."""

from collections.abc import Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.nets.modules.padding import Padding, each, pad, sides


class _Local(nn.Module):
    """What both ranks share: one matrix of weights for each position."""

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
        """Uniform in ±1/sqrt(inputs of one output), as torch initialises convolutions."""
        bound = self.weight.shape[-2] ** -0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        """Sizes, for `print`."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )

    def _apply_weights(self, windows: Float[Tensor, "b reads n"]) -> Float[Tensor, "b out n"]:
        """One small matrix product at each of the `n` positions, all in one batched call."""
        weight = self.weight.flatten(0, self.rank - 1)
        out = torch.bmm(windows.permute(2, 0, 1), weight)
        if self.bias is not None:
            out = out + self.bias.flatten(0, self.rank - 1)[:, None]
        return out.permute(1, 2, 0)


class Local2d(_Local):
    """Locally connected in two dimensions: no weight is shared.

    `weight` is `[height, width, in_channels * kernel_height * kernel_width, out_channels]` over output
    positions, its third axis channel by channel as `torch.nn.functional.unfold` has it; `bias` is `[height,
    width, out_channels]`. With the same weights at all positions it is a convolution.

    Source: the layout of flax's `ConvLocal`.
    """

    rank = 2

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out oh ow"]:
        """Apply the layer; the input must be of the size the weights were made for."""
        windows = functional.unfold(pad(x, self.sides), self.kernel_size, self.dilation, 0, self.stride)
        return self._apply_weights(windows).unflatten(2, self.output_size)


class Local1d(_Local):
    """Locally connected in one dimension: no weight is shared.

    `weight` is `[width, in_channels * kernel_width, out_channels]` over output positions, `bias` is
    `[width, out_channels]`.
    """

    rank = 1

    def forward(self, x: Float[Tensor, "b c w"]) -> Float[Tensor, "b out ow"]:
        """Apply the layer; the input must be of the size the weights were made for."""
        (kernel,), (step,), (spread,) = self.kernel_size, self.stride, self.dilation
        windows = pad(x, self.sides).unfold(2, (kernel - 1) * spread + 1, step)[..., ::spread]
        return self._apply_weights(windows.transpose(2, 3).flatten(1, 2))
