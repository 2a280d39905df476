"""Backward passes to the input alone, taken once: no gradients of weights, and little memory.

A convolution saves no activations for the backward pass, a ReLU only its output (so a layer that overwrites
it is an error, where a ReLU6 in place would otherwise save a copy). The backward pass of a convolution with
stride 1 is a convolution with the flipped kernel, which is faster on CPUs than the framework's own.
"""

from collections.abc import Callable
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from typing_extensions import override

from convscope.see.attribution.fast.bn_folding import FoldedMode, FoldPlan, convolution
from convscope.see.optimize.relu_gradients import RELU_SIGNATURES, by_position

RECTIFIERS = frozenset(
    func for func in RELU_SIGNATURES if "clamp" not in func.__name__ and "clip" not in func.__name__
)
"""ReLU functions whose derivative is 0 at both bounds; that of a clamp is 1."""
FULL = (torch.float32, torch.float64)
"""Dtypes that are handled; others take the framework's own backward pass."""
Pair = tuple[int, int]
"""Values for height and width."""


class InputOnlyBackward(FoldedMode):
    """Function mode in which passes can be differentiated once, with respect to inputs but not to weights.

    Convolutions contain their folded normalisations. What it does not handle runs as usual.

    Args:
        fold: folded weights and memory format.
    """

    def __init__(self, fold: FoldPlan) -> None:
        super().__init__(fold.weights, fold.norms)
        self.layout = torch.channels_last if fold.channels_last else torch.contiguous_format
        self.turned: dict[int, tuple[Tensor, Tensor]] = {}
        """By a weight's `id`: the weight, kept alive to keep the `id` unique, and its flipped kernel."""

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        made = NotImplemented
        if not torch.is_grad_enabled():
            pass
        elif func is torch.conv2d:
            made = self._convolved(args, kwargs)
        elif func in RECTIFIERS:
            made = _rectified(func, args, kwargs)
        elif func is F.pad:
            made = _padded(args, kwargs)
        return super().__torch_function__(func, types, args, kwargs) if made is NotImplemented else made

    def _convolved(self, args: Any, kwargs: Any) -> Any:
        """Run a 2-d convolution with its own backward rule, or return NotImplemented."""
        x, weight, bias, rest, named = convolution(args, kwargs)
        folded = self.weights.get(id(weight))
        weight, bias = folded or (weight, bias)
        options = dict(zip(("stride", "padding", "dilation", "groups"), rest, strict=False)) | named
        free = weight.requires_grad or (bias is not None and bias.requires_grad)
        padding = options.get("padding", 0)
        if not x.requires_grad or free or x.dim() != 4 or x.dtype not in FULL or isinstance(padding, str):
            return NotImplemented
        stride, padding, dilation = (
            _pair(value) for value in (options.get("stride", 1), padding, options.get("dilation", 1))
        )
        groups = options.get("groups", 1)
        turned = None
        if _turns(weight, stride, padding, dilation, groups):
            turned = self._turned(weight, groups, kept=folded is not None or isinstance(weight, nn.Parameter))
        return _Convolved.apply(x, weight, bias, (stride, padding, dilation, groups), turned)

    def _turned(self, weight: Tensor, groups: int, *, kept: bool) -> Tensor:
        """Return the flipped kernel; it is cached unless the weight is computed anew in every call."""
        source, turned = self.turned.get(id(weight), (None, None))
        if source is not weight or turned is None:
            turned = _turn(weight, groups).contiguous(memory_format=self.layout)
            if kept:
                self.turned[id(weight)] = weight, turned
        return turned


