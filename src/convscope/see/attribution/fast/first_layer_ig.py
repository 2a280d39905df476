"""Integrated gradients from the first layer's output.

A convolution is affine, so it maps the straight line from baseline to input onto a straight line. It need
not run at every point, nor pass every gradient back: gradients at its output are accumulated, and go back
through it once.
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
from convscope.see.attribution.gradients.arrival import silent_rows
from convscope.see.attribution.gradients.passes import is_out_of_memory
from convscope.see.attribution.target import AttributionTask

STRAIGHT = 1e-5
"""Largest deviation from a straight line, relative to the largest value, that counts as float32 rounding."""
BETWEEN = 0.37
"""Share of the line at which linearity is tested."""


class LinearFirstLayer:
    """One row's line from baseline to input, at the output of the network's first convolution or dense layer.

    `low` and `high` are the outputs at baseline and input, `sums` the accumulated gradients.
    `first_layer_is_linear` tests whether this is valid.

    Args:
        question: the task: network, inputs and targets.
        row: the row's index.
        baseline: the reference input, one tensor `[b ...]` for each input of the network.
        during: the context for passes.
        key: the `id` of the first layer's weight.
    """

    def __init__(
        self,
        question: AttributionTask,
        row: int,
        baseline: Sequence[Tensor],
        during: InputOnlyBackward,
        key: int,
    ) -> None:
        self.question, self.row, self.during, self.key = question, row, during, key
        self.number = question.differentiable_inputs[0]
        self.inputs = tuple(x[row : row + 1] for x in question.inputs)
        self.baseline = tuple(x[row : row + 1] for x in baseline)
        with torch.no_grad():
            self.low = self.reached(self.baseline[self.number])
        self.high, self.source = self.traced(self.inputs[self.number])
        self.step = self.high.detach() - self.low
        self.sums = torch.zeros_like(self.low)
        self.silent = False
        """Whether the gradient was 0 at some point of the line; plain passes find out why."""

    def reached(self, x: Tensor) -> Tensor:
        """Compute the first layer's output; the pass ends there.

        Args:
            x: the input that is varied, `[1 ...]`.

        Returns:
            The output `[1 ...]`.

        Raises:
            LookupError: the layer did not run.
        """
        inputs = [*self.inputs]
        inputs[self.number] = x
        try:
            with self.during, _At(self.key, _reach):
                self.question.scores(inputs, [self.row])
        except _Reached as reached:
            return reached.made
        raise LookupError("the first convolution was not called")

    def traced(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the first layer's output with its autograd graph.

        Args:
            x: the input that is varied, `[1 ...]`.

        Returns:
            The output, and the leaf with respect to which it can be differentiated.
        """
        with torch.enable_grad():
            source = x.detach().requires_grad_()
            return self.reached(source), source

    def gradient(self, reached: Tensor | None = None) -> Tensor:
        """Propagate a gradient from the first layer's output to the input.

        Args:
            reached: the gradient at the output; by default the accumulated sum.

        Returns:
            The gradient at the input, `[1 ...]`.
        """
        reached = self.sums if reached is None else reached
        return torch.autograd.grad(self.high, self.source, reached, retain_graph=True)[0]

    def add(self, between: Sequence[Tensor], share: Tensor, weight: Tensor) -> None:
        """Run some points of the line, and accumulate their weighted gradients at the first layer's output.

        Args:
            between: the network's inputs at these points, `[n ...]` each.
            share: the points' shares of the line, `[n]`.
            weight: their quadrature weights, `[n]`.
        """
        anchor = torch.zeros((), device=self.low.device, requires_grad=True)
        with torch.enable_grad():
            with self.during, _At(self.key, lambda _: _AccumulateGradient.apply(anchor, self, share, weight)):
                scores = self.question.scores(between, [self.row] * len(share))
            torch.autograd.grad(scores.sum(), anchor)

    def holds(self) -> bool:
        """Test whether the first layer is affine on the line, and the only path from the input to the target.

        Its output and its gradient at one point of the line have to agree with the interpolated ones, and
        with its output replaced no gradient may reach the input. Networks that fold parts of one input into
        the batch do not qualify: they have no row for each point of the line.
        """
        if len(self.low) != 1:
            return False
        x, o = self.inputs[self.number], self.baseline[self.number]
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
    question: AttributionTask, baseline: Sequence[Tensor], during: InputOnlyBackward, first: Tensor | None
) -> bool:
    """Test whether integrated gradients can start at the first layer's output.

    Args:
        question: the task: network, inputs and targets.
        baseline: the reference input, one tensor `[b ...]` for each input of the network.
        during: the context for passes.
        first: the weight of the first convolution or dense layer; None if there is none that runs once.

    Returns:
        True if the test holds for the first row of each different target.
    """
    if first is None or len(question.differentiable_inputs) != 1:
        return False
    rows = [question.objectives.index(goal) for goal in dict.fromkeys(question.objectives)]
    try:
        return all(LinearFirstLayer(question, row, baseline, during, id(first)).holds() for row in rows)
    except Exception as error:  # whatever a network throws at what it did not expect
        if is_out_of_memory(error):
            raise
        return False


def _near(found: Tensor, wanted: Tensor) -> bool:
    """Test whether two tensors agree up to rounding; False for NaN."""
    return float((found - wanted).abs().max()) <= STRAIGHT * float(wanted.abs().max())  # not for NaN


class _AccumulateGradient(torch.autograd.Function):
    """Autograd function in place of the first layer, which accumulates gradients at its outputs on the line.

    The scalar `anchor` makes its result part of an autograd graph.
    """

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
    """Ends a pass at the first layer; a `BaseException`, so that no network's error handling catches it."""

    def __init__(self, made: Tensor) -> None:
        super().__init__()
        self.made = made


class _At(TorchFunctionMode):
    """Function mode that replaces the call of the convolution or dense layer with a certain weight."""

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
    """Run the layer, and end the pass with its output."""
    raise _Reached(run())
