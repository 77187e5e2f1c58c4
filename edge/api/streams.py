"""Server-sent events: the rim between the node's threads and the event loop.

`/events/stream` reads the store and takes the node's call only as a hint that there is more to read. So replay and
live are one thing: no gap and no duplicate between them, and a slow client holds up nobody and fills no queue. Live
frames are worth something only while they are fresh: a client that is slow misses some.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from edge.errors import Busy, Unavailable
from edge.jsontext import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.types import Receive, Scope, Send

    from edge.api.answers import CloudEvent, LiveFrame
    from edge.api.ports import NodeApi

HEARTBEAT_S = 15.0
MAX_STREAMS = 64
_REPLAY_PAGE = 100
_LIVE_FRAMES = 32
_HELLO = b"retry: 2000\n: connected\n\n"
_HEARTBEAT = b": still here\n\n"


class Streams:
    """Counts the open streams, and ends them all at shutdown."""

    def __init__(self, limit: int = MAX_STREAMS) -> None:
        """Allow `limit` streams at a time."""
        self._limit = limit
        self._bells: set[Bell] = set()
        self._closed = False

    def open(self) -> Bell:
        """Begin a stream, in the event loop; raises Busy or Unavailable."""
        if self._closed:
            msg = "The node is shutting down."
            raise Unavailable(msg)
        if len(self._bells) >= self._limit:
            msg = f"{self._limit} streams are open already; close one, or try again later."
            raise Busy(msg)
        bell = Bell()
        self._bells.add(bell)
        return bell

    def done(self, bell: Bell) -> None:
        """Count a stream out."""
        self._bells.discard(bell)

    def close(self) -> None:
        """End every stream, and begin no more; to be called in the event loop."""
        self._closed = True
        for bell in self._bells:
            bell.close()


class Bell:
    """Wakes one stream: rung from any thread, heard in the event loop it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()
        self.closed = False

    def ring(self) -> None:
        """Say that there is something to send; thread-safe, and quiet when the loop is gone."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._rung.set)

    def close(self) -> None:
        """Say that the stream is over; in the event loop."""
        self.closed = True
        self._rung.set()

    async def heard(self, timeout_s: float) -> bool:
        """Wait for the bell; False when it stayed silent."""
        try:
            await asyncio.wait_for(self._rung.wait(), timeout_s)
        except asyncio.TimeoutError:
            return False
        self._rung.clear()
        return True


class EventStreamResponse(StreamingResponse):
    """A stream of server-sent events that cleans up after itself, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes, None], streams: Streams, bell: Bell) -> None:
        """Send `chunks`; `bell` is counted out of `streams` at the end."""
        super().__init__(chunks, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._chunks = chunks
        self._streams = streams
        self._bell = bell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            async with aclosing(self._chunks):
                await super().__call__(scope, receive, send)
        finally:
            self._streams.done(self._bell)


async def event_chunks(
    node: NodeApi, bell: Bell, last: int | None, heartbeat_s: float = HEARTBEAT_S
) -> AsyncGenerator[bytes, None]:
    """Yield every CloudEvent after sequence `last` (None: from now on), then those to come."""
    unsubscribe = node.subscribe_events(lambda _: bell.ring())
    try:
        latest = await run_in_threadpool(node.store.latest_sequence)
        # A number from before the history was begun anew is ahead of everything that will come.
        sent = latest if last is None else min(last, latest)
        yield _HELLO
        while not bell.closed:
            page = await run_in_threadpool(node.store.messages_after, sent, _REPLAY_PAGE)
            for message in page:
                sent = int(message["sequence"])
                yield sse("event", message, message["sequence"])
            if not page and not await bell.heard(heartbeat_s):
                yield _HEARTBEAT
    finally:
        unsubscribe()


async def live_chunks(
    node: NodeApi, bell: Bell, source: str | None, heartbeat_s: float = HEARTBEAT_S
) -> AsyncGenerator[bytes, None]:
    """Yield live frames, of one source or of all; the newest when the client cannot take them all."""
    frames: deque[LiveFrame] = deque(maxlen=_LIVE_FRAMES)
    unsubscribe = node.subscribe_live(_collector(frames, bell, source))
    try:
        yield _HELLO
        while not bell.closed:
            if not await bell.heard(heartbeat_s):
                yield _HEARTBEAT
            while frames:
                yield sse("live", frames.popleft())
    finally:
        unsubscribe()


def _collector(frames: deque[LiveFrame], bell: Bell, source: str | None) -> Callable[[LiveFrame], None]:
    def collect(frame: LiveFrame) -> None:
        if source is None or frame.source == source:
            frames.append(frame)
            bell.ring()

    return collect


def sse(event: str, data: CloudEvent | LiveFrame, event_id: str | None = None) -> bytes:
    """Return one server-sent event."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {event}\ndata: ".encode() + encoded(data) + b"\n\n"
