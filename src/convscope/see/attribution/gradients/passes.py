"""Contexts that make passes differentiable: no inference mode, no gradient checkpointing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain
from typing import Any, TypeVar

import torch
import torch.utils.checkpoint as checkpoint
from torch import Tensor
from torch.nn.parameter import is_lazy

from convscope.errors import UsageError
from convscope.nets import Net
from convscope.nets.network import is_out_of_memory

_GENERATORS = ("_checkpoint_without_reentrant_generator", "_checkpoint_without_reentrant_generator_impl")
_lock = threading.Lock()
_inside = threading.local()
_users = 0
_aside: dict[str, Any] = {}

Item = TypeVar("Item")


@contextmanager
def stored() -> Iterator[None]:
    """Disable `torch.utils.checkpoint` inside, so that every activation is stored by the one forward pass.

    The recomputation of gradient checkpointing misses function modes and hooks of the first pass, and its
    reentrant variant cannot be differentiated with `torch.autograd.grad`. Values and gradients are the same
    without it. Only the calling thread is affected: others go on checkpointing.
    """
    global _users
    with _lock:
        if _users == 0:
            _exchange()
        _users += 1
    _inside.depth = getattr(_inside, "depth", 0) + 1
    try:
        yield
    finally:
        _inside.depth -= 1
        with _lock:
            _users -= 1
            if _users == 0:
                for name, original in _aside.items():
                    setattr(checkpoint, name, original)
                _aside.clear()


def _exchange() -> None:
    """Replace checkpoint's entry points with wrappers that do nothing in threads inside `stored`."""
    for name in ("CheckpointFunction", *_GENERATORS):
        if hasattr(checkpoint, name):
            _aside[name] = getattr(checkpoint, name)
            stands = _reentrant if name == "CheckpointFunction" else _generator
            setattr(checkpoint, name, stands(_aside[name]))


def _reentrant(original: Any) -> Any:
    """Return a variant of `CheckpointFunction` that just calls the function, in threads inside `stored`."""

    class Plain(original):
        @staticmethod
        def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
            if getattr(_inside, "depth", 0):
                return function(*args)
            return original.apply(function, preserve, *args)

    return Plain


def _generator(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a variant of the non-reentrant generator that does nothing, in threads inside `stored`."""

    def run(*args: Any, **kwargs: Any) -> Iterator[None]:
        return _once() if getattr(_inside, "depth", 0) else original(*args, **kwargs)

    return run


def _once() -> Iterator[None]:
    """Yield once and do nothing: a checkpoint generator without recomputation."""
    yield


@contextmanager
def ordinary() -> Iterator[None]:
    """Leave `torch.inference_mode` inside, where autograd cannot record; gradients stay off."""
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.no_grad())
        yield


def stepped(steps: Iterator[Item], during: Callable[[], AbstractContextManager[object]]) -> Iterator[Item]:
    """Advance an iterator inside a context that is left before each item is yielded.

    So the caller never runs inside the context (frozen weights, function modes), and may stop at any item.

    Args:
        steps: the iterator.
        during: returns a new context for each step.

    Yields:
        The iterator's items.
    """
    while True:
        with during():
            try:
                item = next(steps)
            except StopIteration:
                return
        yield item


def check_differentiable(net: Net) -> None:
    """Refuse networks with inference tensors among their weights, which autograd cannot save.

    Args:
        net: the network.

    Raises:
        UsageError: a parameter or buffer was created inside `torch.inference_mode`.
    """
    kept = chain(net.module.named_parameters(), net.module.named_buffers())
    made = next((name for name, tensor in kept if not is_lazy(tensor) and tensor.is_inference()), None)
    if made is not None:
        raise UsageError(
            "weights that gradients can pass, created outside torch.inference_mode",
            received=f"{made}, created inside it",
            hint="Build or load the network outside of it.",
        )


APART = 1e-6
"""Largest relative change of a row's score by another row in its batch that still counts as rounding."""


def influenced(scores: Callable[[tuple[Tensor, ...]], Tensor], pair: tuple[Tensor, ...]) -> bool:
    """Test whether a row's score depends on the other row of its batch, or the network takes no second row.

    BatchNorm with the statistics of the batch makes it so. Networks that are random in every pass (dropout
    that is never off) are recognised by a repeated pass, and do not count.

    Args:
        scores: returns one score for each row of its inputs.
        pair: inputs with two rows each.

    Returns:
        True if rows have to be computed one at a time.
    """
    twice = tuple(torch.cat([x[:1], x[:1]]) for x in pair)
    try:
        same, other = scores(twice), scores(pair)
    except Exception as error:  # whatever a network throws at a second row
        if is_out_of_memory(error):
            raise
        return True
    least = APART * float(same.abs().max())
    if float((other[0] - same[0]).abs()) <= least:
        return False
    return float((scores(twice)[0] - same[0]).abs()) <= least
