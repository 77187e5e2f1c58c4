"""Server-sent events: bridge from the threads of the node to the event loop.

`/events/stream` reads the store and takes a call of the node only as a hint to read on. So replay and live use one
path, without gap or duplicate, and a slow client delays no other and fills no queue. Live frames are useful only while
they are new: a slow client misses some.
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
from edge.jsontext import encode

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
    """The open streams, for their limit and their end at shutdown."""

    def __init__(self, limit: int = MAX_STREAMS) -> None:
        """Allow `limit` streams at a time."""
        self._limit = limit
        self._signals: set[StreamSignal] = set()
        self._closed = False

    def open(self) -> StreamSignal:
        """Add a stream, in the event loop; raises Busy or Unavailable."""
        if self._closed:
            msg = "the node is shutting down"
            raise Unavailable(msg)
        if len(self._signals) >= self._limit:
            msg = f"{self._limit} streams are open already"
            raise Busy(msg, remedy="close one, or try again later")
        signal = StreamSignal()
        self._signals.add(signal)
        return signal

    def remove(self, signal: StreamSignal) -> None:
        """Remove a stream."""
        self._signals.discard(signal)

    def close(self) -> None:
        """End every stream and refuse new ones; to be called in the event loop."""
        self._closed = True
        for signal in self._signals:
            signal.close()


class StreamSignal:
    """A thread-safe wake-up signal for a stream in the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._notified = asyncio.Event()
        self.closed = False

    def notify(self) -> None:
        """Wake the stream, from any thread; nothing happens after the end of the loop."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._notified.set)

    def close(self) -> None:
        """End the stream; to be called in the event loop."""
        self.closed = True
        self._notified.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the signal; return False after `timeout_s` without one."""
        try:
            await asyncio.wait_for(self._notified.wait(), timeout_s)
        except asyncio.TimeoutError:
            return False
        self._notified.clear()
        return True


class EventStreamResponse(StreamingResponse):
    """A stream of server-sent events that is removed at its end."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes, None], streams: Streams, signal: StreamSignal) -> None:
        """Send `chunks`; `signal` is removed from `streams` at the end."""
        super().__init__(chunks, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._chunks = chunks
        self._streams = streams
        self._signal = signal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            async with aclosing(self._chunks):
                await super().__call__(scope, receive, send)
        finally:
            self._streams.remove(self._signal)


async def stream_events(
    node: NodeApi, signal: StreamSignal, last: int | None, heartbeat_s: float = HEARTBEAT_S
) -> AsyncGenerator[bytes, None]:
    """Yield every CloudEvent after sequence `last` (None: the newest), then new ones."""
    unsubscribe = node.subscribe_events(lambda _: signal.notify())
    try:
        latest = await run_in_threadpool(node.store.latest_sequence)
        # A number from before a restart of the history is higher than every new one.
        sent = latest if last is None else min(last, latest)
        yield _HELLO
        while not signal.closed:
            page = await run_in_threadpool(node.store.messages_after, sent, _REPLAY_PAGE)
            for message in page:
                sent = int(message["sequence"])
                yield encode_event("event", message, message["sequence"])
            if not page and not await signal.wait(heartbeat_s):
                yield _HEARTBEAT
    finally:
        unsubscribe()


async def stream_live_frames(
    node: NodeApi, signal: StreamSignal, source: str | None, heartbeat_s: float = HEARTBEAT_S
) -> AsyncGenerator[bytes, None]:
    """Yield live frames of one source or all; only the newest to a slow client."""
    frames: deque[LiveFrame] = deque(maxlen=_LIVE_FRAMES)
    unsubscribe = node.subscribe_live(_make_collector(frames, signal, source))
    try:
        yield _HELLO
        while not signal.closed:
            if not await signal.wait(heartbeat_s):
                yield _HEARTBEAT
            while frames:
                yield encode_event("live", frames.popleft())
    finally:
        unsubscribe()


def _make_collector(frames: deque[LiveFrame], signal: StreamSignal, source: str | None) -> Callable[[LiveFrame], None]:
    def collect(frame: LiveFrame) -> None:
        if source is None or frame.source == source:
            frames.append(frame)
            signal.notify()

    return collect


def encode_event(event: str, data: CloudEvent | LiveFrame, event_id: str | None = None) -> bytes:
    """Return one server-sent event."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {event}\ndata: ".encode() + encode(data) + b"\n\n"
