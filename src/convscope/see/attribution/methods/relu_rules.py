"""ReLUs with another backward rule, in modules and functions; the network itself is not modified."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from convscope.errors import UsageError
from convscope.see.attribution.methods.opaque_operations import Watched, flat
from convscope.see.optimize.relu_gradients import RELU_SIGNATURES, by_position


class _Rectifier(torch.autograd.Function):
    """Clamp to [0, high] with the backward rule of a deconvolutional network.

    Negative gradients become 0; with `guided` also those where the input was not inside (0, high).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, high: float, inplace: bool, guided: bool) -> Tensor:
        ctx.guided = guided
        ctx.save_for_backward((x > 0) & (x < high) if guided else torch.empty(0))
        if inplace:
            ctx.mark_dirty(x)
            return x.clamp_(0, high)
        return x.clamp(0, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (open_,) = ctx.saved_tensors
        passed = gradients[0].clamp_min(0)
        return (passed.masked_fill(~open_, 0) if ctx.guided else passed), None, None, None


RELUS = ("Relu", "Threshold")
"""Autograd nodes of ReLUs; those not from a function of `RELU_SIGNATURES` would keep their own rule."""


class ReluRule(Watched):
    """Base class of both rules; `count` is the number of ReLUs that the pass met."""

    guided: ClassVar[bool]
    """Whether gradients are also stopped where the forward input was inactive."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.count = 0

    @override
    def handled(self, func: Callable[..., Any], args: Any, kwargs: Any, flows: list[Tensor]) -> Any:
        meaning = RELU_SIGNATURES.get(func)
        if meaning is None:
            return self._without_relus(func, args, kwargs)
        x, low, high, inplace = meaning(*args, **by_position(kwargs))
        if isinstance(low, Tensor) or isinstance(high, Tensor) or low != 0 or not x.requires_grad:
            return func(*args, **kwargs)
        self.count += 1
        return _Rectifier.apply(x, inf if high is None else float(high), inplace, self.guided)

    def _without_relus(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call any other function.

        Raises:
            UsageError: there is a ReLU inside it, which would keep its own gradient.
        """
        before = {t.grad_fn for t in flat((args, kwargs))}
        out = func(*args, **kwargs)
        stack = [t.grad_fn for t in flat(out)]
        seen = set(stack)
        while stack:
            node = stack.pop()
            if node is None or node in before or node in self.known:
                continue
            if node.name().startswith(RELUS):
                raise self.refusal(f"a ReLU called as {getattr(func, '__name__', func)}")
            new = {after for after, _ in node.next_functions} - seen
            seen |= new
            stack += new
        return out


class GuidedReluRule(ReluRule):
    """The rule of guided backpropagation: positive gradients, where the input was positive."""

    guided = True


class DeconvnetReluRule(ReluRule):
    """The rule of deconvolutional networks: positive gradients."""

    guided = False


Rule = TypeVar("Rule", bound=ReluRule)


@contextmanager
def require_relu(mode: Rule) -> Iterator[Rule]:
    """Check at the end of the context that the mode met a ReLU.

    Args:
        mode: the mode that passes inside are run with; it is not entered here.

    Yields:
        The mode.

    Raises:
        UsageError: the network has no ReLU before the target, so that the rule changed nothing.
    """
    yield mode
    if mode.count == 0:
        raise UsageError(
            "a network with ReLUs, whose gradients this method changes",
            received="a network without one before the target",
            hint="Use integrated, smoothgrad or lrp.",
        )
