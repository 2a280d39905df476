"""Gradients for units that do not fire yet.

A ReLU whose inputs are all negative passes no gradient, and ascent of a silent unit would never start. For an
image whose whole gradient a ReLU would stop, what would raise the score passes instead. Nothing is changed in
the network: the calls are caught on their way, whether made by modules or as functions.

Lucid does this for the first 16 steps, whether or not the unit fires. Here a look at every 16th step finds
the images that do not move; all others take true steps only.

Source: Lucid's `redirected_relu_grad`, for the first 16 steps; its rule for ReLU6 is the upper
bound's.
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
    """Clamps to [low, high]; where all of an image's gradient would stop, what pushes inwards passes.

    The gradient is that of a loss, which falls: below `low` a negative one pushes inwards. All else is the
    usual gradient, at the usual cost.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, low: float, high: float, inplace: bool, rows: Sequence[int] | None
    ) -> Tensor:
        ctx.rows, ctx.low, ctx.high = range(len(x)) if rows is None else rows, low, high
        if inplace:
            ctx.mark_dirty(x)
        y = _clamped(x, low, high, inplace)
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
                outwards = ((at <= low) & (incoming > 0)) | ((at >= high) & (incoming < 0))
                true[row] = incoming.masked_fill(outwards, 0)
        return true, None, None, None, None


def _stopped(gradient: Tensor) -> bool:
    """Whether nothing of an image's gradient is left; its middle mostly tells, at a fraction of the cost."""
    maps = gradient.dim() > 1
    return not (maps and bool(gradient[:, gradient.shape[1] // 2].any())) and not bool(gradient.any())


def _clamped(x: Tensor, low: float, high: float, inplace: bool) -> Tensor:
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


def _every(names: Iterable[str]) -> list[Callable[..., Any]]:
    """The functions that go by these names in torch, torch.nn.functional and on tensors."""
    owners = (torch, F, Tensor)
    return [getattr(owner, name) for name in names for owner in owners if hasattr(owner, name)]


RELU_SIGNATURES: dict[Callable[..., Any], Callable[..., tuple[Tensor, Any, Any, bool]]] = {
    **dict.fromkeys(_every(["relu"]), _relu),
    **dict.fromkeys(_every(["relu_"]), _relu_),
    **dict.fromkeys(_every(["relu6"]), _relu6),
    **dict.fromkeys(_every(["hardtanh"]), _hardtanh),
    **dict.fromkeys(_every(["clamp", "clamp_min", "clip"]), _clamp),
    **dict.fromkeys(_every(["clamp_", "clamp_min_", "clip_"]), _clamp_),
}
"""Function -> what its arguments mean: the tensor, the lower and the upper bound, whether in place."""


class RedirectReLU(TorchFunctionMode):
    """Inside `with Redirected():`, gradients get through ReLUs that would stop them entirely.

    Args:
        only: for which images of the batch; for all, if left out.
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
        meaning = RELU_SIGNATURES.get(func)
        if meaning is not None and torch.is_grad_enabled():
            x, low, high, inplace = meaning(*args, **by_position(kwargs))
            if isinstance(low, Tensor) or isinstance(high, Tensor) or x.dim() < 2 or not x.requires_grad:
                return func(*args, **kwargs)
            rows = self.rows if len(x) == self.images else None
            return _RedirectedReLU.apply(x, float(low), float(high), inplace, rows)
        return func(*args, **kwargs)


def by_position(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments given by name, the tensor's among them, under the names used here."""
    return {"x" if name in ("input", "self") else name: value for name, value in kwargs.items()}


def nonzero_gradient(gradients: Sequence[Tensor]) -> Tensor:
    """Which images have a gradient other than 0."""
    return torch.stack([gradient.flatten(1).abs().amax(1) > 0 for gradient in gradients]).any(0)


class RedirectSchedule:
    """Decides for which steps and images gradients are redirected.

    Args:
        period: a true step at the start, and at every so manieth, shows who does not move; their gradients
            are redirected until the next.
    """

    def __init__(self, period: int) -> None:
        self.period = period
        self.silent: Tensor | None = None
        self.moving: Tensor | None = None

    def mode(self, index: int) -> AbstractContextManager[Any]:
        """What to run step `index` in."""
        return nullcontext() if self._looks(index) or self.silent is None else RedirectReLU(self.silent)

    def note(self, index: int, gradients: Sequence[Tensor]) -> Tensor:
        """Which images truly move, as far as is known at step `index`."""
        if self.moving is None or self._looks(index):
            self.moving = nonzero_gradient(gradients)
            still = self.period > 0 and not bool(self.moving.all())
            self.silent = ~self.moving if still else None
        return self.moving

    def _looks(self, index: int) -> bool:
        return self.period > 0 and index % self.period == 0
