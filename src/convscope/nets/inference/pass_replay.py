"""Replay a network's forward and backward pass as a flat list of ATen calls.

For one small picture, modules, hooks and autograd's bookkeeping take as long as the arithmetic. Here one pass
and its backward pass are recorded below all of that, as calls on tensors. Replaying them makes the same calls
in the same order. What is known by then makes some of them cheaper: which tensors nobody reads, that weights
have no gradient, and where the memory format allows a plain matrix product.

A recording holds for inputs of one shape. It is used only if it agrees with the network
on another input than the recorded one, so that a network that decides by its values is not replayed.

Source: the recording is that of PyTorch's CUDA graphs, Ng et al. 2021, "Accelerating PyTorch with CUDA
Graphs", by a `TorchDispatchMode` instead of a stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

LARGEST = 2**18
"""Elements of the largest input that is recorded, a picture of 295 px: recording keeps every tensor of both
passes at once, and for larger inputs arithmetic outweighs what a replay saves."""
CLOSE = 1e-3
"""Largest difference between replay and network that counts as rounding, relative to the largest value."""
NARROW = 4
"""Input channels up to which a convolution's gradient is a matrix product and a sum of patches."""
aten = torch.ops.aten
Pass = Callable[[Tensor], Sequence[Tensor]]
"""From an input to activations, differentiable."""


class NotReplayable(Exception):
    """A pass does what a recording cannot hold."""


@dataclass(frozen=True)
class _Slot:
    """A tensor that a recorded call reads or makes."""

    number: int


@dataclass(frozen=True)
class _Call:
    """One recorded call; slots stand for tensors that the pass makes."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    results: tuple[_Slot | None, ...]
    several: bool = False
    """Whether the function returns a tuple."""

    @property
    def mutable(self) -> bool:
        """Whether the function changes one of its arguments."""
        schema = getattr(self.function, "_schema", None)
        return schema is not None and schema.is_mutable

    def reads(self) -> set[int]:
        """Return the numbers of the slots that are read."""
        flat = [value for one in self.arguments for value in (one if isinstance(one, list) else [one])]
        return {value.number for value in flat if isinstance(value, _Slot)}


class _Recorder(TorchDispatchMode):
    """Record calls. Tensors that the pass is given are announced by `slot_of`; all others are constants."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else entering it imports torch's compiler, which takes 2 s

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.made: list[Tensor] = []
        """All tensors, kept so that no address is used twice."""
        self.slots: dict[int, _Slot] = {}
        self.views: dict[tuple[Any, ...], _Slot] = {}

    def slot_of(self, tensor: Tensor) -> _Slot:
        """Return the slot of a tensor that the pass made, a new one at its first time."""
        slot = self.slots.get(id(tensor))
        if slot is None:
            slot = _Slot(len(self.made))
            self.made.append(tensor)
            self._note(tensor, slot)
        return slot

    def _note(self, tensor: Tensor, slot: _Slot) -> None:
        self.slots[id(tensor)] = slot
        self.views[_memory(tensor)] = slot

    def known(self, value: Any) -> Any:
        """Return the slot of a tensor, also of another object for the same memory; else the value."""
        if isinstance(value, list | tuple):
            return [self.known(one) for one in value]
        if not isinstance(value, Tensor):
            return value
        return (
            self.slots.get(id(value)) or (self.views.get(_memory(value)) if value.numel() else None) or value
        )

    @override
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags or torch.Tag.data_dependent_output in func.tags:
            raise NotReplayable(str(func))
        arguments = tuple(self.known(one) for one in args)
        out = func(*args, **kwargs)
        if func is aten.detach.default and isinstance(arguments[0], _Slot):
            self.made.append(out)
            self._note(out, arguments[0])
            return out
        several = isinstance(out, list | tuple)
        results = tuple(
            self.slot_of(o) if isinstance(o, Tensor) else None for o in (out if several else [out])
        )
        self.calls.append(_Call(func, arguments, kwargs, results, several))
        return out


