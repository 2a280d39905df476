"""Compile functions with numba, which is an extra: what to install where it is missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from convscope.errors import MissingError

try:
    import numba
except ImportError as error:
    raise MissingError(
        "the package numba, which compiles the rules of Go",
        received=str(error),
        hint="Install them: pip install numba sgfmill",
    ) from None


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function in numba's nopython mode when it is first called, and cache the machine code.

    Where numba finds no folder that it can write to, neither beside the source nor in the user's cache, the
    function is compiled anew in each process.

    Args:
        function: a function of numbers and NumPy arrays.

    Returns:
        The compiled function.
    """
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        return numba.njit(function)


def is_cached() -> bool:
    """Return whether machine code of the rules is kept from an earlier process.

    Returns:
        Whether it is; False where numba finds no folder that it can write to.
    """
    from convscope.worlds.go.rules import engine

    folder = engine.place.stats.cache_path
    return bool(folder) and any(Path(folder).glob("engine.place-*.nbi"))
