"""Contexts in which passes can be differentiated: no inference mode, no gradient checkpointing."""

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

_GENERATORS = ("_checkpoint_without_reentrant_generator", "_checkpoint_without_reentrant_generator_impl")
_lock = threading.Lock()
_inside = threading.local()
_users = 0
_aside: dict[str, Any] = {}

Item = TypeVar("Item")


@contextmanager
def stored() -> Iterator[None]:
    """Keep every activation inside, also where `torch.utils.checkpoint` would compute it again.

    The second computation of gradient checkpointing does not see function modes and hooks of the first, and
    its reentrant kind cannot be differentiated with `torch.autograd.grad`. Values and gradients are the same
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
    for name in ("CheckpointFunction", *_GENERATORS):
        if hasattr(checkpoint, name):
            _aside[name] = getattr(checkpoint, name)
            stands = _reentrant if name == "CheckpointFunction" else _generator
            setattr(checkpoint, name, stands(_aside[name]))


def _reentrant(original: Any) -> Any:
    class Plain(original):
        @staticmethod
        def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
            if getattr(_inside, "depth", 0):
                return function(*args)
            return original.apply(function, preserve, *args)

    return Plain


def _generator(original: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Iterator[None]:
        return _once() if getattr(_inside, "depth", 0) else original(*args, **kwargs)

    return run


def _once() -> Iterator[None]:
    yield


@contextmanager
def ordinary() -> Iterator[None]:
    """Leave `torch.inference_mode` inside, in which nothing can be differentiated; gradients stay off."""
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.no_grad())
        yield


def stepped(steps: Iterator[Item], during: Callable[[], AbstractContextManager[object]]) -> Iterator[Item]:
    """Take each step of an iterator inside a context that is left before the step is handed on."""
    while True:
        with during():
            try:
                item = next(steps)
            except StopIteration:
                return
        yield item


def check_differentiable(net: Net) -> None:
    """Refuse weights that autograd cannot save, nor torch freeze and unfreeze.

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


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, which another way of computing does not mend."""
    said = str(error)
    known = isinstance(error, torch.OutOfMemoryError)
    return known or "out of memory" in said or "can't allocate memory" in said


APART = 1e-6
"""How far a score may move, as a share, when another row stands beside it; the same code runs for both."""


def influenced(scores: Callable[[tuple[Tensor, ...]], Tensor], pair: tuple[Tensor, ...]) -> bool:
    """Whether a row's score depends on which other row stands beside it, or no row may stand there.

    Networks that answer differently each time (dropout that never ends) are not meant.

    Args:
        scores: one for each row.
        pair: inputs of two rows.
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
