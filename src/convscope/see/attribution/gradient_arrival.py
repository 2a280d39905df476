"""Whether a gradient arrives at a tensor: a gradient that is 0 is told from one that does not exist.

A dead ReLU's gradient exists and is 0. After `detach`, `no_grad`, `argmax`, a cast to integers, a quantised
layer or a custom function without a backward pass there is none, and autograd hands back zeros all the same;
of `round` and `sign` it hands back zeros everywhere. The graph of the row's own score says where its gradient
ends, and passes with other values say whether the score depends on the tensor at all.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from convscope.errors import UsageError
from convscope.see.attribution.passes import is_out_of_memory

Run = Callable[[Tensor], Tensor]
"""The score `[1]` of one row for a value `[1 ...]` of the tensor in question."""

STAIRS = ("Round", "Sign", "Sgn", "Floor", "Ceil", "Trunc", "Fix", "Heaviside", "Bernoulli")
"""Operations whose derivative autograd defines as 0 everywhere."""
ROUTES = (
    "Cat",
    "Stack",
    "Where",
    "Maximum",
    "Minimum",
    "CopySlices",
    "CopyBackward",
    "IndexPut",
    "Scatter",
    "SliceScatter",
    "SelectScatter",
    "MaskedScatter",
    "IndexCopy",
    "IndexFill",
)
"""Operations that pass each value on from one of several operands."""
_KINKS = "Relu Threshold Hardtanh Clamp Abs Max Min Norm Sqrt Elu Hard Prelu Softshrink Amax Amin Pow"
KINKS = tuple(_KINKS.split(" "))
"""Operations without a derivative somewhere: there, a value can change at a gradient of 0."""
NOISE = 1e-6
"""Smallest change of a score that counts, as a share of it."""
STEP = 1e-2
"""First step of the finite difference, as a share of the tensor's span."""


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*autograd kernel was not registered.*")
        yield


def differentiated(scores: Tensor, sources: Sequence[Tensor], target: str) -> list[Tensor | None]:
    """The gradients of the sum of scores; None where the graph leads to no gradient.

    Raises:
        UsageError: an operation has no derivative.
    """
    if not scores.requires_grad:
        return [None] * len(sources)
    try:
        with _quiet():
            return list(torch.autograd.grad(scores.sum(), sources, allow_unused=True))
    except (RuntimeError, NotImplementedError) as error:
        if is_out_of_memory(error):
            raise
        raise UsageError(
            f"operations with a gradient all the way from {target}",
            received=next(iter(str(error).splitlines()), type(error).__name__),
            hint="Use a method that needs no gradients: occlusion or rise.",
        ) from error


def silent_rows(gradient: Tensor) -> list[int]:
    """The rows of a gradient that are 0 throughout."""
    return (~gradient.flatten(1).any(1)).nonzero().flatten().tolist()


def depends(run: Run, score: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether a score changes with any of these values."""
    with torch.no_grad():
        return any(_differ(run(other), score) for other in others)


def missing(run: Run, value: Tensor, others: Sequence[Tensor]) -> str:
    """Why no gradient arrives at a value `[1 ...]` of which the score depends; empty if one does.

    Args:
        run: the score for any value.
        value: where the gradient was found to be 0.
        others: values of the same shape to compare with.
    """
    with torch.enable_grad():
        leaf = value.detach().clone().requires_grad_()
        score = run(leaf)
    if not depends(run, score.detach(), others):
        return ""
    if not score.requires_grad:
        return "what is explained has no gradient: no_grad, detach, argmax or a cast to integers cuts it off"
    reach = _leading(score.grad_fn, leaf)
    if score.grad_fn not in reach:
        return "detach, no_grad, argmax or a cast to integers cuts the graph off before it"
    ends = _ends(score, leaf, reach)
    for name, lost, operands in ends:
        if lost:
            return f"{_called(name)} hands no gradient back"
        if name.startswith(STAIRS):
            return f"{_called(name)} is constant wherever its gradient is asked"
        if name.startswith(ROUTES) and operands:
            return f"{_called(name)} takes the value from an operand without a gradient"
    smooth = not any(name.startswith(KINKS) for name, _, _ in ends)
    if ends and smooth and _first_order(run, score.detach(), value):
        return "the score changes with it, along a way without a gradient"
    return ""


def _called(name: str) -> str:
    """What an autograd node is the gradient of: RoundBackward0 of round."""
    if "NotImplemented" in name:
        return "an operation without a gradient of its own (quantised, or a custom kernel)"
    return name.split("Backward")[0] or name


def _leading(root: Any, leaf: Tensor) -> set[Any]:
    """The nodes of a graph that lead to a leaf."""
    order: list[Any] = []
    stack, seen = [root], {root}
    while stack:
        node = stack.pop()
        order.append(node)
        for after, _ in node.next_functions:
            if after is not None and after not in seen:
                seen.add(after)
                stack.append(after)
    before: dict[Any, list[Any]] = {}
    for node in order:
        for after, _ in node.next_functions:
            if after is not None:
                before.setdefault(after, []).append(node)
    leading = {node for node in order if getattr(node, "variable", None) is leaf}
    stack = list(leading)
    while stack:
        for node in before.get(stack.pop(), ()):
            if node not in leading:
                leading.add(node)
                stack.append(node)
    return leading


def _ends(score: Tensor, leaf: Tensor, reach: set[Any]) -> list[tuple[str, bool, bool]]:
    """Nodes at which a gradient goes in and none comes out.

    For each its name, whether what comes out is undefined rather than 0, and whether it has operands that are
    no part of the graph.
    """
    ends: list[tuple[str, bool, bool]] = []

    def watch(node: Any) -> Any:
        def note(backs: tuple[Any, ...], given: tuple[Any, ...]) -> None:
            if not any(g is not None and bool(g.any()) for g in given):
                return
            onward = [
                back
                for back, (after, _) in zip(backs, node.next_functions, strict=False)
                if after is not None and after in reach
            ]
            if all(back is None or not bool(back.any()) for back in onward):
                lost = all(back is None for back in onward)
                ends.append((node.name(), lost, any(after is None for after, _ in node.next_functions)))

        return note

    handles = [node.register_hook(watch(node)) for node in reach if not hasattr(node, "variable")]
    try:
        with _quiet():
            torch.autograd.grad(score.sum(), leaf, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return ends


def _first_order(run: Run, score: Tensor, value: Tensor) -> bool:
    """Whether a score changes in proportion to a small step in a random direction."""
    chance = torch.Generator().manual_seed(0)
    draw = torch.randn(value.shape, generator=chance, dtype=torch.float64).to(value)
    span = float(value.max() - value.min()) or 1.0
    with torch.no_grad():
        far, near = (float((run(value + STEP * k * span * draw) - score).abs().max()) for k in (1.0, 0.1))
    floor = NOISE * max(float(score.abs().max()), 1e-6)
    return near > 10 * floor and 4 * near < far < 25 * near


def _differ(one: Tensor, other: Tensor) -> bool:
    return float((one - other).abs().max()) > NOISE * max(float(other.abs().max()), 1e-12)
