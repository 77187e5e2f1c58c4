"""`/events/stream` and `/live/stream`: server-sent events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from edge.api.components import EVENT_LINES, FRAME_LINES, describe_stream
from edge.api.streams import EventStreamResponse, stream_events, stream_live_frames
from edge.errors import UsageError, suggest

if TYPE_CHECKING:
    from edge.api.ports import NodeApi
    from edge.api.streams import Streams

_MAX_DIGITS = 20


def _sequence(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        msg = f"Last-Event-ID {text[:80]!r} is not a sequence number"
        raise UsageError(msg, remedy="send back an id from this stream, or leave it out")
    return int(text)


def router(node: NodeApi, streams: Streams) -> APIRouter:
    """Return the two streams."""
    routes = APIRouter(tags=["streams"])

    @routes.get(
        "/events/stream",
        response_class=StreamingResponse,
        responses=describe_stream("CloudEvent", EVENT_LINES),
    )
    async def event_stream(
        last_event_id: Annotated[str | None, Header(description="send the messages after this `id:` first")] = None,
        after: Annotated[
            str | None, Query(alias="last_event_id", description="the same, for clients that cannot set a header")
        ] = None,
    ) -> Response:
        """Send CloudEvents as they are written; `id:` is their sequence."""
        last = _sequence(last_event_id or after)
        signal = streams.open()
        return EventStreamResponse(stream_events(node, signal, last), streams, signal)

    @routes.get(
        "/live/stream",
        response_class=StreamingResponse,
        responses=describe_stream("LiveFrame", FRAME_LINES),
    )
    async def live_stream(
        source: Annotated[str | None, Query(description="only this source, by name")] = None,
    ) -> Response:
        """Send scores, level and a mel column, about eight times a second."""
        if source is not None and source not in (known := [item.name for item in node.sources()]):
            msg = f"there is no source '{source[:80]}'"
            raise UsageError(msg, where="query parameter source", remedy=suggest(source, known))
        signal = streams.open()
        return EventStreamResponse(stream_live_frames(node, signal, source), streams, signal)

    return routes
