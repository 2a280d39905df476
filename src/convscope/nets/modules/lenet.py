"""Layers of LeNet-5 that torch does not have: subsampling, scaled tanh, RBF units.

Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.B.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


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
