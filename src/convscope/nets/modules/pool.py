"""Global pooling, and softmax-weighted pooling between mean and maximum: the M-layer of myCNN."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convscope.nets.modules.padding import each


class GlobalAvgPool(nn.Module):
    """Global average pooling."""

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c"]:
        """Average over all positions.

        Args:
            x: signals or maps `[b c ...]`.

        Returns:
            Means `[b c]`.
        """
        return x.mean(tuple(range(2, x.ndim)))


class GlobalMaxPool(nn.Module):
    """Global max pooling."""

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c"]:
        """Take the maximum over all positions.

        Args:
            x: signals or maps `[b c ...]`.

        Returns:
            Maxima `[b c]`.
        """
        return x.amax(tuple(range(2, x.ndim)))


class SoftPool2d(nn.Module):
    """Softmax-weighted pooling: `sum(x exp(w x)) / sum(exp(w x))` over each window, with a trained `w`.

    `w = 0`, where training begins, is the mean; `w` to infinity is the maximum. The exponents are shifted so
    that the largest is 0, and cannot overflow. Half precision is computed in float32.

    Args:
        channels: input channels.
        kernel_size: height and width of the window.
        stride: distance between windows; the window's size if left out.
        table: for each output channel, the indices of the input channels that it reads, whose pooled values
            are added up; one output channel for each input channel if left out.

    Source: the layer M of Chumerin's myCNN; Asadi and Littman 2017, arXiv:1612.05628, equation 1.
    """

    rows: Tensor
    columns: Tensor

    def __init__(
        self,
        channels: int,
        kernel_size: int | Sequence[int] = 2,
        stride: int | Sequence[int] | None = None,
        table: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.kernel_size = channels, each(kernel_size, 2)
        self.stride = self.kernel_size if stride is None else each(stride, 2)
        self.one_to_one = table is None
        reads = [[channel] for channel in range(channels)] if table is None else table
        self.out_channels = len(reads)
        pairs = torch.tensor([(row, column) for row, columns in enumerate(reads) for column in columns])
        self.register_buffer("rows", pairs[:, 0].contiguous(), persistent=False)
        self.register_buffer("columns", pairs[:, 1].contiguous(), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(pairs)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all weights to 0: pooling begins as the mean."""
        nn.init.zeros_(self.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out oh ow"]:
        """Pool each window of each link, and add up the links of each output channel.

        Args:
            x: maps `[b c h w]`.

        Returns:
            Maps `[b out oh ow]`.
        """
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        if not self.one_to_one:
            values = values.index_select(1, self.columns)
        (kh, kw), (sh, sw) = self.kernel_size, self.stride
        windows = values.unfold(2, kh, sh).unfold(3, kw, sw).flatten(4)
        weight = self.weight.to(windows.dtype)[:, None, None]
        top = torch.where(weight < 0, windows.detach().amin(4), windows.detach().amax(4))
        scores = torch.exp(weight[..., None] * (windows - top[..., None]))
        pooled = (windows * scores).sum(4) / scores.sum(4)
        if not self.one_to_one:
            empty = pooled.new_zeros(len(pooled), self.out_channels, *pooled.shape[2:])
            pooled = empty.index_add(1, self.rows, pooled)
        return pooled.to(x.dtype)

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        links = f"{len(self.weight)} links"
        return f"{self.channels}, {self.out_channels}, {self.kernel_size}, stride={self.stride}, {links}"
