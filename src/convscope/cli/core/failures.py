"""Convert any exception to a message with a next step, on a terminal or as JSON."""

import os
import traceback
from collections.abc import Sequence

from typer import Abort

from convscope.cli.core import terminal
from convscope.cli.core.words import verb_of, wants_json, wants_traceback
from convscope.errors import ConvscopeError, Interrupted, UsageError, nearest
from convscope.jobs.output.failures import Fault, explained
from convscope.jobs.output.results import as_json
from convscope.system import signals
from convscope.system.printable import printable


def debugging(words: Sequence[str]) -> bool:
    """Return whether tracebacks are to be printed.

    Args:
        words: arguments of the command line.

    Returns:
        True with `--debug`, or if the environment variable CONVSCOPE_DEBUG is neither empty nor 0.
    """
    return wants_traceback(words) or os.environ.get("CONVSCOPE_DEBUG", "0") not in ("", "0")


def show(error: ConvscopeError, words: Sequence[str] = ()) -> int:
    """Print an error: two lines on stderr, or with `--json` one document on stdout.

    If `debugging` is true, the traceback is printed on stderr first.

    Args:
        error: the error.
        words: arguments of the command line; they decide the form and the default hint.

    Returns:
        The exit code of the error.

    Raises:
        OSError: stdout cannot be written.
    """
    hint = error.hint or f"See: {_command(words)} --help"
    if debugging(words):
        terminal.tell("".join(traceback.format_exception(error)).rstrip("\n"))
    if wants_json(words):
        fields = {"said": error.said, **error.to_json(), "hint": hint, "exit_code": error.exit_code}
        terminal.answer(as_json({"error": fields}))
        return error.exit_code
    word = "stopped" if isinstance(error, Interrupted) else "fault" if isinstance(error, Fault) else "error"
    terminal.tell(f"{word}: {printable(error.said)}\n  next: {printable(hint)}")
    return error.exit_code


def explain(error: BaseException, words: Sequence[str] = ()) -> ConvscopeError:
    """Convert an exception that was not raised on purpose to an error of this package.

    Args:
        error: the exception; it becomes the cause of the result.
        words: arguments of the command line that raised it.

    Returns:
        The error with a hint for a known cause (parser, operating system, torch), else a `Fault`.
    """
    friendly = _from_terminal(error, words) or explained(error)
    friendly.__cause__ = error
    return friendly


def _command(words: Sequence[str]) -> str:
    """Return the command without its options and arguments."""
    return f"convscope {verb_of(words)}".strip()


def _from_terminal(error: BaseException, words: Sequence[str]) -> ConvscopeError | None:
    """Convert an error of the command line's parser; None for any other exception."""
    if isinstance(error, KeyboardInterrupt | Abort):  # the parser makes the one of the other
        return Interrupted(signals.EXPECTED, hint=signals.HINT)
    message = getattr(error, "format_message", None)
    if message is None:
        return None
    context = getattr(error, "ctx", None)
    path = _command(words)
    option = getattr(error, "option_name", None)
    if option is not None and context is not None and "No such option" in error.message:  # pyright: ignore[reportAttributeAccessIssue]
        flags = [flag for parameter in context.command.get_params(context) for flag in parameter.opts]
        close = nearest(option, [flag for flag in flags if flag.startswith("--")], most=1)
        close = close if close.startswith("Did") else ""
        return UsageError(f"an option of {path}", received=option, hint=f"{close} See: {path} --help".strip())
    if option is not None and "requires an argument" in error.message:  # pyright: ignore[reportAttributeAccessIssue]
        return UsageError(f"a value after {option}", received="none", hint=f"See: {path} --help")
    received = str(message()).rstrip(".")
    return UsageError(f"arguments that {path} can read", received=received, hint=f"See: {path} --help")
