"""The WebSocket of a tab: inputs go in, maps come back; of inputs that come meanwhile the newest counts.

Each tab has one question to the live worker at a time, and the worker answers in order: with many tabs each
gets its turn.
"""

import asyncio
import base64
import binascii
import struct
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.lab.web.routes.messages import MESSAGES, AnyMessage, Input, Inspect, Steer, Watch
from convscope.lab.web.state import Lab
from convscope.lab.workers.supervisor import Worker

router = APIRouter()
NUMBER = struct.Struct("<I")


@router.websocket("/socket")
async def socket(websocket: WebSocket, lab: Lab) -> None:
    """Carry the live view of one tab."""
    await websocket.accept()
    tab = Tab(websocket, lab.workers["live"])
    answering = asyncio.create_task(tab.answer())
    receiving = asyncio.create_task(tab.receive())
    try:
        await asyncio.wait({answering, receiving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (answering, receiving):
            task.cancel()
        await asyncio.gather(answering, receiving, return_exceptions=True)


class Tab:
    """What one tab watches, and what it has asked for and not got.

    Args:
        websocket: its connection, accepted.
        live: the live worker.
    """

    def __init__(self, websocket: WebSocket, live: Worker) -> None:
        self.websocket, self.live = websocket, live
        self.net = "digits"
        self.layers: list[str] | None = None
        self.scales: dict[str, float] = {}
        self.input: tuple[int, dict[str, Any], bytes] | None = None
        self._wanted: dict[str, str] = {}
        self._awake = asyncio.Event()
        self._send = {"watch": self._send_watch, "maps": self._send_maps}

    async def receive(self) -> None:
        """Take messages until the tab goes."""
        while True:
            message = await self.websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                if message.get("bytes") is not None:
                    self._take_bytes(message["bytes"])
                else:
                    self._take(_read(message["text"]))
            except ConvscopeError as error:
                await self._refuse(error)

    def _take_bytes(self, data: bytes) -> None:
        if len(data) < NUMBER.size:
            raise DataError("a number of 4 bytes, then the input", received=f"{len(data)} bytes")
        self.input = (NUMBER.unpack_from(data)[0], {}, data[NUMBER.size :])
        self._ask("maps")

    def _take(self, message: AnyMessage) -> None:
        if isinstance(message, Watch):
            self.net, self.layers, self.scales = message.net, message.layers, {}
            self.input = None
            self._wanted.clear()
            self._ask("watch")
        elif isinstance(message, Input):
            self.input = _given(message)
            self._ask("maps")
        elif isinstance(message, Steer):
            self.scales = {unit.address: unit.scale for unit in message.units}
            self._ask("maps")
        elif isinstance(message, Inspect):
            self._ask("inspect", message.address)

    def _ask(self, what: str, detail: str = "") -> None:
        self._wanted[what] = detail
        self._awake.set()

    async def answer(self) -> None:
        """Answer what is wanted, the oldest first, until the tab goes."""
        while True:
            await self._awake.wait()
            while self._wanted:
                what = next(iter(self._wanted))
                detail = self._wanted.pop(what)
                try:
                    await self._send[what](detail)
                except ConvscopeError as error:
                    await self._refuse(error)
                except (WebSocketDisconnect, RuntimeError):  # it has gone meanwhile
                    return
            self._awake.clear()

    async def _send_watch(self, _detail: str) -> None:
        net = self.net
        found = (await self.live.ask("network", net=net)).result
        await self.websocket.send_json({"type": "watching", "net": net, "layers": found["layers"]})

    async def _send_maps(self, _detail: str) -> None:
        if self.input is None:
            return
        seq, given, data = self.input
        answer = await self.live.ask(
            "forward", data, net=self.net, seq=seq, layers=self.layers, given=given, scales=self.scales
        )
        await self.websocket.send_bytes(answer.data)

    async def _refuse(self, error: ConvscopeError) -> None:
        fields = {name: getattr(error, name) for name in ("expected", "received", "hint")}
        await self.websocket.send_json({"type": "error", **fields})


def _read(text: str) -> AnyMessage:
    try:
        return MESSAGES.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            "a message that the lab knows: watch, input, steer, inspect or jobs",
            received=f"{where}: {first['msg']}"[:200],
        ) from None


def _given(message: Input) -> tuple[int, dict[str, Any], bytes]:
    """Return number, description and bytes of an input."""
    given = message.model_dump(exclude_none=True, include={"upload", "text", "sample"})
    if len(given) + (message.data is not None) != 1:
        raise UsageError("one of data, upload, text and sample", received=f"{len(given)} of them")
    if message.data is None:
        return message.seq, given, b""
    try:
        return message.seq, {}, base64.b64decode(message.data, validate=True)
    except binascii.Error:
        raise DataError("data in base64", received=message.data[:40]) from None
