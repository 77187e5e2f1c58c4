"""Answers that are sent before the end of an upload.

A server that refuses an upload and closes the connection at once makes the kernel discard the refusal: the client sees
"connection reset" instead of the reason. So the end of an early answer is delayed for a short time, in which the rest
of the body is read and discarded (as with nginx's lingering_close).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_IDLE_S = 2.0
TOTAL_S = 10.0


class LingeringClose:
    """ASGI middleware that reads the rest of an upload after an early answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not _sends_body_unasked(scope):
            await self._app(scope, receive, send)
            return
        complete = False

        async def receive_and_track() -> Message:
            nonlocal complete
            message = await receive()
            complete = complete or message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def send_or_delay(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not last or complete:
                await send(message)
                return
            await send({**message, "more_body": True})
            deadline = time.monotonic() + TOTAL_S
            while not complete and time.monotonic() < deadline:
                try:
                    await asyncio.wait_for(receive_and_track(), _IDLE_S)
                except asyncio.TimeoutError:
                    break
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, receive_and_track, send_or_delay)


def _sends_body_unasked(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    has_body = b"content-length" in headers or b"transfer-encoding" in headers
    return has_body and headers.get(b"expect", b"").lower() != b"100-continue"
