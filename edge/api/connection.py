"""Connections of the web server: each is in one of three states, and none of them lasts for ever.

Waiting for a request (from the first moment, or since the last answer, until its head is complete): `HEAD_S`.
Receiving its body: `edge.api.deadline`, which can still answer; what comes after an answer is not waited for.
Answering: a client must take what it is sent within `STALL_S`.

So whoever asks nothing, half of something or slowly holds a place for seconds only. While every place is taken, one
makes room for the next: who sends more requests than are answered, else who sent half of one: who sent little before
who sent much, and then the longest there.
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
    """When it began to wait for the request, by the loop's clock."""
    received = 0
    """Bytes of the request so far, unless its head is incomplete."""
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, if necessary another's."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > MAX_CONNECTIONS:
            leaver = self._leaver()
            self.connections.discard(leaver)
            leaver.transport.abort()

    def _leaver(self) -> Connection:
        """Return whose place this one gets; this one itself where all the others are being served."""
        others = [each for each in self.connections - {self} if isinstance(each, Connection)]
        incomplete = (each for each in others if each.incomplete)
        first = min(incomplete, key=lambda each: (each.received // _LITTLE, each.since_s), default=self)
        return next((each for each in others if each.greedy), first)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        super().connection_lost(exc)
        for timer in (self._timer, self._stalled):
            if timer is not None:
                timer.cancel()

    @property
    def incomplete(self) -> bool:
        """Whether a request, or the rest of one, is still to come."""
        return self._stage in {"IDLE", "SEND_BODY"}

    @property
    def greedy(self) -> bool:
        """Whether the client asks on without waiting for answers, which no browser does."""
        return self._stage == "DONE" and bool(self.conn.trailing_data[0])

    @property
    def _stage(self) -> str:
        """What of the request h11 waits for: `IDLE`: its head, `SEND_BODY`: its body; anything else: nothing."""
        return str(self.conn.their_state.__name__)

    def data_received(self, data: bytes) -> None:
        """Take the next bytes."""
        super().data_received(data)
        if self._stage != "IDLE":
            self.received += len(data)

    def on_response_complete(self) -> None:
        """Wait for the next request, where the client has sent all of the last."""
        unread = self._stage == "SEND_BODY"
        super().on_response_complete()
        if unread:
            self.transport.close()
        elif self._stage == "IDLE":
            self._wait()

    def pause_writing(self) -> None:
        """Wait, for a while, until the client has taken what it was sent."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Send on."""
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