def _memory(tensor: Tensor) -> tuple[Any, ...]:
    at = tensor.untyped_storage().data_ptr(), tensor.storage_offset()
    return (*at, tuple(tensor.shape), tensor.stride(), tensor.dtype)


class PassReplay:
    """The recorded forward and backward pass of a network, for inputs like the one it was recorded with.

    Args:
        run: the pass, on an input `[b ...]` that requires a gradient.
        x: an input to record.

    Raises:
        NotReplayable: the pass depends on random numbers or on its own values, changes tensors of the
            network, or gives activations without a gradient.
    """

    def __init__(self, run: Pass, x: Float[Tensor, "b *shape"]) -> None:
        shown = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        recorder = _Recorder()
        recorder.slot_of(shown)
        with torch.enable_grad():
            with recorder:
                found = list(run(shown))
            if not all(one.requires_grad for one in found):
                raise NotReplayable("an activation without a gradient")
            border, incoming = len(recorder.calls), [torch.ones_like(one).detach() for one in found]
            self.incoming = [recorder.slot_of(one).number for one in incoming]
            with recorder:
                (gradient,) = torch.autograd.grad(_Seeded.apply(incoming, *found), shown)
        self.like, self.incoming_like = _format(shown), [_format(one) for one in incoming]
        outputs = [recorder.known(one) for one in (*found, gradient)]
        if not all(isinstance(one, _Slot) for one in outputs):
            raise NotReplayable("an activation that does not depend on the input")
        calls = _simplified(recorder.calls, recorder.made, border)
        self.size, self.outputs = len(recorder.made), [one.number for one in outputs]
        self._compile(calls)

    def _compile(self, calls: list[tuple[_Call, bool]]) -> None:
        """Drop calls that nobody reads, and note after which call each tensor may be freed."""
        live = set(self.outputs)
        forward: list[_Instruction] = []
        backward: list[_Instruction] = []
        for call, early in reversed(calls):
            made = {slot.number for slot in call.results if slot}
            reads = call.reads()
            if not call.mutable and not made & live:
                continue
            if call.mutable and isinstance(call.arguments[0], Tensor):
                raise NotReplayable(f"{call.function} of a tensor of the network")
            (forward if early else backward).append(_Instruction(call, sorted((reads | made) - live)))
            live |= reads | made
        self.forward, self.backward = forward[::-1], backward[::-1]

    def fits(self, x: Float[Tensor, "b *shape"]) -> bool:
        """Return whether an input has the recorded shape and dtype.

        Args:
            x: the input.

        Returns:
            True if it can be replayed.
        """
        shape, _, dtype = self.like
        return tuple(x.shape) == shape and x.dtype == dtype

    def agrees(self, run: Pass, x: Float[Tensor, "b *shape"]) -> bool:
        """Return whether activations and gradient are the network's own, within `CLOSE`.

        Args:
            run: the pass that was recorded.
            x: another input than the recorded one, which must fit.

        Returns:
            True if they are, and finite.
        """
        results = []
        for one in (run, self):
            with torch.enable_grad():
                found = one(shown := x.detach().clone(memory_format=torch.preserve_format).requires_grad_())
                weights = [torch.linspace(-1, 1, f.numel()).view(f.shape) for f in found]
                results.append([*found, *torch.autograd.grad(_Seeded.apply(weights, *found), shown)])
        return all(
            bool(torch.isfinite(b).all()) and float((a - b).abs().max()) <= CLOSE * float(a.abs().max())
            for a, b in zip(*([t.detach() for t in part] for part in results), strict=True)
        )

    def __call__(self, x: Float[Tensor, "b *shape"]) -> tuple[Tensor, ...]:
        """Replay the forward pass; the result is part of the autograd graph.

        Args:
            x: an input that fits.

        Returns:
            The activations, in the order of the recorded pass.
        """
        return _Replayed.apply(x, self)

    def run_forward(self, x: Tensor) -> tuple[list[Any], list[Tensor]]:
        """Replay the forward pass, outside autograd.

        Args:
            x: an input that fits, without a gradient.

        Returns:
            By slot the tensors that the backward pass needs, and the activations.
        """
        held: list[Any] = [None] * self.size
        held[0] = x if _format(x) == self.like else _as(x, self.like)
        for one in self.forward:
            one.run(held)
        return held, [held[number] for number in self.outputs[:-1]]

    def run_backward(self, held: list[Any], gradients: Sequence[Tensor]) -> Tensor:
        """Replay the backward pass.

        Args:
            held: what `run_forward` returned first; its tensors are freed on the way.
            gradients: of a number, with respect to each activation.

        Returns:
            The number's gradient with respect to the input.
        """
        for slot, gradient, like in zip(self.incoming, gradients, self.incoming_like, strict=True):
            held[slot] = gradient if _format(gradient) == like else _as(gradient, like)
        for one in self.backward:
            one.run(held)
        return held[self.outputs[-1]]


