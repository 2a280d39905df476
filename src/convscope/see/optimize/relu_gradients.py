"""Gradients through inactive ReLUs (Lucid's redirected ReLU gradients).

A ReLU whose inputs are all negative passes no gradient, and optimising a unit that is inactive at the start
would never change the image. For an image whose whole gradient a ReLU would block, the part of the incoming
gradient that raises the score passes instead. The network is not changed: calls of ReLU functions, by modules
or directly, are intercepted by a `TorchFunctionMode`.

Lucid does this for the first 16 steps, whether or not the unit is active. Here a check at every 16th step
finds the images without a gradient; all others take true gradient steps only.

Source: Lucid's `redirected_relu_grad`, for the first 16 steps; its rule for ReLU6 is that of the upper bound.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class _RedirectedReLU(torch.autograd.Function):
    """Clamp to [low, high]; where all of an image's gradient is blocked, pass what points into the range.

    The gradient is that of a loss to be minimised: at `low` a negative one moves the input into the range, at
    `high` a positive one. Images with any true gradient keep it unchanged, at the usual cost.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, low: float, high: float, inplace: bool, rows: Sequence[int] | None
    ) -> Tensor:
        ctx.rows, ctx.low, ctx.high = range(len(x)) if rows is None else rows, low, high
        if inplace:
            ctx.mark_dirty(x)
        y = _clamp_range(x, low, high, inplace)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,), (y,), low, high = gradients, ctx.saved_tensors, ctx.low, ctx.high
        if (low, high) == (0.0, inf):
            true = torch.ops.aten.threshold_backward(gradient, y, 0)
        else:
            true = gradient * ((y > low) & (y < high))
        for row in ctx.rows:
            if _stopped(true[row]):
                incoming, at = gradient[row], y[row]
                outward = ((at <= low) & (incoming > 0)) | ((at >= high) & (incoming < 0))
                true[row] = incoming.masked_fill(outward, 0)
        return true, None, None, None, None


def _stopped(gradient: Tensor) -> bool:
    """Return whether an image's gradient is 0 everywhere; one row of each map is tried first."""
    maps = gradient.dim() > 1
    return not (maps and bool(gradient[:, gradient.shape[1] // 2].any())) and not bool(gradient.any())


def _clamp_range(x: Tensor, low: float, high: float, inplace: bool) -> Tensor:
    """Clamp to [low, high], by `relu` where that is the range."""
    if (low, high) == (0.0, inf):
        return torch.relu_(x) if inplace else torch.relu(x)
    return x.clamp_(low, high) if inplace else x.clamp(low, high)


def _relu(x: Tensor, inplace: bool = False) -> tuple[Tensor, float, float, bool]:
    return x, 0.0, inf, inplace


def _relu_(x: Tensor) -> tuple[Tensor, float, float, bool]:
    return x, 0.0, inf, True


def _relu6(x: Tensor, inplace: bool = False) -> tuple[Tensor, float, float, bool]:
    return x, 0.0, 6.0, inplace


def _hardtanh(
    x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> tuple[Tensor, float, float, bool]:
    return x, min_val, max_val, inplace


def _clamp(x: Tensor, min: Any = None, max: Any = None) -> tuple[Tensor, Any, Any, bool]:
    return x, -inf if min is None else min, inf if max is None else max, False


def _clamp_(x: Tensor, min: Any = None, max: Any = None) -> tuple[Tensor, Any, Any, bool]:
    return (*_clamp(x, min, max)[:3], True)


def _variants(names: Iterable[str]) -> list[Callable[..., Any]]:
    """Return the functions with these names in torch, torch.nn.functional and torch.Tensor."""
    owners = (torch, F, Tensor)
    return [getattr(owner, name) for name in names for owner in owners if hasattr(owner, name)]


RELU_SIGNATURES: dict[Callable[..., Any], Callable[..., tuple[Tensor, Any, Any, bool]]] = {
    **dict.fromkeys(_variants(["relu"]), _relu),
    **dict.fromkeys(_variants(["relu_"]), _relu_),
    **dict.fromkeys(_variants(["relu6"]), _relu6),
    **dict.fromkeys(_variants(["hardtanh"]), _hardtanh),
    **dict.fromkeys(_variants(["clamp", "clamp_min", "clip"]), _clamp),
    **dict.fromkeys(_variants(["clamp_", "clamp_min_", "clip_"]), _clamp_),
}
"""For each intercepted function, one that maps its arguments to tensor, lower and upper bound, and
in-place."""


class RedirectReLU(TorchFunctionMode):
    """Context manager in which gradients pass ReLUs that would block them for a whole image.

    ReLU, ReLU6, Hardtanh and clamps with numbers as bounds are replaced while gradients are enabled.

    Args:
        only: a boolean for each image of the batch, the images for which this is done; all if left out.
    """

    def __init__(self, only: Tensor | None = None) -> None:
        super().__init__()
        self.rows: list[int] | None = None if only is None else only.nonzero().flatten().tolist()
        self.images = -1 if only is None else len(only)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        signature = RELU_SIGNATURES.get(func)
        if signature is not None and torch.is_grad_enabled():
            x, low, high, inplace = signature(*args, **by_position(kwargs))
            if isinstance(low, Tensor) or isinstance(high, Tensor) or x.dim() < 2 or not x.requires_grad:
                return func(*args, **kwargs)
            rows = self.rows if len(x) == self.images else None
            return _RedirectedReLU.apply(x, float(low), float(high), inplace, rows)
        return func(*args, **kwargs)


def by_position(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Rename the keyword arguments `input` and `self` to `x`, the name used by the functions here.

    Args:
        kwargs: keyword arguments of an intercepted call.

    Returns:
        The same values under the new names.
    """
    return {"x" if name in ("input", "self") else name: value for name, value in kwargs.items()}


def nonzero_gradient(gradients: Sequence[Tensor]) -> Tensor:
    """Return which images have a gradient other than 0.

    Args:
        gradients: one or more tensors `[b ...]`.

    Returns:
        A boolean for each image: True where any of its gradients has a value other than 0.
    """
    return torch.stack([gradient.flatten(1).abs().amax(1) > 0 for gradient in gradients]).any(0)


class RedirectSchedule:
    """Decide for which steps and images ReLU gradients are redirected.

    Step 0 and every `period`th step use true gradients; images that have none there get redirected gradients
    in the steps up to the next check.

    Args:
        period: steps between checks; 0 never redirects.
    """

    def __init__(self, period: int) -> None:
        self.period = period
        self.unmoved: Tensor | None = None
        self.moving: Tensor | None = None

    def mode(self, index: int) -> AbstractContextManager[Any]:
        """Return the context in which to run a step.

        Args:
            index: of the step.

        Returns:
            `RedirectReLU` for the images without a gradient; a null context in checks, or if there are none.
        """
        return nullcontext() if self._is_check(index) or self.unmoved is None else RedirectReLU(self.unmoved)

    def note(self, index: int, gradients: Sequence[Tensor]) -> Tensor:
        """Record the gradients of a step, and return which images have a true gradient.

        Args:
            index: of the step; its gradients are read only in checks.
            gradients: of the step, `[b ...]` each.

        Returns:
            A boolean for each image, as of the last check.
        """
        if self.moving is None or self._is_check(index):
            self.moving = nonzero_gradient(gradients)
            still = self.period > 0 and not bool(self.moving.all())
            self.unmoved = ~self.moving if still else None
        return self.moving

    def _is_check(self, index: int) -> bool:
        return self.period > 0 and index % self.period == 0
