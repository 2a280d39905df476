"""Download published weights: only when requested, and with errors that say what to do."""

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
    """Call a function that downloads weights, with its progress lines on stderr and its errors explained.

    Args:
        what: name of the network, for the message.
        url: address of the weights, for the message; may be empty.
        get: downloads, or reads the library's cache.

    Returns:
        What `get` returns.

    Raises:
        MissingError: `get` failed; the message says how to get the file by other means.
        ConvscopeError: raised by `get`, unchanged.
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
    """Seed torch's CPU generator and silence warnings inside `with`, for building modules with fresh weights.

    Args:
        seed: the seed; the generator's state is restored afterwards. None leaves the generator as it is,
            and draws advance it.

    Yields:
        None.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[], enabled=seed is not None):
        warnings.simplefilter("ignore")
        if seed is not None:
            torch.manual_seed(seed)
        yield


FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""Environment variable of torch: whatever calls `torch.load`, nothing but tensors is unpickled."""


@contextmanager
def weights_only() -> Iterator[None]:
    """Restrict `torch.load` to tensors inside `with`, whatever library calls it."""
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before
