"""The worker's side of the channel to the web process: frames on stdin and stdout.

A frame is two little-endian 32-bit lengths, a JSON header and bytes. Nothing is pickled. What a worker prints
goes to stderr, because stdout is the channel. The process ends when stdin does, so that none outlives a
server that was killed.

    python -m convscope.lab.workers.channel MODULE SETTINGS

runs `MODULE.run(channel, settings)`.
"""

import importlib
import json
import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from convscope.errors import ConvscopeError

LENGTHS = struct.Struct("<II")
MAX_BYTES = 2**28
"""Most bytes of a header or of the bytes behind it."""
CLOSE_TIMEOUT = 15.0
"""Seconds that a worker has to save what it is about, after the channel was closed."""


@dataclass(frozen=True)
class Request:
    """A question of the web process.

    Attributes:
        number: identifies the question; its answer has the same.
        op: what is asked for.
        args: JSON values by name.
        data: bytes that belong to it.
    """

    number: int
    op: str
    args: dict[str, Any]
    data: bytes


Operation = Callable[..., "dict[str, Any] | tuple[dict[str, Any], bytes]"]
"""Answers a request: called with its `args` as keywords, and `data` if there is any."""


def pack(header: Mapping[str, Any], data: bytes = b"") -> bytes:
    """Return a frame.

    Args:
        header: JSON values.
        data: bytes behind it.

    Returns:
        Lengths, header and bytes.
    """
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return LENGTHS.pack(len(text), len(data)) + text + data


class Channel:
    """What a worker reads requests from and answers on.

    Attributes:
        closed: set when the server has gone or asks the worker to end; long work looks at it between steps.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self.closed = threading.Event()
        self._source, self._sink, self._lock = source, sink, threading.Lock()
        self._requests: queue.Queue[Request | None] = queue.Queue()
        threading.Thread(target=self._read, name="channel", daemon=True).start()

    def ready(self, **facts: Any) -> None:
        """Tell that requests can be answered.

        Args:
            **facts: JSON values that the web process keeps, such as the device.
        """
        self._send({"ready": facts})

    def requests(self) -> Iterator[Request]:
        """Yield requests in order, until the channel is closed."""
        while (request := self._requests.get()) is not None:
            yield request

    def repeat(self, request: Request) -> None:
        """Let a request come once more, after those that have arrived; may be called in any thread.

        Args:
            request: one that was not answered.
        """
        self._requests.put(request)

    def waiting(self) -> bool:
        """Return whether another request has arrived."""
        return not self._requests.empty()

    def answer(self, request: Request, operations: Mapping[str, Operation]) -> None:
        """Answer a request by an operation of its name; what that raises is the answer, too.

        Args:
            request: the request.
            operations: operations by name.
        """
        try:
            operation = operations[request.op]
            given = {"data": request.data} if request.data else {}
            found = operation(**request.args, **given)
        except ConvscopeError as error:
            self.refuse(request, error)
        except Exception as error:  # the worker must answer whatever happens
            sys.excepthook(type(error), error, error.__traceback__)
            hint = "This is a fault of convscope; the terminal shows where."
            self.refuse(request, ConvscopeError("an answer", received=repr(error)[:300], hint=hint))
        else:
            result, data = found if isinstance(found, tuple) else (found, b"")
            self._send({"number": request.number, "result": result}, data)

    def refuse(self, request: Request, error: ConvscopeError) -> None:
        """Answer a request with an error.

        Args:
            request: the request.
            error: what is wrong.
        """
        fields = {**error.to_json(), "exit_code": error.exit_code, "kind": type(error).__name__}
        self._send({"number": request.number, "error": fields})

    def _send(self, header: Mapping[str, Any], data: bytes = b"") -> None:
        with self._lock:
            try:
                self._sink.write(pack(header, data))
                self._sink.flush()
            except OSError:  # the server has gone; `_read` notices, too
                self.closed.set()

    def _read(self) -> None:
        while (frame := read_frame(self._source)) is not None:
            header, data = frame
            self._requests.put(Request(header["number"], header["op"], header["args"], data))
        self.close()

    def close(self) -> None:
        """End: no more requests come; after `CLOSE_TIMEOUT` seconds the process ends whatever it does."""
        if not self.closed.is_set():
            self.closed.set()
            self._requests.put(None)
            timer = threading.Timer(CLOSE_TIMEOUT, os._exit, (1,))
            timer.daemon = True
            timer.start()


def read_frame(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read one frame.

    Args:
        source: a blocking stream.

    Returns:
        Header and bytes; None at its end.
    """
    head = source.read(LENGTHS.size)
    if len(head) < LENGTHS.size:
        return None
    text, data = LENGTHS.unpack(head)
    if max(text, data) > MAX_BYTES:
        return None
    body = source.read(text + data)
    return (json.loads(body[:text]), body[text:]) if len(body) == text + data else None


def main(module: str, settings: str) -> None:
    """Run a worker in this process.

    Args:
        module: name of the module whose `run(channel, settings)` does the work.
        settings: its settings, as JSON.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C of the terminal is the server's
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    channel = Channel(sys.stdin.buffer, sink)
    signal.signal(signal.SIGTERM, lambda _number, _frame: channel.close())
    importlib.import_module(module).run(channel, json.loads(settings))


if __name__ == "__main__":
    main(*sys.argv[1:])