def _pair(value: Any) -> Pair:
    """Expand one value to two axes."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return (values * 2)[:2]


def _turns(weight: Tensor, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> bool:
    """Test whether the backward pass can be a convolution with the flipped kernel, and is faster as one."""
    reach = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation, strict=True)]
    fits = stride == (1, 1) and all(p <= r for p, r in zip(padding, reach, strict=True))
    one_by_one = groups == len(weight) and weight.shape[1] == 1
    return weight.device.type == "cpu" and fits and (groups == 1 or one_by_one)


def _turn(weight: Tensor, groups: int) -> Tensor:
    """Flip a kernel; without groups also exchange input and output channels."""
    turned = weight.flip(2, 3)
    return turned.transpose(0, 1) if groups == 1 else turned


class _Convolved(torch.autograd.Function):
    """Convolution whose backward pass computes only the input's gradient, and saves no activations."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, how: Any, turned: Tensor | None
    ) -> Tensor:
        ctx.shape, ctx.weight, ctx.how, ctx.turned = x.shape, weight, how, turned
        return torch.conv2d(x, weight, bias, *how)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (back,) = gradients
        stride, padding, dilation, groups = ctx.how
        weight, turned = ctx.weight, ctx.turned
        last = back.is_contiguous(memory_format=torch.channels_last)
        if turned is not None and last and weight.shape[2:] == (1, 1) and groups == 1:
            flat = back.permute(0, 2, 3, 1).reshape(-1, len(weight)) @ weight.flatten(1)
            b, _, h, w = ctx.shape
            made = flat.view(b, h, w, -1).permute(0, 3, 1, 2)
        elif turned is not None:
            reach = [d * (k - 1) - p for k, d, p in zip(weight.shape[2:], dilation, padding, strict=True)]
            made = torch.conv2d(back, turned, None, 1, reach, dilation, groups)
        else:
            layout = torch.channels_last if last else torch.contiguous_format
            shaped = torch.empty(ctx.shape, dtype=back.dtype, device=back.device, memory_format=layout)
            made = torch.ops.aten.convolution_backward(
                back,
                shaped,
                weight,
                None,
                stride,
                padding,
                dilation,
                False,
                (0, 0),
                groups,
                (True, False, False),
            )[0]
        return made, None, None, None, None


def _rectified(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a ReLU with its own backward rule, or return NotImplemented."""
    x, low, high, inplace = RELU_SIGNATURES[func](*args, **by_position(kwargs))
    plain = x.requires_grad and x.dtype in FULL and not (inplace and x._is_view())
    return _Rectified.apply(x, high, inplace) if plain and low == 0 else NotImplemented


class _Rectified(torch.autograd.Function):
    """Clamp to [0, high] that saves its output where that suffices."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, high: float, inplace: bool) -> Tensor:
        ctx.high = high
        if inplace:
            ctx.mark_dirty(x)
            made = x.relu_() if high == inf else x.clamp_(0, high)
        else:
            made = x.relu() if high == inf else x.clamp(0, high)
        ctx.save_for_backward(made if inplace or high == inf else x)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (made,) = ctx.saved_tensors
        if ctx.high == inf:
            return torch.ops.aten.threshold_backward(gradients[0], made, 0), None, None
        return torch.ops.aten.hardtanh_backward(gradients[0], made, 0, ctx.high), None, None


def _padded(args: Any, kwargs: Any) -> Any:
    """Run constant padding of two axes with its own backward rule, or return NotImplemented."""
    given = dict(zip(("input", "pad", "mode", "value"), args, strict=False)) | kwargs
    x, sides = given["input"], tuple(given["pad"])
    plain = given.get("mode", "constant") == "constant" and x.requires_grad and x.dim() == 4
    if not plain or len(sides) != 4 or min(sides) < 0:
        return NotImplemented
    return _Padded.apply(x, sides, given.get("value") or 0.0)


class _Padded(torch.autograd.Function):
    """Constant padding in the input's memory format, whose backward pass is a view."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sides: tuple[int, int, int, int], value: float) -> Tensor:
        left, right, top, bottom = sides
        height, width = x.shape[2:]
        ctx.window = (..., slice(top, top + height), slice(left, left + width))
        last = x.is_contiguous(memory_format=torch.channels_last)
        made = torch.empty(
            (*x.shape[:2], top + height + bottom, left + width + right),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )
        for border in (
            made[:, :, :top],
            made[:, :, top + height :],
            made[..., :left],
            made[..., left + width :],
        ):
            border.fill_(value)
        made[ctx.window].copy_(x)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradients[0][ctx.window], None, None
