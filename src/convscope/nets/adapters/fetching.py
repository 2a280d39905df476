"""Downloads of published weights: only when asked for, and never with a traceback."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TypeVar

import torch

from convscope.errors import ConvscopeError, MissingError

Result = TypeVar("Result")


def fetch(what: str, url: str, get: Callable[[], Result]) -> Result:
    """What `get` returns; its progress lines go to stderr.

    Args:
        what: the network, for the message.
        url: where the weights lie; may be empty.
        get: downloads, or reads the library's cache.

    Raises:
        MissingError: nothing came; the message says how to get the file by other means.
    """
    try:
        with redirect_stdout(sys.stderr):
            return get()
    except ConvscopeError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise MissingError(
            f"the published weights of {what}{f' from {url}' if url else ''}",
            received=f"{type(error).__name__}: {first}",
            hint="Connect and try again, or pass weights='path.safetensors', or weights=None for fresh ones.",
        ) from error


@contextmanager
def repeatable(seed: int | None) -> Iterator[None]:
    """Inside `with`, initial weights follow from `seed` and other libraries' warnings are silent.

    With a seed the global generator is afterwards as it was; without one it is drawn from.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[], enabled=seed is not None):
        warnings.simplefilter("ignore")
        if seed is not None:
            torch.manual_seed(seed)
        yield


FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""torch's own switch: whatever calls `torch.load`, nothing but tensors is unpickled."""


@contextmanager
def weights_only() -> Iterator[None]:
    """Inside `with`, no library can unpickle anything but tensors."""
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before
