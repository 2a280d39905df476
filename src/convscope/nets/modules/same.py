"""Convolutions and pooling whose padding may differ from side to side, as TensorFlow's "same" requires."""

from math import inf
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.nets.modules.padding import Padding, Sides, each, pad, sides


class _Padding(nn.Module):
    """Mixin for torch's convolutions: padding before and after each axis."""

    def __init__(
        self: Any,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Padding = "same",
        **options: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, **options)
        self.zeros = padding

    def forward(self: Any, input: Float[Tensor, "b c ..."]) -> Float[Tensor, "b out ..."]:
        """Pad, then convolve."""
        around = sides(self.zeros, input.shape[2:], self.kernel_size, self.stride, self.dilation)
        return super().forward(pad(input, around))


class Conv2d(_Padding, nn.Conv2d):
    """`torch.nn.Conv2d` with padding `(top, bottom, left, right)`, or `"same"` with any stride."""


class Conv1d(_Padding, nn.Conv1d):
    """`torch.nn.Conv1d` with padding `(before, after)`, or `"same"` with any stride."""


class _Pool(nn.Module):
    """Base of pooling layers: window, stride and padding."""

    rank: ClassVar[int]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Padding = "same",
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = each(kernel_size, self.rank)
        self.stride = self.kernel_size if stride is None else each(stride, self.rank)
        self.dilation = each(dilation, self.rank)
        self.padding, self.ceil_mode = padding, ceil_mode

    def around(self, x: Tensor) -> Sides:
        """Return the padding before and after each axis."""
        return sides(self.padding, x.shape[2:], self.kernel_size, self.stride, self.dilation)

    def inside(self, pooled: Tensor, x: Tensor, around: Sides) -> Tensor:
        """Drop the windows that `ceil_mode` lets start in the padding behind the input."""
        for axis, (before, _) in enumerate(around, start=2):
            most = -(-(x.shape[axis] + before) // self.stride[axis - 2])
            pooled = pooled.narrow(axis, 0, min(most, pooled.shape[axis]))
        return pooled

    def extra_repr(self) -> str:
        """Return the options, for `print`."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding!r}"


class _MaxPool(_Pool):
    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
        """Take the maximum of each window; padding is minus infinity."""
        around = self.around(x)
        pool = functional.max_pool2d if self.rank == 2 else functional.max_pool1d
        pooled = pool(pad(x, around, -inf), self.kernel_size, self.stride, 0, self.dilation, self.ceil_mode)
        return self.inside(pooled, x, around)


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Padding = "same",
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = count_include_pad and padding != "same"

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
        """Average each window; padding counts with `count_include_pad`, but never with `"same"`."""
        around = self.around(x)
        pooled = self._pool(pad(x, around))
        if not self.count_include_pad:
            pooled = pooled / self._pool(pad(x.new_ones(1, 1, *x.shape[2:]), around))
        return self.inside(pooled, x, around)

    def _pool(self, x: Tensor) -> Tensor:
        pool = functional.avg_pool2d if self.rank == 2 else functional.avg_pool1d
        return pool(x, self.kernel_size, self.stride, 0, self.ceil_mode)


class MaxPool1d(_MaxPool):
    """`torch.nn.MaxPool1d` with padding `(before, after)` or `"same"`."""

    rank = 1


class MaxPool2d(_MaxPool):
    """`torch.nn.MaxPool2d` with padding `(top, bottom, left, right)` or `"same"`."""

    rank = 2


class AvgPool1d(_AvgPool):
    """`torch.nn.AvgPool1d` with padding `(before, after)` or `"same"`."""

    rank = 1


class AvgPool2d(_AvgPool):
    """`torch.nn.AvgPool2d` with padding `(top, bottom, left, right)` or `"same"`."""

    rank = 2
