"""The server: a socket, uvicorn in a thread with an event loop of its own."""

import logging
import socket
import threading
from collections.abc import Mapping

import uvicorn

from convscope.errors import ConvscopeError, UsageError
from convscope.lab.recipe import LabRecipe
from convscope.lab.web.access.security import protect
from convscope.lab.web.access.session import Session
from convscope.lab.web.app import create
from convscope.lab.web.state import LabState
from convscope.lab.workers import WORKERS
from convscope.lab.workers.supervisor import Worker

LARGEST_MESSAGE = 2**20
"""Bytes of a WebSocket message."""
WILDCARD_HOSTS = ("0.0.0.0", "::")
"""Addresses that stand for all of this machine's."""


class Server:
    """The lab's server, in a thread; used in `with`, which ends it and its workers.

    Args:
        recipe: where it listens, and where its folder is.
        workers: names and modules of the workers; without the live one, there are no answers about networks.

    Attributes:
        port: the port.
        session: authentication of browsers and programs.

    Raises:
        UsageError: the address cannot be listened at.
        ConvscopeError: the server did not start; raised by `with`.
    """

    def __init__(self, recipe: LabRecipe, workers: Mapping[str, str] = WORKERS) -> None:
        self._socket = _listen(recipe.host, recipe.port)
        self.port: int = self._socket.getsockname()[1]
        settings = {"folder": recipe.folder, "data": recipe.data, "device": recipe.device}
        made = {name: Worker(name, module, settings) for name, module in workers.items()}
        self.state = LabState(recipe, self.port, made)
        logging.getLogger("uvicorn.error").addFilter(_is_relevant)
        self.session = Session(self.state.folder.internal, self.port)
        names = () if recipe.host in WILDCARD_HOSTS else (host_name(recipe.host),)
        config = uvicorn.Config(
            protect(create(self.state), self.session, (*names, *recipe.name)),
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=LARGEST_MESSAGE,
            ws_max_queue=2,
            ws_per_message_deflate=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    @property
    def url(self) -> str:
        """URL of the first page."""
        host = self.state.recipe.host
        return f"http://{'127.0.0.1' if host in WILDCARD_HOSTS else host_name(host)}:{self.port}/"

    @property
    def link(self) -> str:
        """URL that lets one browser in; it works once."""
        return f"{self.url}?token={self.session.code}"

    def __enter__(self) -> "Server":
        self._thread.start()
        while self.wait(0.01) and not self._server.started:
            pass
        if not self._server.started:
            self._socket.close()
            hint = "See what is said above, and run convscope doctor."
            raise ConvscopeError("a server that starts", received="it has ended", hint=hint)
        return self

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the server.

        Args:
            seconds: how long at most.

        Returns:
            Whether it still runs.
        """
        return not self._ended.wait(seconds)  # a join that Ctrl-C interrupts takes the thread for ended

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._ended.wait()
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._ended.set()


def host_name(host: str) -> str:
    """Return an address or name as it stands in a URL.

    Args:
        host: the address.

    Returns:
        The address; in brackets if it is one of IPv6.
    """
    return f"[{host}]" if ":" in host else host


def _is_relevant(record: logging.LogRecord) -> bool:
    """Leave out that connections of open pages are closed when the server ends."""
    return not record.getMessage().startswith("Cancel ")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"a free port at {host}",
            received=f"{port}: {error.strerror or error}",
            hint="If the lab runs already, use its address; else take another port: convscope lab --port 0",
        ) from None
