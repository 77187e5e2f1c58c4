"""The questions to the history. Each is one statement, so it sees one state of the database."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.errors import UsageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

Json = dict[str, Any]

_DIGITS = 18  # of a number that SQLite can hold


@dataclass(frozen=True)
class Page:
    """A stretch of the history, newest first."""

    items: list[Json]
    """An object an event: the figures of its last message, its highest score, and that message as `event`."""
    next_cursor: str | None
    """Where the next page begins; None on the last."""


def page_of_events(
    connection: sqlite3.Connection,
    *,
    label: str | Sequence[str] | None,
    source: str | Sequence[str] | None,
    after: float | None,
    before: float | None,
    min_score: float | None,
    limit: int,
    cursor: str | None,
) -> Page:
    """Return the events that began in [after, before), in Unix seconds, by the moment they began.

    `label` and `source` may be several, of which any is meant; none means all.
    """
    filters: list[tuple[str, object]] = [
        ("s.onset_ms >= ?", _milliseconds(after)),
        ("s.onset_ms < ?", _milliseconds(before)),
        ("s.peak_score >= ?", min_score),
    ]
    chosen = [(text, value) for text, value in filters if value is not None]
    texts, values = [text for text, _ in chosen], [value for _, value in chosen]
    for column, names in (("s.label", label), ("s.source_name", source)):
        if chosen_names := [names] if isinstance(names, str) else names:
            texts.append(f"{column} IN ({', '.join('?' * len(chosen_names))})")
            values += chosen_names
    if cursor is not None:
        texts.append("(s.onset_ms, s.sequence) < (?, ?)")
        values += _from_cursor(cursor)
    where = f"WHERE {' AND '.join(texts)} " if texts else ""
    query = (
        "SELECT s.onset_ms, s.sequence, s.peak_score, e.message "  # noqa: S608 - the texts above, no value
        "FROM sounds s JOIN events e ON e.sequence = s.last_sequence "
        f"{where}ORDER BY s.onset_ms DESC, s.sequence DESC LIMIT ?"
    )
    rows = connection.execute(query, [*values, limit + 1]).fetchall()
    more = len(rows) > limit
    items = [_item(json.loads(text), peak_score) for _, _, peak_score, text in rows[:limit]]
    return Page(items, _to_cursor(*rows[limit - 1][:2]) if more else None)


def one_event(connection: sqlite3.Connection, event_id: str) -> Json | None:
    """Return one event as in `Page`, with all its CloudEvents, in order, as `messages`."""
    query = "SELECT message FROM events WHERE event_id = ? ORDER BY sequence"
    messages = [json.loads(text) for (text,) in connection.execute(query, [event_id])]
    if not messages:
        return None
    peak_score = max(message["data"]["peak_score"] for message in messages)
    return {**_item(messages[-1], peak_score), "messages": messages}


def messages_after(connection: sqlite3.Connection, sequence: int, limit: int) -> list[Json]:
    """Return CloudEvents with a higher sequence, in order."""
    query = "SELECT message FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return [json.loads(text) for (text,) in connection.execute(query, [sequence, limit])]


def unfinished(connection: sqlite3.Connection) -> list[Json]:
    """Return the last CloudEvent of every event that has no end, in order."""
    last = "SELECT last_sequence FROM sounds WHERE NOT ended"
    query = f"SELECT message FROM events WHERE sequence IN ({last}) ORDER BY sequence"  # noqa: S608 - the line above
    return [json.loads(text) for (text,) in connection.execute(query)]


def _item(message: Json, peak_score: float) -> Json:
    data = message["data"]
    return {**data, "source": data["source_name"], "score": peak_score, "peak_score": peak_score, "event": message}


def _milliseconds(seconds: float | None) -> float | None:
    # A float cannot hold every millisecond since 1970; times are compared to the hundredth of one.
    return None if seconds is None else round(seconds * 1000.0, 2)


def _to_cursor(onset_ms: int, sequence: int) -> str:
    return base64.urlsafe_b64encode(f"{onset_ms:d},{sequence:d}".encode()).decode().rstrip("=")


def _from_cursor(cursor: str) -> list[int]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        onset_ms, sequence = (int(part) for part in text.split(",") if len(part) <= _DIGITS)
    except ValueError as exc:
        msg = f"cursor {cursor[:80]!r} is none of this history's; use next_cursor of the page before, or none"
        raise UsageError(msg) from exc
    return [onset_ms, sequence]
