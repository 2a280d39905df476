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
from convscope.lab.queue.table import Queue
from convscope.lab.web.state import Lab
from convscope.lab.web.websocket.frame_budget import FrameBudget
from convscope.lab.web.websocket.job_streams import JobStreams
from convscope.lab.web.websocket.messages import (
    MESSAGES,
    AnyMessage,
    Compared,
    Follow,
    Input,
    Inspect,
    Steer,
    Unfollow,
    Watch,
    WordAttributions,
)
from convscope.lab.workers.supervisor import Worker

router = APIRouter()
NUMBER = struct.Struct("<I")


@router.websocket("/socket")
async def socket(websocket: WebSocket, lab: Lab) -> None:
    """Carry the live view of one tab, and the events of jobs.

    Args:
        websocket: the connection.
        lab: the server's state.
    """
    await websocket.accept()
    tab = Tab(websocket, lab.workers["live"], lab.queue, lab.frame_budget)
    tasks = {asyncio.create_task(part()) for part in (tab.answer, tab.receive, tab.jobs.run)}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Tab:
    """What one tab watches, and what it has asked for and not got.

    Args:
        websocket: its connection, accepted.
        live: the live worker.
        queue: the jobs, whose events are followed as soon as the tab asks for them.
        frame_budget: how many frames the tab may have while a job runs.
    """

    def __init__(self, websocket: WebSocket, live: Worker, queue: Queue, frame_budget: FrameBudget) -> None:
        self.websocket, self.live, self.frame_budget = websocket, live, frame_budget
        self.jobs = JobStreams(queue, websocket.send_json)
        self.net = "digits"
        self.layers: list[str] | None = None
        self.compared: Compared | None = None
        self.scales: dict[str, float] = {}
        self.input: tuple[int, dict[str, Any], bytes] | None = None
        self._pending: dict[str, Any] = {}
        self._awake = asyncio.Event()
        self._send = {
            "watch": self._send_watch,
            "maps": self._send_maps,
            "inspect": self._send_inspection,
            "word_attributions": self._send_word_attributions,
        }

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
            self.input, self.compared = None, message.compared
            self._pending.clear()
            self._ask("watch")
        elif isinstance(message, Input):
            self.input = _given(message)
            self._ask("maps")
        elif isinstance(message, Steer):
            self.scales = {unit.address: unit.scale for unit in message.units}
            self._ask("maps")
        elif isinstance(message, Inspect):
            self._ask("inspect", message.address)
        elif isinstance(message, WordAttributions):
            self._ask("word_attributions", message.target)
        elif isinstance(message, Follow):
            self.jobs.follow(message.stream, message.id, message.after)
        elif isinstance(message, Unfollow):
            self.jobs.unfollow(message.stream)

    def _ask(self, what: str, detail: Any = None) -> None:
        self._pending[what] = detail
        self._awake.set()

    async def answer(self) -> None:
        """Answer pending questions, the oldest first, until the tab goes."""
        while True:
            await self._awake.wait()
            while self._pending:
                what = next(iter(self._pending))
                detail = self._pending.pop(what)
                try:
                    await self._send[what](detail)
                except ConvscopeError as error:
                    await self._refuse(error, question=what, detail=detail)
                except (WebSocketDisconnect, RuntimeError):  # it has gone meanwhile
                    return
            self._awake.clear()

    async def _send_watch(self, _detail: None) -> None:
        net = self.net
        found = (await self.live.ask("network", net=net)).result
        await self.websocket.send_json({"type": "watching", "net": net, "layers": found["layers"]})

    async def _send_maps(self, _detail: None) -> None:
        await asyncio.sleep(self.frame_budget.delay(self))
        self._pending.pop("maps", None)  # what has come meanwhile is answered by this frame
        if self.input is None:
            return
        seq, given, data = self.input
        if self.compared is not None:
            await self._send_comparison(self.compared)
            return
        answer = await self.live.ask(
            "forward", data, net=self.net, seq=seq, layers=self.layers, given=given, scales=self.scales
        )
        await self.websocket.send_bytes(answer.data)

    async def _send_comparison(self, other: Compared) -> None:
        """Send three frames: the maps of both networks, and their differences."""
        seq, given, data = self._present()
        nets, layers = [self.net, other.net], [self.layers, other.layers]
        answer = await self.live.ask("compare", data, nets=nets, seq=seq, layers=layers, given=given)
        begin = 0
        for size in answer.result["sizes"]:
            await self.websocket.send_bytes(answer.data[begin : begin + size])
            begin += size

    async def _send_word_attributions(self, target: int | None) -> None:
        seq, given, data = self._present()
        found = (
            await self.live.ask("word_attributions", data, net=self.net, given=given, target=target)
        ).result
        await self.websocket.send_json({"type": "word_attributions", "seq": seq, **found})

    def _present(self) -> tuple[int, dict[str, Any], bytes]:
        """Return the present input."""
        if self.input is None:
            raise UsageError("an input", received="none yet", hint="Draw something, or choose an example.")
        return self.input

    async def _send_inspection(self, address: str) -> None:
        seq, given, data = self._present()
        found = (await self.live.ask("inspect", data, net=self.net, address=address, given=given)).result
        await self.websocket.send_json(
            {"type": "inspected", "requested_address": address, "seq": seq, **found}
        )

    async def _refuse(self, error: ConvscopeError, **question: Any) -> None:
        """Say why a message, or the `question` that it asked, has no answer."""
        await self.websocket.send_json({"type": "error", **question, **error.to_json()})


def _read(text: str) -> AnyMessage:
    try:
        return MESSAGES.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            "a message: watch, input, steer, inspect, word_attributions, follow or unfollow",
            received=f"{where}: {first['msg']}"[:200],
        ) from None


def _given(message: Input) -> tuple[int, dict[str, Any], bytes]:
    """Return number, description and bytes of an input."""
    given = message.model_dump(exclude_none=True, include={"upload", "text", "game", "example", "sample"})
    if len(given) + (message.data is not None) != 1:
        raise UsageError(
            "one of data, upload, text, game, example and sample", received=f"{len(given)} of them"
        )
    if message.data is None:
        return message.seq, given, b""
    try:
        return message.seq, {}, base64.b64decode(message.data, validate=True)
    except binascii.Error:
        raise DataError("data in base64", received=message.data[:40]) from None