def recorded(run: Pass, x: Float[Tensor, "b *shape"]) -> PassReplay | None:
    """Record a pass, and compare the replay with it on the input mirrored.

    Args:
        run: the pass, on an input `[b ...]` that requires a gradient.
        x: an input like those that will follow.

    Returns:
        The replay; None where there is none that agrees.
    """
    try:
        replay = PassReplay(run, x)
        other = torch.empty_like(x).copy_(x.detach().flip(-1))
        return replay if replay.agrees(run, other) else None
    except Exception:  # whatever a network, or a call on what it makes, raises below its usual surroundings
        return None


class _Instruction:
    """A call that is ready to run on a list of tensors by slot."""

    def __init__(self, call: _Call, frees: list[int]) -> None:
        self.function, self.named, self.frees = call.function, call.named, frees
        self.arguments = list(call.arguments)
        self.slots = [(i, a.number) for i, a in enumerate(self.arguments) if isinstance(a, _Slot)]
        self.lists = [
            (i, a)
            for i, a in enumerate(self.arguments)
            if isinstance(a, list) and any(isinstance(one, _Slot) for one in a)
        ]
        self.results = [slot.number if slot else None for slot in call.results]
        self.several = call.several

    def run(self, held: list[Any]) -> None:
        arguments = self.arguments.copy()
        for at, slot in self.slots:
            arguments[at] = held[slot]
        for at, values in self.lists:
            arguments[at] = [held[one.number] if isinstance(one, _Slot) else one for one in values]
        out = self.function(*arguments, **self.named)
        if self.several:
            for slot, value in zip(self.results, out, strict=True):
                if slot is not None:
                    held[slot] = value
        elif self.results[0] is not None:
            held[self.results[0]] = out
        for slot in self.frees:
            held[slot] = None


class _Seeded(torch.autograd.Function):
    """Give activations these gradients: what `torch.autograd.grad` does by importing its symbolic shapes."""

    @staticmethod
    def forward(ctx: Any, gradients: Sequence[Tensor], *activations: Tensor) -> Tensor:
        ctx.gradients = gradients
        return activations[0].new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *_: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return None, *ctx.gradients


