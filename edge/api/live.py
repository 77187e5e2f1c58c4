"""`/events/stream` and `/live/stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response, StreamingResponse

from edge.api.problems import documented
from edge.api.query import only_known
from edge.api.streams import EventStreamResponse, event_chunks, live_chunks
from edge.configkeys import nearest
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.api.ports import NodeApi
    from edge.api.streams import Streams

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "server-sent events"}
}
_MAX_DIGITS = 20


def _sequence(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        msg = f"Last-Event-ID {text[:80]!r} is no sequence number; send back an id from this stream, or none."
        raise UsageError(msg)
    return int(text)


def router(node: NodeApi, streams: Streams) -> APIRouter:
    """Return the two streams."""
    routes = APIRouter(tags=["streams"], dependencies=[Depends(only_known)])

    @routes.get("/events/stream", response_class=StreamingResponse, responses=_STREAM | documented(422, 429))
    async def event_stream(
        last_event_id: Annotated[str | None, Header(description="replay what came after this `id:`")] = None,
        after: Annotated[
            str | None, Query(alias="last_event_id", description="the same, for clients that cannot set a header")
        ] = None,
    ) -> Response:
        """CloudEvents as they are written; `id:` is their sequence."""
        last = _sequence(last_event_id or after)
        bell = streams.open()
        return EventStreamResponse(event_chunks(node, bell, last), streams, bell)

    @routes.get("/live/stream", response_class=StreamingResponse, responses=_STREAM | documented(422, 429))
    async def live_stream(
        source: Annotated[str | None, Query(description="only this source, by name")] = None,
    ) -> Response:
        """Scores, level and a column of the mel spectrogram, about eight times a second."""
        if source is not None and source not in (known := [item["name"] for item in node.sources()]):
            msg = f"query parameter source: there is no source '{source[:80]}'{nearest(source, known)}"
            raise UsageError(msg)
        bell = streams.open()
        return EventStreamResponse(live_chunks(node, bell, source), streams, bell)

    return routes
