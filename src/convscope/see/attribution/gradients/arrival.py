"""Find out whether a zero gradient is a true zero, or whether no gradient arrives at a tensor at all.

The gradient behind a dead ReLU exists and is 0. After `detach`, `no_grad`, `argmax`, a cast to integers, a
quantised layer or a custom function without a backward pass there is none, and autograd returns zeros all
the same; `round` and `sign` have a derivative of 0 everywhere. Two tests tell these cases apart: hooks on
the autograd graph of the row's score show where its gradient ends, and passes with other values show whether
the score depends on the tensor at all.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets.network import is_out_of_memory

Run = Callable[[Tensor], Tensor]
"""Returns the score `[1]` of one row for a value `[1 ...]` of the tensor under test."""

STAIRS = ("Round", "Sign", "Sgn", "Floor", "Ceil", "Trunc", "Fix", "Heaviside", "Bernoulli")
"""Name prefixes of autograd nodes whose derivative is defined as 0 everywhere."""
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
"""Name prefixes of autograd nodes that take each value from one of several operands."""
_KINKS = "Relu Threshold Hardtanh Clamp Abs Max Min Norm Sqrt Elu Hard Prelu Softshrink Amax Amin Pow"
KINKS = tuple(_KINKS.split(" "))
"""Name prefixes of nodes with points without a derivative: a value can change there at a gradient of 0."""
NOISE = 1e-6
"""Smallest change of a score that counts, relative to the score."""
STEP = 1e-2
"""Larger step of the finite difference, relative to the tensor's range of values."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence autograd's warning about operators without a registered autograd kernel."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*autograd kernel was not registered.*")
        yield


def differentiated(scores: Tensor, sources: Sequence[Tensor], target: str) -> list[Tensor | None]:
    """Return the gradients of the summed scores with respect to each source.

    Args:
        scores: `[b]`, one for each row.
        sources: tensors that require a gradient.
        target: the name of what is differentiated, for error messages.

    Returns:
        One gradient in the shape of each source; None where the autograd graph does not lead there.

    Raises:
        UsageError: an operation on the way has no derivative.
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


def rows_without_gradient(gradient: Tensor) -> list[int]:
    """Return the indices of rows whose gradient is 0 everywhere.

    Args:
        gradient: `[b ...]`.

    Returns:
        Indices along the first axis.
    """
    return (~gradient.flatten(1).any(1)).nonzero().flatten().tolist()


def depends(run: Run, score: Tensor, others: Sequence[Tensor]) -> bool:
    """Test whether a score changes when a tensor takes other values.

    Args:
        run: the score for any value of the tensor.
        score: the score for the tensor's own value, `[1]`.
        others: values to compare with, each `[1 ...]`.

    Returns:
        True if any of them changes the score by more than `NOISE` of it.
    """
    with torch.no_grad():
        return any(_differ(run(other), score) for other in others)


def missing(run: Run, value: Tensor, others: Sequence[Tensor]) -> str:
    """Explain why no gradient arrives at a tensor on which the score depends.

    A score that changes with none of `others` counts as independent of the tensor: its gradient is truly 0.

    Args:
        run: the score for any value of the tensor.
        value: `[1 ...]`, where the gradient was found to be 0.
        others: values of the same shape to compare with.

    Returns:
        The reason, for an error message; empty if the gradient is a true 0.
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
    """Return the operation whose gradient an autograd node is: `Round` for `RoundBackward0`."""
    if "NotImplemented" in name:
        return "an operation without a gradient of its own (quantised, or a custom kernel)"
    return name.split("Backward")[0] or name


def _leading(root: Any, leaf: Tensor) -> set[Any]:
    """Return the nodes of an autograd graph from which a leaf can be reached."""
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
    """List the autograd nodes that receive a nonzero gradient and pass none on towards the leaf.

    Returns:
        For each its name, whether what it passes on is undefined rather than 0, and whether it has operands
        that are not part of the graph.
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
    """Test whether the score changes in proportion to a small step in a random direction.

    If it does, the true derivative is not 0, whatever autograd returned.
    """
    generator = torch.Generator().manual_seed(0)
    draw = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
    span = float(value.max() - value.min()) or 1.0
    with torch.no_grad():
        far, near = (float((run(value + STEP * k * span * draw) - score).abs().max()) for k in (1.0, 0.1))
    floor = NOISE * max(float(score.abs().max()), 1e-6)
    return near > 10 * floor and 4 * near < far < 25 * near


def _differ(one: Tensor, other: Tensor) -> bool:
    """Test whether two scores differ by more than rounding."""
    return float((one - other).abs().max()) > NOISE * max(float(other.abs().max()), 1e-12)