class _Replayed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, replay: PassReplay) -> tuple[Tensor, ...]:
        ctx.replay, (ctx.held, found) = replay, replay.run_forward(x.detach())
        return tuple(one.view_as(one) for one in found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        held, ctx.held = ctx.held, None
        return ctx.replay.run_backward(held, gradients), None


def _format(tensor: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.shape), tensor.stride(), tensor.dtype


def _as(tensor: Tensor, like: tuple[Any, ...]) -> Tensor:
    """Copy a tensor to a memory format."""
    shape, stride, dtype = like
    return torch.empty_strided(shape, stride, dtype=dtype, device=tensor.device).copy_(tensor)


def _simplified(calls: list[_Call], made: list[Tensor], border: int) -> list[tuple[_Call, bool]]:
    """Return calls, and whether each belongs to the forward pass, with cheaper ones in place of some."""
    calls = _without_clones(calls)
    return [(_cheaper(call, made), number < border) for number, call in enumerate(calls)]


def _without_clones(calls: list[_Call]) -> list[_Call]:
    """Let the gradient of an in-place `hardtanh_` (ReLU6) read its result, which says as much as a copy."""
    changes: dict[int, int] = {}
    for call in calls:
        if call.mutable and call.arguments and isinstance(call.arguments[0], _Slot):
            changes[call.arguments[0].number] = changes.get(call.arguments[0].number, 0) + 1
    same: dict[_Slot, _Slot] = {}
    for call, after in pairwise(calls):
        copied = (call.function, after.function) == (aten.clone.default, aten.hardtanh_.default)
        source, copy = call.arguments[:1], call.results[0]
        same_source = source == after.arguments[:1] and isinstance(source[0], _Slot)
        if copied and copy and same_source and changes[source[0].number] == 1:  # nothing else overwrites it
            same[copy] = source[0]
    return [
        replace(call, arguments=tuple(same.get(a, a) if isinstance(a, _Slot) else a for a in call.arguments))
        if call.function is aten.hardtanh_backward.default
        else call
        for call in calls
    ]


def _cheaper(call: _Call, made: list[Tensor]) -> _Call:
    """Return a call with the same result that takes less time, or the call itself."""
    if call.function is aten.constant_pad_nd.default and all(amount <= 0 for amount in call.arguments[1]):
        return replace(call, function=_cropped, arguments=call.arguments[:2], named={})
    if call.function is not aten.convolution_backward.default:
        return call
    gradient, x, weight, _, stride, padding, dilation, transposed, _, groups, wanted = call.arguments
    plain = not transposed and groups == 1 and list(wanted) == [True, False, False] and set(dilation) == {1}
    if not plain or not isinstance(x, _Slot) or not isinstance(weight, Tensor) or weight.dim() != 4:
        return call
    shape = made[x.number].shape
    if tuple(weight.shape[2:]) == (1, 1) and set(stride) == {1} and set(padding) == {0}:
        new = replace(call, function=_pointwise_gradient, arguments=(gradient, weight.flatten(1), shape))
    elif shape[1] <= NARROW and len(shape) == 4 and shape[0] == 1:
        arguments = (
            gradient,
            weight.flatten(1).t().contiguous(),
            shape,
            tuple(weight.shape[2:]),
            stride,
            padding,
        )
        new = replace(call, function=_narrow_gradient, arguments=arguments)
    else:
        return call
    return replace(new, results=call.results[:1], several=False, named={})


def _cropped(x: Tensor, amounts: Sequence[int]) -> Tensor:
    """Pad by negative amounts without a copy."""
    for number in range(0, len(amounts), 2):
        axis, (before, after) = x.dim() - 1 - number // 2, amounts[number : number + 2]
        x = x.narrow(axis, -before, x.shape[axis] + before + after)
    return x


def _pointwise_gradient(
    gradient: Float[Tensor, "b o h w"], weight: Float[Tensor, "o c"], shape: tuple[int, ...]
) -> Float[Tensor, "b c h w"]:
    """Return the gradient of the input of a 1x1 convolution."""
    b, c, h, w = shape
    rows = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
    return torch.mm(rows, weight).view(b, h, w, c).permute(0, 3, 1, 2)


def _narrow_gradient(
    gradient: Float[Tensor, "1 o h w"],
    weight: Float[Tensor, "patch o"],
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    stride: Sequence[int],
    padding: Sequence[int],
) -> Float[Tensor, "1 c *size"]:
    """Return the gradient of a convolution's input of few channels, such as a picture."""
    patches = torch.mm(weight, gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1]).t())
    return F.fold(patches[None], shape[2:], kernel, stride=tuple(stride), padding=tuple(padding))
