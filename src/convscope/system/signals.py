"""Handlers of Ctrl-C and SIGTERM for the command line: exit code 130 and one message, also during imports.

While modules are imported a KeyboardInterrupt can be swallowed or turned into another error by the code that
runs for the first time, and can leave it half initialised. So during an import a signal ends the process at
once as long as no work has begun; afterwards it is sent again until the import has ended. Everywhere else it
raises KeyboardInterrupt, or ends the process at once if nothing catches that yet.

This file imports next to nothing: until it is loaded, Python itself handles signals, with a traceback.
"""

import os
import signal
import sys
from types import FrameType

CODE = 130
NUMBERS = (signal.SIGINT, signal.SIGTERM)
AGAIN = 0.05
"""Seconds after which a signal that came during an import is sent again."""
EXPECTED, HINT = "stopped before a result was saved", "Run the same command again."
DOCUMENT = f"""{{
  "error": {{
    "said": "{EXPECTED}",
    "expected": "{EXPECTED}",
    "received": "",
    "hint": "{HINT}",
    "exit_code": {CODE}
  }}
}}
"""
"""The message of `leave` with `--json`."""


class _State:
    """The state that the handlers depend on, one for each process."""

    words: list[str] = []  # noqa: RUF012
    installed = False
    started = False
    """Whether a KeyboardInterrupt would be caught and reported."""
    working = False
    """Whether a result is being made, which could be lost."""
    signalled = False
    """Whether a signal has come while the result was being printed."""


def is_program() -> bool:
    """Return whether this process is the command line: the installed script, or `python -m convscope`."""
    name = sys.argv[0].replace("\\", "/").rpartition("/")[2] if sys.argv else ""
    if name != "-m":  # what it is until the module has been found
        return name in ("convscope", "convscope.exe")
    given = sys.orig_argv
    return "-m" in given and given[given.index("-m") + 1 :][:1] == ["convscope"]


def install(words: list[str]) -> None:
    """Install the handlers of Ctrl-C and SIGTERM, unless the parent process has them ignored.

    Args:
        words: arguments of the command line; `--json` among them decides the form of the message.
    """
    _State.words, _State.installed = words, True
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def starting() -> None:
    """Mark the point from which a KeyboardInterrupt is caught and reported by the command line."""
    _State.started = True


def working() -> None:
    """Mark the point from which a result is being made, so that the process must not end at once."""
    _State.started = _State.working = True


def answering() -> None:
    """Install handlers for printing the result: the first signal is ignored, the second ends the process."""
    if _State.installed:
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _stop_answering)


def done() -> None:
    """Ignore further signals, for which Python, as it ends, would restore the default handlers."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def leave() -> None:
    """End the process at once, with exit code 130 and the message of an interrupted command."""
    descriptor, text = 2, f"stopped: {EXPECTED}\n  next: {HINT}\n"
    if "--json" in _State.words:
        descriptor, text = 1, DOCUMENT
    try:
        os.write(descriptor, text.encode())
    finally:  # also where nobody reads it
        os._exit(CODE)


def _stop(number: int, frame: FrameType | None) -> None:
    """Handle a signal before the result is printed."""
    importing = _is_importing(frame)
    if not _State.started or (importing and not _State.working):
        leave()
    if not importing:
        raise KeyboardInterrupt
    import threading

    timer = threading.Timer(AGAIN, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()


def _stop_answering(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal while the result is printed."""
    if _State.signalled:
        os._exit(CODE)
    _State.signalled = True


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a module is being imported in the main thread."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
