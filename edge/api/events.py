"""`/events`: history of events and their clips."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query
from starlette.exceptions import HTTPException
from starlette.responses import Response

from edge.api.answers import EventPage
from edge.api.components import describe_answer
from edge.api.encode import NodeJson
from edge.api.problems import describe_errors
from edge.api.query import parse_values
from edge.api.recording import Recording
from edge.errors import UsageError
from edge.settings.away import SOUND

if TYPE_CHECKING:
    from edge.api.answers import EventDetail
    from edge.api.ports import EventHistory, NodeApi

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_NOON = "2026-05-01T12:00:00Z"
_TIME = f"RFC 3339 time, such as {_NOON}"
_ANY = "several, with commas or repeated, mean any of them"
EventId = Annotated[
    str, Path(description="`event_id` of the event", max_length=128, examples=["5f0f4bde-3a70-4b3c-8f7e-1c9a3c2f7a11"])
]


_SOUND = {"content": {"audio/flac": {"schema": {"type": "string", "format": "binary"}}}, "description": "the clip"}


def parse_time_s(text: str, name: str) -> float:
    """Return an RFC 3339 time in Unix seconds; raises UsageError."""
    match = _RFC3339.fullmatch(text)
    msg, where = f"{text[:80]!r} is not an {_TIME}", f"query parameter {name}"
    if not match:
        raise UsageError(msg, where=where)
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{zone}").timestamp()
    except ValueError as exc:
        raise UsageError(msg, where=where) from exc
    return whole + float(fraction or 0.0)


def _find_event(event_id: str, store: EventHistory) -> EventDetail:
    found = store.event(event_id)
    if found is None:
        raise HTTPException(404, f"There is no event {event_id!r} in the history.")
    return found


def _parse_labels(given: list[str], node: NodeApi) -> list[str]:
    """Return labels, also of former models, clap patterns, and the sound of the away mode."""
    known = [*node.model().labels, *node.patterns(), SOUND]
    return parse_values("label", given, known, lambda name: bool(node.store.events(label=[name], limit=1).items))


def _parse_sources(given: list[str], node: NodeApi) -> list[str]:
    """Return names of sources, also of removed ones."""
    known = [source.name for source in node.sources()] if given else ()
    return parse_values("source", given, known, lambda name: bool(node.store.events(source=[name], limit=1).items))


def router(node: NodeApi) -> APIRouter:
    """Return the routes over the history of `node`."""
    routes = APIRouter(tags=["events"])
    _add_history(routes, node)
    _add_event(routes, node)
    return routes


def _add_history(routes: APIRouter, node: NodeApi) -> None:
    @routes.get("/events", responses=describe_answer("EventPage"))
    def events(
        label: Annotated[
            list[str], Query(default_factory=list, description=f"only this label; {_ANY}", examples=[["siren"]])
        ],
        source: Annotated[
            list[str], Query(default_factory=list, description=f"only this source; {_ANY}", examples=[["mic"]])
        ],
        after: Annotated[str | None, Query(description=f"begun at or after this {_TIME}", examples=[_NOON])] = None,
        before: Annotated[str | None, Query(description=f"begun before this {_TIME}", examples=[_NOON])] = None,
        min_score: Annotated[float | None, Query(ge=0.0, le=1.0, description="lowest peak score")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="items on a page")] = 100,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=256)] = None,
    ) -> Response:
        """Return a page of the history: one item per event, newest first."""
        page = node.store.events(
            label=_parse_labels(label, node),
            source=_parse_sources(source, node),
            # An unescaped plus sign arrives as a space.
            after=None if after is None else parse_time_s(after.replace(" ", "+"), "after"),
            before=None if before is None else parse_time_s(before.replace(" ", "+"), "before"),
            min_score=min_score,
            limit=limit,
            cursor=cursor,
        )
        return NodeJson(EventPage(list(page.items), page.next_cursor))


def _add_event(routes: APIRouter, node: NodeApi) -> None:
    @routes.get("/events/{event_id}", responses=describe_answer("EventDetail") | describe_errors(404))
    def event(event_id: EventId) -> Response:
        """Return one event with all its messages."""
        return NodeJson(_find_event(event_id, node.store))

    @routes.get(
        "/events/{event_id}/clip",
        response_class=Recording,
        responses={200: _SOUND, 206: {**_SOUND, "description": "a part of it"}, **describe_errors(404, 416)},
    )
    def clip(event_id: EventId) -> Response:
        """Return the clip of an event."""
        _find_event(event_id, node.store)
        path = node.store.clip_path(event_id)
        if path is None or not path.is_file():
            raise HTTPException(404, f"No sound is kept of event {event_id!r}; privacy.keep_clips allows it.")
        return Recording(path, media_type="audio/flac", filename=f"{event_id}.flac")
