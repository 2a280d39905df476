"""Layers of LeNet-5 that torch does not have: partial convolution, subsampling, scaled tanh, RBF units.

Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.B.
"""

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


class Subsample(nn.Module):
    """Subsampling: the sum over each window, times a trainable coefficient, plus a trainable bias.

    There is one coefficient and one bias per channel. The squashing function after it is a separate layer
    (`ScaledTanh`).

    Args:
        channels: number of channels.
        kernel_size: height and width of the window.
        stride: distance between windows; the window's size if left out.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int | tuple[int, int] = 2,
        stride: int | tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        self.stride = self.kernel_size if stride is None else stride
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases uniformly in ±2.4 / inputs of one unit, as in the paper's appendix A."""
        bound = 2.4 / (self.kernel_size[0] * self.kernel_size[1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c oh ow"]:
        """Sum over windows, scale and shift.

        Args:
            x: maps `[b c h w]`.

        Returns:
            Maps `[b c oh ow]`.
        """
        total = functional.avg_pool2d(x, self.kernel_size, self.stride, divisor_override=1)
        return total * self.weight[:, None, None] + self.bias[:, None, None]

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        return f"{self.weight.numel()}, kernel_size={self.kernel_size}, stride={self.stride}"


class ScaledTanh(nn.Module):
    """Scaled hyperbolic tangent, `amplitude * tanh(slope * x)`.

    The defaults give f(1) = 1 and f(-1) = -1, where the second derivative is largest.

    Args:
        amplitude: limit for large inputs; A in the paper.
        slope: factor of the input; S in the paper.

    Source: appendix A, with A = 1.7159 and S = 2/3.
    """

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        super().__init__()
        self.amplitude, self.slope = amplitude, slope

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Apply the function to every value.

        Args:
            x: any tensor with a batch axis.

        Returns:
            Values of the same shape, between -amplitude and amplitude.
        """
        return self.amplitude * torch.tanh(self.slope * x)

    def extra_repr(self) -> str:
        """Return the options, for `print`."""
        return f"amplitude={self.amplitude:g}, slope={self.slope:g}"


class RBF(nn.Module):
    """Radial basis function units: minus the squared distance to a fixed pattern of -1 and +1 for each class.

    The nearest pattern has the largest output; the paper's unit is the distance itself. The patterns
    (`centres`, `[out_features, in_features]`) are a buffer, not parameters; they are random at first, as
    the paper's section II.B allows, and may be overwritten with bitmaps of the classes.

    Args:
        in_features: length of a pattern.
        out_features: number of classes.
    """

    centres: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.randint(2, (out_features, in_features)) * 2.0 - 1)

    def forward(self, x: Float[Tensor, "b n"]) -> Float[Tensor, "b classes"]:
        """Compute minus the squared distances.

        Args:
            x: features `[b n]`.

        Returns:
            Scores `[b classes]`, at most 0.
        """
        return -(x[:, None] - self.centres).square().sum(2)

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        return f"{self.centres.shape[1]}, {self.centres.shape[0]}"
