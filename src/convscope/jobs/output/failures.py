"""Explain what the operating system, torch and defects raise: expected, received, next step."""

import errno

from convscope.errors import ConvscopeError, DataError, MissingError

REPORT = "This is a fault of convscope, not yours. Please report it with the command and what --debug prints."


class Fault(ConvscopeError):
    """An exception that the program does not handle: a defect of convscope, to be reported."""

    @property
    def said(self) -> str:
        """The exception."""
        return self.received


def explained(error: BaseException) -> ConvscopeError:
    """Convert an exception that was not raised on purpose to an error of this package.

    Args:
        error: the exception; it becomes the cause of the result.

    Returns:
        The error with a hint for a known cause (operating system, torch), else a `Fault`.
    """
    received = f"{type(error).__name__}: {_first_line(error)}"
    surprise = Fault("an answer without a fault of the program", received=received, hint=REPORT)
    friendly = _from_system(error) or _from_torch(error) or surprise
    friendly.__cause__ = error
    return friendly


def _from_system(error: BaseException) -> ConvscopeError | None:
    """Convert an error of memory, files or a missing package; None for any other exception."""
    if isinstance(error, MemoryError):
        return _too_little_memory("the machine's memory", error)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("convscope"):
        return MissingError(
            "every package this verb needs",
            received=f"no module {error.name}",
            hint="Install again: make setup, or pip install convscope",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return ConvscopeError(
            "room on the disk", received=str(error), hint="Free some space, or choose another --out."
        )
    named = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
    if named or isinstance(
        error, PermissionError | IsADirectoryError | NotADirectoryError | FileNotFoundError
    ):
        return DataError(
            "a file or folder that can be used",
            received=_shortened(str(error)),
            hint="Check the path and its permissions.",
        )
    return None


def _from_torch(error: BaseException) -> ConvscopeError | None:
    """Convert torch's errors about memory and devices; None for others, which stay faults."""
    text = str(error)
    lower = text.lower()
    if (
        type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in lower
        or "can't allocate memory" in lower
    ):
        return _too_little_memory("the device's memory", error)
    if "not compiled with cuda" in lower or "no nvidia driver" in lower or "cuda error" in lower:
        return MissingError(
            "a working CUDA device",
            received=_first_line(error),
            hint="Use --device cpu, or see: convscope doctor",
        )
    if "mps" in lower and isinstance(error, RuntimeError | NotImplementedError):
        return MissingError(
            "an operation that Apple's MPS can do", received=_first_line(error), hint="Use --device cpu."
        )
    return None


def _too_little_memory(where: str, error: BaseException) -> ConvscopeError:
    """Return the error for a lack of memory.

    Args:
        where: the memory, as in `the device's memory`.
        error: the exception that reported it.

    Returns:
        The error.
    """
    return ConvscopeError(
        f"work that fits into {where}",
        received=_first_line(error) or "out of memory",
        hint="Make the input, the batch or the number of places smaller, or use --device cpu.",
    )


def _shortened(text: str, most: int = 300) -> str:
    """Cut a text after `most` characters."""
    return text if len(text) <= most else f"{text[:most]}..."


def _first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, at most 300 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else ""
