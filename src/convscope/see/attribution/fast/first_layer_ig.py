"""Where a straight line of inputs enters a network: what its first convolution makes of it is straight, too.

So that convolution need not run at every point of the line, nor take every gradient back: the gradients that
reach it are added up, and go back through it together.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from convscope.see.attribution.fast.bn_folding import CONVOLUTIONS, convolution
from convscope.see.attribution.fast.input_backward import InputOnlyBackward
from convscope.see.attribution.gradient_arrival import silent_rows
from convscope.see.attribution.passes import is_out_of_memory
from convscope.see.attribution.target import AttributionTask

STRAIGHT = 1e-5
"""How far from a straight line float32 may put what is straight, as a share of the largest value."""
BETWEEN = 0.37
"""Where on the line that is tried."""


class LinearFirstLayer:
    """One row's line, from `low` to `high`, at the network's first convolution.

    Made by `entrance`, which tries whether there is one.
    """

    def __init__(
        self,
        question: AttributionTask,
        row: int,
        nothing: Sequence[Tensor],
        during: InputOnlyBackward,
        key: int,
    ) -> None:
        self.question, self.row, self.during, self.key = question, row, during, key
        self.number = question.differentiable_inputs[0]
        self.inputs = tuple(x[row : row + 1] for x in question.inputs)
        self.nothing = tuple(x[row : row + 1] for x in nothing)
        with torch.no_grad():
            self.low = self.reached(self.nothing[self.number])
        self.high, self.source = self.traced(self.inputs[self.number])
        self.step = self.high.detach() - self.low
        self.sums = torch.zeros_like(self.low)
        self.silent = False
        """Whether no gradient came back from some point of the line: why is for plain passes to find out."""

    def reached(self, x: Tensor) -> Tensor:
        """What the first convolution makes of an input."""
        inputs = [*self.inputs]
        inputs[self.number] = x
        try:
            with self.during, _At(self.key, _reach):
                self.question.scores(inputs, [self.row])
        except _Reached as reached:
            return reached.made
        raise LookupError("the first convolution was not called")

    def traced(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, to be differentiated with respect to the second result."""
        with torch.enable_grad():
            source = x.detach().requires_grad_()
            return self.reached(source), source

    def gradient(self, reached: Tensor | None = None) -> Tensor:
        """At the input, what the sum so far, or other gradients, are at the first convolution."""
        reached = self.sums if reached is None else reached
        return torch.autograd.grad(self.high, self.source, reached, retain_graph=True)[0]

    def add(self, between: Sequence[Tensor], share: Tensor, weight: Tensor) -> None:
        """Pass through these points of the line, and add up the gradients that come back, weighed."""
        anchor = torch.zeros((), device=self.low.device, requires_grad=True)
        with torch.enable_grad():
            with self.during, _At(self.key, lambda _: _AccumulateGradient.apply(anchor, self, share, weight)):
                scores = self.question.scores(between, [self.row] * len(share))
            torch.autograd.grad(scores.sum(), anchor)

    def holds(self) -> bool:
        """Whether the line is straight here, its slope everywhere the same, and there is no other way in.

        A network that lays parts of one input side by side as a batch has no row for each point of the line.
        """
        if len(self.low) != 1:
            return False
        x, o = self.inputs[self.number], self.nothing[self.number]
        between = [*self.inputs]
        between[self.number] = (o + BETWEEN * (x - o)).detach().requires_grad_()
        high, source = self.traced(between[self.number])
        straight = torch.addcmul(self.low, self.step, torch.full_like(self.low, BETWEEN))
        (slope,) = torch.autograd.grad(high, source, straight)
        if not _near(high.detach(), straight) or not _near(slope, self.gradient(straight)):
            return False
        with torch.enable_grad(), self.during, _At(self.key, lambda _: straight.clone()):
            return not self.question.scores(between, [self.row]).requires_grad


def first_layer_is_linear(
    question: AttributionTask, nothing: Sequence[Tensor], during: InputOnlyBackward, first: Tensor | None
) -> bool:
    """Whether lines may enter by the first convolution; tried on the first row of each target."""
    if first is None or len(question.differentiable_inputs) != 1:
        return False
    rows = [question.objectives.index(goal) for goal in dict.fromkeys(question.objectives)]
    try:
        return all(LinearFirstLayer(question, row, nothing, during, id(first)).holds() for row in rows)
    except Exception as error:  # whatever a network throws at what it did not expect
        if is_out_of_memory(error):
            raise
        return False


def _near(found: Tensor, wanted: Tensor) -> bool:
    return float((found - wanted).abs().max()) <= STRAIGHT * float(wanted.abs().max())  # not for NaN


class _AccumulateGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchor: Tensor, line: LinearFirstLayer, share: Tensor, weight: Tensor) -> Tensor:
        ctx.line, ctx.weight = line, weight
        low = line.low
        at = share.to(low).view(-1, *[1] * (low.dim() - 1))
        last = low.dim() == 4 and low.is_contiguous(memory_format=torch.channels_last)
        made = torch.empty(
            (len(share), *low.shape[1:]),
            dtype=low.dtype,
            device=low.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )
        return torch.addcmul(low, line.step, at, out=made)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        line, (back,) = ctx.line, gradients
        last = line.sums.dim() == 4 and line.sums.is_contiguous(memory_format=torch.channels_last)
        line.silent = line.silent or bool(silent_rows(back))
        rows, total = (t.permute(0, 2, 3, 1) if last else t for t in (back, line.sums))
        total.view(-1).addmv_(rows.reshape(len(back), -1).T, ctx.weight.to(back))
        return back.new_zeros(()), None, None, None


class _Reached(BaseException):
    """Ends a pass at the first convolution; no `Exception`, so that no network swallows it."""

    def __init__(self, made: Tensor) -> None:
        super().__init__()
        self.made = made


class _At(TorchFunctionMode):
    """Does something else where the convolution with a certain weight is called."""

    def __init__(self, key: int, act: Callable[[Callable[[], Tensor]], Tensor]) -> None:
        super().__init__()
        self.key, self.act = key, act

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in CONVOLUTIONS and id(convolution(args, kwargs)[1]) == self.key:
            return self.act(lambda: func(*args, **kwargs))
        return func(*args, **kwargs)


def _reach(run: Callable[[], Tensor]) -> Tensor:
    raise _Reached(run())
