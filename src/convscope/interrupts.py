"""Steps that Ctrl-C cannot cut in two, and stretches that it ends early."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Ctrl-C inside waits until the block has ended. Outside the main thread, where none arrives, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda number, frame: received.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if received and callable(before):
            before(*received[0])


class InterruptRequest:
    """Whether Ctrl-C has asked to go on to what comes next."""

    asked = False
    heard = True
    """Whether the next Ctrl-C only asks; the one after it is raised as ever."""


@contextmanager
def soft_interrupt() -> Iterator[InterruptRequest]:
    """The first Ctrl-C inside is noted and not raised, as long as the request is `heard`.

    Outside the main thread, where none arrives, nothing.
    """
    request = InterruptRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        if request.heard and not request.asked:
            request.asked = True
        elif callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)
