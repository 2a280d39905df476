"""Events of jobs on the WebSocket of a tab: any number of streams, each of one job or of all."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from convscope.errors import PlaceError, UsageError
from convscope.lab.queue.job import ENDED, Event
from convscope.lab.queue.table import Queue
from convscope.lab.web.routes.jobs import POLL

MAX_STREAMS = 64
"""Streams of one tab."""


@dataclass
class _Stream:
    """One stream: of a job or of all (None), after the number of an event."""

    job: str | None
    after: int


class JobStreams:
    """Send the events that a tab has asked for, each stream in its order, until the tab goes.

    Args:
        queue: the jobs.
        send: sends one message.
    """

    def __init__(self, queue: Queue, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self.queue, self.send = queue, send
        self._streams: dict[int, _Stream] = {}
        self._requested = asyncio.Event()

    def follow(self, number: int, job: str | None, after: int | None) -> None:
        """Begin a stream, or begin it anew. That of a job ends when the job has ended and all was sent.

        Args:
            number: of the stream, as the tab counts.
            job: id of the job; None for all jobs.
            after: number of the last event that is known; None for those to come only.

        Raises:
            UsageError: there are too many streams.
        """
        if number not in self._streams and len(self._streams) >= MAX_STREAMS:
            hint = "End some that nobody looks at: unfollow."
            raise UsageError(f"at most {MAX_STREAMS} streams of jobs", received="one more", hint=hint)
        self._streams[number] = _Stream(job, self.queue.last_event() if after is None else after)
        self._requested.set()

    def unfollow(self, number: int) -> None:
        """End a stream.

        Args:
            number: of the stream; one that has ended already is left alone.
        """
        self._streams.pop(number, None)

    async def run(self) -> None:
        """Send events as they come, for ever."""
        while True:
            await self._requested.wait()
            sent = [await self._advance(number) for number in tuple(self._streams)]
            if not self._streams:
                self._requested.clear()
            await asyncio.sleep(0 if any(sent) else POLL)

    async def _advance(self, number: int) -> bool:
        """Send what is new of a stream; return whether there was something."""
        stream = self._streams.get(number)
        if stream is None:
            return False
        try:
            over, found = await asyncio.to_thread(self._new, stream)
        except PlaceError:
            if self._streams.get(number) is stream:
                del self._streams[number]
                await self.send({"type": "job", "stream": number, "id": stream.job, "event": "gone"})
            return True
        for event in found:
            if self._streams.get(number) is not stream:
                return True  # the tab has asked anew meanwhile, or ended it
            stream.after = event.seq
            await self.send({"type": "job", "stream": number, "seq": event.seq, **event.to_json()})
        if over and not found and self._streams.get(number) is stream:
            del self._streams[number]
        return bool(found)

    def _new(self, stream: _Stream) -> tuple[bool, list[Event]]:
        """Return whether nothing more will come, and what is new."""
        over = stream.job is not None and self.queue.state(stream.job) in ENDED
        return over, self.queue.events(stream.after, stream.job)
