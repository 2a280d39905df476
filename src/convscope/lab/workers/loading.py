"""Load networks in a thread of the live worker, while it answers questions about those that it has."""

import queue
import sys
import threading
from collections.abc import Callable, Iterator

from convscope.errors import ConvscopeError
from convscope.lab.live.networks import Networks, watchable
from convscope.lab.workers.channel import Request

SWITCH_INTERVAL = 0.0005
"""Seconds after which threads take turns while a network is loaded: a forward pass needs many turns."""


class Loader:
    """Put questions off until their networks are loaded.

    Only what takes seconds is done in the thread: opening the files, building the modules, following one
    forward pass. Everything else stays in the thread that answers.

    Args:
        networks: those that are loaded; belongs to the thread that answers.
        repeat: called in the loader's thread with each question whose network has come, or could not be
            loaded: it is asked once more.
    """

    def __init__(self, networks: Networks, repeat: Callable[[Request], None]) -> None:
        self._networks, self._repeat = networks, repeat
        self._waiting: dict[str, list[Request]] = {}
        self._failed: set[int] = set()
        self._wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._interval = sys.getswitchinterval()
        threading.Thread(target=self._work, name="loader", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a network is being loaded, which draws fresh weights from torch's global generator."""
        return bool(self._waiting)

    def defer(self, request: Request) -> bool:
        """Put a question off if one of its networks has to be loaded first.

        Args:
            request: the question.

        Returns:
            Whether it was; it is asked once more when the network is there.
        """
        if request.number in self._failed:  # the operation says what is wrong
            self._failed.discard(request.number)
            return False
        for name in _named(request):
            if not self._networks.is_loaded(name):
                with self._lock:
                    if name not in self._waiting:
                        self._waiting[name] = []
                        self._wanted.put(name)
                    self._waiting[name].append(request)
                return True
        return False

    def _work(self) -> None:
        while True:
            name = self._wanted.get()
            sys.setswitchinterval(SWITCH_INTERVAL)
            try:
                opened = self._networks.open(name)
                watchable(opened.net)
            except Exception as error:
                opened = None
                if not isinstance(error, ConvscopeError):
                    sys.excepthook(type(error), error, error.__traceback__)
            finally:
                sys.setswitchinterval(self._interval)
            with self._lock:
                waiting = self._waiting.pop(name)
            if opened is not None:
                self._networks.keep(name, opened)
            else:
                self._failed.update(request.number for request in waiting)
            for request in waiting:
                self._repeat(request)


def _named(request: Request) -> Iterator[str]:
    """Iterate over the networks that a question names."""
    for name in (request.args.get("net"), *(request.args.get("nets") or ())):
        if isinstance(name, str):
            yield name
