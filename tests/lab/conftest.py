"""A server of the lab on loopback, as `convscope lab` starts it."""

import http.client
import json
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.lab.answers import checked

from convscope.lab.recipe import LabRecipe
from convscope.lab.web import server as server_module
from convscope.lab.web.server import Server


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """A client that sends what it is told, header by header: no library corrects it."""

    server: Server

    def __call__(
        self, method: str, path: str, body: Any = None, *, host: str | None = None, **headers: str
    ) -> Reply:
        """With the token, unless a header `authorization` is given; `sec_fetch_site` is `Sec-Fetch-Site`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("authorization", f"Bearer {self.server.session.token}")
        if isinstance(body, dict):
            body, given["content-type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host or f"127.0.0.1:{self.server.port}")
            for name, value in given.items():
                if value:
                    connection.putheader(name, value)
            if body is not None and "content-length" not in given:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            found = connection.getresponse()
            return Reply(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def enter(self) -> str:
        """Exchange the link for a cookie, as a browser does; return the header `Cookie`."""
        link = urllib.parse.urlsplit(self.server.link)
        found = self("GET", f"/?{link.query}", authorization="")
        assert (found.status, found.headers["location"]) == (303, "/")
        return found.headers["set-cookie"].partition(";")[0]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Client]]:
    """Start a server with some workers; it ends with the module's tests."""
    running: list[Server] = []

    def start(workers: dict[str, str] | None = None, folder: Path | None = None, **settings: Any) -> Client:
        folder = folder or tmp_path_factory.mktemp("lab")
        recipe = LabRecipe.parse({"folder": str(folder), "port": 0, "browser": False, **settings})
        running.append(Server(recipe, workers or {}).__enter__())
        return Client(running[-1])

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture(scope="session")
def answer_faults() -> Iterator[list[str]]:
    """What answers of servers in this process have and their types have not, or the other way round."""
    faults: list[str] = []
    create = server_module.create
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "create", lambda state: checked(create(state), faults))
        yield faults


@pytest.fixture(autouse=True, scope="module")
def answers_have_their_types(answer_faults: list[str]) -> Iterator[None]:
    """Every answer in JSON of every test is what its route says: see `tests.lab.answers`."""
    answer_faults.clear()
    yield
    assert not answer_faults
