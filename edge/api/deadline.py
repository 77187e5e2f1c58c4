"""Time limits of request bodies, for every route.

Every wait for more ends after `STALL_S`. The body as a whole gets `GRACE_S` and then has to come at `MIN_BYTES_PER_S`
on average, as with Apache's mod_reqtimeout, but for no longer than `TOTAL_S`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

STALL_S = 20.0
GRACE_S = 10.0
MIN_BYTES_PER_S = 4096
TOTAL_S = 3600.0


class Deadline:
    """ASGI middleware that answers 408 to a slow body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive)

        async def send_and_note(message: Message) -> None:
            body.answered = True
            await send(message)

        await self._app(scope, body.receive, send_and_note)


class _Body:
    """The body of one request."""

    def __init__(self, receive: Receive) -> None:
        self.answered = False
        self._receive = receive
        self._begun_s = time.monotonic()
        self._received = 0
        self._complete = False

    async def receive(self) -> Message:
        """Return the next part of the body, within the time limit.

        After the end there is no limit: the only message left is that the client has disconnected.
        """
        if self._complete:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._left_s())
        except asyncio.TimeoutError:
            self._complete = True
            if self.answered:
                return {"type": "http.disconnect"}
            raise HTTPException(408, "The body of the request came too slowly; send it again.") from None
        self._received += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        return message

    def _left_s(self) -> float:
        allowed_s = min(TOTAL_S, GRACE_S + self._received / MIN_BYTES_PER_S)
        return max(0.0, min(STALL_S, self._begun_s + allowed_s - time.monotonic()))
