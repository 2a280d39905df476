"""A convolution whose output channels read only some of the input channels: C3 of LeNet-5."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.nets.modules.padding import each


class PartialConv2d(nn.Module):
    """2-D convolution in which output channel `k` reads only the input channels `table[k]`.

    Only weights that exist are stored (`links`, one kernel per link, in the table's order), so that no
    optimizer can move a missing one away from zero. `weight` gives them as in a dense convolution.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: height and width of the kernels.
        stride: stride along each axis.
        padding: zeros on both sides of each axis.
        table: for each output channel, the indices of the input channels that it reads; all of them if
            empty.

    Source: LeCun et al. 1998, section II.B and table I.
    """

    rows: Tensor
    columns: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        table: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding = each(kernel_size, 2), each(stride, 2), each(padding, 2)
        table = table or [range(in_channels)] * out_channels
        pairs = torch.tensor([(row, column) for row, reads in enumerate(table) for column in reads])
        self.register_buffer("rows", pairs[:, 0].contiguous(), persistent=False)
        self.register_buffer("columns", pairs[:, 1].contiguous(), persistent=False)
        self.links = nn.Parameter(torch.empty(len(pairs), *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights uniformly in ±1/sqrt(inputs of one unit), counting the channels that it reads."""
        reads = torch.bincount(self.rows, minlength=self.out_channels) * self.links[0].numel()
        bound = reads.clamp(min=1).to(self.bias.dtype).rsqrt()
        with torch.no_grad():
            self.links.uniform_(-1, 1).mul_(bound[self.rows, None, None])
            self.bias.uniform_(-1, 1).mul_(bound)

    @property
    def weight(self) -> Float[Tensor, "out in kh kw"]:
        """Weights of the equivalent dense convolution, zero where there is no link."""
        empty = self.links.new_zeros(self.out_channels, self.in_channels, *self.kernel_size)
        return empty.index_put((self.rows, self.columns), self.links)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out oh ow"]:
        """Convolve with the existing links.

        Args:
            x: maps `[b c h w]`.

        Returns:
            Maps `[b out oh ow]`.
        """
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        links = f"{len(self.links)} of {self.in_channels * self.out_channels} links"
        return f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, {links}"
