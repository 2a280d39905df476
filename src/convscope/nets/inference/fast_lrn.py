"""Compute local response normalisation faster, with the same values.

torch pools over channels as over a third spatial axis. Here the sum over neighbouring channels is a 1x1
convolution with a banded matrix, and the gradient is in closed form instead of traced by autograd.

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
    """Return the weights of a 1x1 convolution that averages `size` neighbouring channels.

    The window reaches `size // 2` channels down and `(size - 1) // 2` up; beyond the first and last channel
    are zeros.

    Args:
        channels: number of channels.
        size: number of channels in a window.
        like: a tensor whose dtype and device the weights get.

    Returns:
        Weights `[channels channels 1 1]`, each `1 / size` or 0.
    """
    at = torch.arange(channels, device=like.device)
    apart = at[None] - at[:, None]
    inside = (apart >= -(size // 2)) & (apart <= (size - 1) // 2)
    return (inside.to(like.dtype) / size)[..., None, None]


class _Normalised(torch.autograd.Function):
    """Compute `x / (k + alpha * mean) ** beta`, with the mean over the squares of neighbouring channels."""

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
    """Detect calls of `torch.nn.functional.local_response_norm`, by modules or as a function, inside `with`.

    Attributes:
        seen: whether there was such a call.
    """

    seen: bool = False

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
        """Compute the normalisation for an intercepted call; overridden by subclasses.

        Args:
            args: positional arguments of the call.
            kwargs: keyword arguments of the call.

        Returns:
            The normalised tensor, of the input's shape.
        """
        return F.local_response_norm(*args, **kwargs)


class _FastLRN(DetectLRN):
    """Compute intercepted calls by `_Normalised`, on floating point images `[b c h w]`."""

    @override
    def met(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        given = _ARGUMENTS.bind(*args, **kwargs)
        given.apply_defaults()
        x, *amounts = given.args
        if x.dim() == 4 and x.is_floating_point():
            return _Normalised.apply(x, *amounts)
        return super().met(args, kwargs)


def use_fast_lrn(module: nn.Module) -> None:
    """Make a module compute its local response normalisations the fast way from now on.

    Its `forward` is replaced, in place. The normalisations can then not be differentiated twice.

    Args:
        module: a module whose forward calls `local_response_norm`, directly or in submodules.
    """
    kind, own, itself = type(module), vars(module).get("forward"), ref(module)

    def normalised(*inputs: Any, **named: Any) -> Any:
        with _FastLRN():
            return own(*inputs, **named) if own else kind.forward(itself(), *inputs, **named)

    module.forward = normalised
