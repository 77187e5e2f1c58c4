"""Clips as files with byte ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import FileResponse

from edge.api.problems import make_problem

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

_REFUSED = {400, 416}


class Recording(FileResponse):
    """A clip as an answer.

    An invalid `Range` is ignored, as HTTP demands; one beyond the end of the file is a problem.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refusals: list[Message] = []

        async def send_unless_refused(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _REFUSED:
                refusals.append(message)
            if not refusals:
                await send(message)

        await super().__call__(scope, receive, send_unless_refused)
        if not refusals:
            return
        length = dict(refusals[0]["headers"]).get(b"content-range")
        if length is None:
            whole = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"range"]}
            await super().__call__(whole, receive, send)
        else:
            size = length.decode("latin-1")
            detail = f"The recording has no such part; its length is {size.rpartition('/')[2]} bytes."
            await make_problem(416, detail, scope["path"], headers={"Content-Range": size})(scope, receive, send)
