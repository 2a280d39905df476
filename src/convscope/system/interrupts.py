"""Context managers that defer Ctrl-C, or turn the first one into a request to stop early."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Defer Ctrl-C inside the block until the block has ended.

    Outside the main thread, which alone receives signals, it has no effect.
    """
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
    """Whether Ctrl-C has requested that the block end early.

    Attributes:
        asked: whether a Ctrl-C was recorded as a request.
        heard: whether the next Ctrl-C is recorded instead of raised; the caller may set it. Any after the
            first is raised.
    """

    asked = False
    heard = True

    def ask(self) -> bool:
        """Record a request to stop, if one is heard; return whether it was recorded."""
        if not self.heard or self.asked:
            return False
        self.asked = True
        return True


@contextmanager
def soft_interrupt() -> Iterator[InterruptRequest]:
    """Record the first Ctrl-C inside the block as a request, instead of raising KeyboardInterrupt.

    Outside the main thread, which alone receives signals, it has no effect.

    Yields:
        The request; the block looks at `asked`, and may set `heard` to False to have Ctrl-C raised.
    """
    request = InterruptRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        if not request.ask() and callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)
