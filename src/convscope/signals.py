"""Ctrl-C and SIGTERM from the first moment: exit code 130 and one message, whatever is being imported.

While modules are imported a KeyboardInterrupt can be swallowed or turned into another error by the code that
runs for the first time, and can leave it half made. So there a stop ends the process at once as long as no
work has begun, and waits for the end of the import afterwards. Everywhere else it is a KeyboardInterrupt.

This file imports next to nothing: until it is there, Python itself answers a stop, with a traceback.
"""

import os
import signal
import sys
from types import FrameType

CODE = 130
NUMBERS = (signal.SIGINT, signal.SIGTERM)
AGAIN = 0.05
"""Seconds after which a stop that came while something was imported is tried again."""
EXPECTED, HINT = "stopped before a result was saved", "Run the same command again."
DOCUMENT = f"""{{
  "error": {{
    "expected": "{EXPECTED}",
    "received": "",
    "hint": "{HINT}",
    "exit_code": {CODE}
  }}
}}
"""
"""What `leave` answers with `--json`."""


class _State:
    """What the handler goes by; one for each process."""

    words: list[str] = []  # noqa: RUF012
    installed = False
    started = False
    """Whether a KeyboardInterrupt would be caught and told."""
    working = False
    """Whether something could be lost: a result is being made."""
    heard = False
    """Whether a stop has come while the answer was being printed."""


def is_program() -> bool:
    """Whether this process is the command line: the installed script, or `python -m convscope`."""
    name = sys.argv[0].replace("\\", "/").rpartition("/")[2] if sys.argv else ""
    if name != "-m":  # what it is until the module has been found
        return name in ("convscope", "convscope.exe")
    given = sys.orig_argv
    return "-m" in given and given[given.index("-m") + 1 :][:1] == ["convscope"]


def install(words: list[str]) -> None:
    """Handle Ctrl-C and SIGTERM from now on, unless whoever started this process has them ignored.

    Args:
        words: the command line, which says how to answer.
    """
    _State.words, _State.installed = words, True
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def starting() -> None:
    """Say that a KeyboardInterrupt is caught and told from now on."""
    _State.started = True


def working() -> None:
    """Say that something could be lost from now on."""
    _State.started = _State.working = True


def answering() -> None:
    """Let the answer be printed whole: the first stop from now on is ignored, the second ends the process."""
    if _State.installed:
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _stop_answering)


def done() -> None:
    """Ignore further stops: all is said, and Python, as it ends, would restore the handlers that kill it."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def leave() -> None:
    """End the process at once with the exit code and the message of a stop."""
    descriptor, text = 2, f"stopped: {EXPECTED}\n  next: {HINT}\n"
    if "--json" in _State.words:
        descriptor, text = 1, DOCUMENT
    try:
        os.write(descriptor, text.encode())
    finally:  # also where nobody reads it
        os._exit(CODE)


def _stop(number: int, frame: FrameType | None) -> None:
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
    if _State.heard:
        os._exit(CODE)
    _State.heard = True


def _is_importing(frame: FrameType | None) -> bool:
    """Whether some module is being imported in the main thread."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
