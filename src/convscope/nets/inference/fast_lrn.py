"""Local response normalisation, the same numbers sooner.

torch pools over channels as over a third dimension of space. Here the sum over neighbouring channels is a
1x1 convolution with a band of ones, and the gradient is written down rather than traced.

Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", section
3.3; torch's `local_response_norm` for where the band lies and that its mean is taken.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any
from weakref import ref

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode
from typing_extensions import override

_ARGUMENTS = inspect.signature(F.local_response_norm)


def band(channels: int, size: int, like: Tensor) -> Float[Tensor, "channels channels 1 1"]:
    """Weights for the mean of `size` neighbouring channels; beyond the first and last there are zeros."""
    at = torch.arange(channels, device=like.device)
    apart = at[None] - at[:, None]
    inside = (apart >= -(size // 2)) & (apart <= (size - 1) // 2)
    return (inside.to(like.dtype) / size)[..., None, None]


class _Normalised(torch.autograd.Function):
    """`x / (k + alpha * mean) ** beta`, where the mean is of the neighbours' squares."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            weights = band(x.shape[1], size, x) * alpha
            total = F.conv2d(x * x, weights, x.new_full((x.shape[1],), k))
            factor = total.pow(-beta)
            ctx.save_for_backward(x, total, factor, weights)
            ctx.beta = beta
            return x * factor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,), (x, total, factor, weights) = gradients, ctx.saved_tensors
        with torch.autocast(x.device.type, enabled=False):
            direct = gradient * factor
            across = F.conv2d(direct * x / total, weights.transpose(0, 1))
            return direct.addcmul_(x, across, value=-2 * ctx.beta), None, None, None, None


class DetectLRN(TorchFunctionMode):
    """Notes whether there is any such normalisation, called by a module or as a function."""

    seen = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is not F.local_response_norm:
            return func(*args, **kwargs)
        self.seen = True
        return self.met(args, kwargs)

    def met(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        """What the normalisation gives."""
        return F.local_response_norm(*args, **kwargs)


class _FastLRN(DetectLRN):
    """Normalises the other way."""

    @override
    def met(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        given = _ARGUMENTS.bind(*args, **kwargs)
        given.apply_defaults()
        x, *amounts = given.args
        if x.dim() == 4 and x.is_floating_point():
            return _Normalised.apply(x, *amounts)
        return super().met(args, kwargs)


def use_fast_lrn(module: nn.Module) -> None:
    """Let a module of one's own normalise this way from now on; it cannot be differentiated twice then."""
    kind, own, itself = type(module), vars(module).get("forward"), ref(module)

    def normalised(*inputs: Any, **named: Any) -> Any:
        with _FastLRN():
            return own(*inputs, **named) if own else kind.forward(itself(), *inputs, **named)

    module.forward = normalised
