"""The web process's side of the channel: start a worker, ask it, start it again when it dies, end it.

A worker is a process of its own, started as `python -m convscope.lab.workers.channel MODULE SETTINGS`; the
module has `run(channel, settings)`. All methods belong to the event loop in which `start` was called.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from convscope.errors import ConvscopeError, MissingError
from convscope.lab.workers.channel import LENGTHS, MAX_BYTES, pack

State = Literal["starting", "ready", "stopped"]
FIRST_DELAY, MAX_DELAY = 0.25, 20.0
"""Seconds before a worker that died is started again; doubled each time, until it has been ready."""
STOP_TIMEOUT = 10.0
"""Seconds that a worker has to end by itself when the server stops."""


@dataclass(frozen=True)
class Answer:
    """What a worker answers.

    Attributes:
        result: JSON values.
        data: bytes that belong to it.
    """

    result: dict[str, Any]
    data: bytes


class RemoteError(ConvscopeError):
    """An error that a worker has answered with.

    Args:
        expected: as in every error.
        received: as in every error.
        hint: as in every error.
        exit_code: that of the original.
        kind: name of the original's class.
    """

    def __init__(
        self, expected: str, *, received: str = "", hint: str = "", exit_code: int = 1, kind: str = ""
    ) -> None:
        super().__init__(expected, received=received, hint=hint)
        self.exit_code, self.kind = exit_code, kind


class WorkerGone(MissingError):
    """A worker that has died, before it answered; it is started again."""


class Worker:
    """A process that answers questions, restarted when it dies.

    Args:
        name: for messages.
        module: its module, see above.
        settings: JSON values, handed to the module.

    Attributes:
        state: `starting` until the worker says that it is ready, also after a restart.
        facts: values that it sent when it was ready.
        starts: how often it was started.
    """

    def __init__(self, name: str, module: str, settings: Mapping[str, Any]) -> None:
        self.name, self.module, self.settings = name, module, dict(settings)
        self.state: State = "stopped"
        self.facts: dict[str, Any] = {}
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._numbers = itertools.count()
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self._started = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None while there is no process."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process, without waiting until it is ready."""
        self.state = "starting"
        self._task = asyncio.create_task(self._keep_running(), name=f"worker {self.name}")

    async def ask(self, op: str, data: bytes = b"", /, **args: Any) -> Answer:
        """Ask the worker, and wait for its answer; questions are answered in order.

        Args:
            op: what is asked for.
            data: bytes that belong to the question.
            **args: JSON values.

        Returns:
            The answer.

        Raises:
            RemoteError: the worker answers with an error.
            WorkerGone: the worker died, or the server stops.
        """
        await self._started.wait()
        process = self._process
        if process is None or process.stdin is None or self.state == "stopped":
            raise self._gone_error()
        number = next(self._numbers)
        answer = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            process.stdin.write(pack({"number": number, "op": op, "args": args}, data))
            await process.stdin.drain()
            return await answer
        except OSError:
            raise self._gone_error() from None
        finally:
            self._pending.pop(number, None)

    async def stop(self) -> None:
        """End the process: by closing its channel, then by SIGTERM, then by SIGKILL."""
        self.state = "stopped"
        self._started.set()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_running(self) -> None:
        wait = FIRST_DELAY
        while self.state != "stopped":
            process = await self._spawn()
            try:
                await self._read(process)
            finally:
                self._started.clear() if self.state != "stopped" else self._started.set()
                await asyncio.shield(_terminate(process))
                self._fail_pending()
            wait = FIRST_DELAY if self.state == "ready" else min(2 * wait, MAX_DELAY)
            self.state = "starting"
            await asyncio.sleep(wait)

    async def _spawn(self) -> asyncio.subprocess.Process:
        self.starts += 1
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a file called torch.py in the current folder is not torch
            "-m",
            "convscope.lab.workers.channel",
            self.module,
            json.dumps(self.settings),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C of the terminal does not reach it
        )
        self._started.set()
        return self._process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Handle what the worker says, until its end."""
        source = process.stdout
        if source is None:
            return
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                text, size = LENGTHS.unpack(await source.readexactly(LENGTHS.size))
                if max(text, size) > MAX_BYTES:
                    return
                header = json.loads(await source.readexactly(text))
                self._handle(header, await source.readexactly(size))

    def _handle(self, header: dict[str, Any], data: bytes) -> None:
        if "ready" in header:
            self.facts, self.state = header["ready"], "ready"
        else:
            answer = self._pending.get(header["number"])
            if answer is not None and not answer.done():
                if "error" in header:
                    answer.set_exception(RemoteError(**header["error"]))
                else:
                    answer.set_result(Answer(header["result"], data))

    def _fail_pending(self) -> None:
        self._process = None
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(self._gone_error())

    def _gone_error(self) -> WorkerGone:
        stopped = self.state == "stopped"
        hint = "Start it again: convscope lab" if stopped else "It is started again: try once more."
        return WorkerGone(f"an answer of the {self.name} worker", received="it has ended", hint=hint)


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """End a process and what it has started, and wait for it, so that no zombie is left."""
    if process.stdin is not None:
        process.stdin.close()
    for number, timeout in ((None, STOP_TIMEOUT), (signal.SIGTERM, 2.0), (signal.SIGKILL, 10.0)):
        if number is not None:
            _signal(process.pid, number)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), timeout)
            break
    _signal(process.pid, signal.SIGKILL)  # its children, if there are any left


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
