"""Compare every answer in JSON that a server of the tests gives with the type that its route names."""

import json
import re
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convscope.lab.web.routes.answers.common import Refused
from convscope.lab.web.routes.answers.documents import DOCUMENTS
from convscope.lab.web.routes.answers.jobs import JobEvent
from convscope.lab.web.routes.answers.live import FrameHeader, LiveAnswer
from convscope.lab.web.routes.answers.training import Training

TRAINING = TypeAdapter(Training)
"""The field `training` of documents."""


class AnswerChecks:
    """Stand before an application, and note what its answers and their types do not agree in.

    Args:
        app: the application.
        typed: types of the answers, by path and method.
        faults: what was found, so far.
    """

    def __init__(self, app: ASGIApp, typed: dict[tuple[str, str], Any], faults: list[str]) -> None:
        self.app, self.faults = app, faults
        self.routes = [(method, _pattern(path), TypeAdapter(kind)) for (path, method), kind in typed.items()]
        self.messages = TypeAdapter(JobEvent | LiveAnswer)
        self.header, self.refused = TypeAdapter(FrameHeader), TypeAdapter(Refused)
        self.documents = {verb: TypeAdapter(kind) for verb, kind in DOCUMENTS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        watch = self._http(scope) if scope["type"] == "http" else self._websocket

        async def watched(message: Message) -> None:
            watch(message)
            await send(message)

        await self.app(scope, receive, watched)

    def _http(self, scope: Scope) -> Callable[[Message], None]:
        status, body = 0, bytearray()

        def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._check(scope["method"].lower(), scope["path"], status, bytes(body))

        return watch

    def _check(self, method: str, path: str, status: int, body: bytes) -> None:
        found = next((route for route in self.routes if route[0] == method and route[1].match(path)), None)
        if status >= 400 and body and path.startswith("/api/"):
            self._compare(self.refused, f"{method} {path}", json.loads(body))
        elif found is not None and status < 300:
            answer = json.loads(body)
            self._compare(found[2], f"{method} {path}", answer)
            document = answer.get("document") if isinstance(answer, dict) else None
            if document and "training" in document:
                self._compare(TRAINING, f"{method} {path}, training", document["training"])
            if document and answer.get("verb") in self.documents:
                self._compare(self.documents[answer["verb"]], f"{method} {path}, document", document)

    def _websocket(self, message: Message) -> None:
        if message["type"] != "websocket.send":
            return
        if message.get("text") is not None:
            self._compare(self.messages, "websocket", json.loads(message["text"]))
        else:
            frame = message["bytes"]
            size = int.from_bytes(frame[:4], "little")
            self._compare(self.header, "frame", json.loads(frame[4 : 4 + size]))

    def _compare(self, adapter: "TypeAdapter[Any]", where: str, value: Any) -> None:
        try:
            adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            first = "; ".join(f"{one['loc']}: {one['msg']}" for one in error.errors(include_url=False)[:4])
            self.faults.append(f"{where}: {first}")


def _pattern(path: str) -> "re.Pattern[str]":
    """Return what matches the addresses of a route."""
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$")


def checked(app: FastAPI, faults: list[str]) -> FastAPI:
    """Return an application whose answers are checked.

    Args:
        app: the application, as `create` returns it.
        faults: gets what is found.

    Returns:
        The same application.
    """
    app.add_middleware(AnswerChecks, typed=app.state.answers, faults=faults)
    return app
