"""Connections of the web server, with a time limit in each of three states.

Waiting for a request (from the first moment, or since the last answer, until its head is complete): `HEAD_S`.
Receiving its body: `edge.api.deadline`, which can still answer; the server does not wait for data after an answer.
Answering: the client must read the answer within `STALL_S`.

So a client that sends nothing, half a request or one byte at a time occupies a connection for seconds only. While all
connections are in use, a new one replaces another: one whose client sends requests without reading answers, else one
with an incomplete request, the one that sent least first, and among those the oldest.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
_LITTLE = 4096  # bytes: no more is needed to sign in, or to switch something
STALL_S = 30.0
MAX_CONNECTIONS = 256
"""Well under the 1024 open files a process has by default: the database and the microphones need some."""


class Connection(H11Protocol):
    """A connection with a deadline in every state."""

    since_s = 0.0
    """Begin of the wait for the request, by the clock of the loop."""
    received = 0
    """Bytes of the request so far, unless its head is incomplete."""
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection; close another one where there are too many."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > MAX_CONNECTIONS:
            replaced = self._find_replaced()
            self.connections.discard(replaced)
            replaced.transport.abort()

    def _find_replaced(self) -> Connection:
        """Return the connection to close; this one where all others have complete requests."""
        others = [each for each in self.connections - {self} if isinstance(each, Connection)]
        incomplete = (each for each in others if each.incomplete)
        first = min(incomplete, key=lambda each: (each.received // _LITTLE, each.since_s), default=self)
        return next((each for each in others if each.greedy), first)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection and stop its timers."""
        super().connection_lost(exc)
        for timer in (self._timer, self._stalled):
            if timer is not None:
                timer.cancel()

    @property
    def incomplete(self) -> bool:
        """Whether the request is incomplete."""
        return self._stage in {"IDLE", "SEND_BODY"}

    @property
    def greedy(self) -> bool:
        """Whether the client sends requests before it has the answers; no browser does."""
        return self._stage == "DONE" and bool(self.conn.trailing_data[0])

    @property
    def _stage(self) -> str:
        """The state of the request in h11: `IDLE` before its head, `SEND_BODY` before its end."""
        return str(self.conn.their_state.__name__)

    def data_received(self, data: bytes) -> None:
        """Receive the next bytes."""
        super().data_received(data)
        if self._stage != "IDLE":
            self.received += len(data)

    def on_response_complete(self) -> None:
        """Wait for the next request; close where the last one is incomplete."""
        unread = self._stage == "SEND_BODY"
        super().on_response_complete()
        if unread:
            self.transport.close()
        elif self._stage == "IDLE":
            self._wait()

    def pause_writing(self) -> None:
        """Give the client `STALL_S` to read the answer."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Continue to send."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.since_s, self.received = self.loop.time(), 0
        self._timer = self.loop.call_later(HEAD_S, self._close_if_headless)

    def _close_if_headless(self) -> None:
        if self._stage == "IDLE":
            self.transport.close()
            self._stalled = self.loop.call_later(STALL_S, self.transport.abort)  # some of the last answer may be left
