"""The questions to the history. Each is one statement, so it sees one state of the database.

Every answer comes with the `Sick` rows that were met on the way and are left out of it.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.clock import parse_rfc3339
from edge.errors import UsageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

Json = dict[str, Any]

_DIGITS = 18  # of a number that SQLite can hold
_TEXTS = ("id", "source", "subject", "type", "time", "sequence")
_DATA_TEXTS = ("event_id", "phase", "label", "source_name", "onset_time")


@dataclass(frozen=True)
class Page:
    """A stretch of the history, newest first."""

    items: list[Json]
    """An object an event: the figures of its last message, its highest score, and that message as `event`."""
    next_cursor: str | None
    """Where the next page begins; None on the last."""


@dataclass
class Sick:
    """Rows that cannot be read, by their sequences."""

    messages: list[int] = field(default_factory=list)
    """Of the table `events`."""
    sounds: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.messages or self.sounds)


def readable(sequence: int, raw: object) -> Json | None:
    """Return the CloudEvent that a row holds, with everything that is asked of one; None where it is damaged."""
    try:
        text = raw.decode() if isinstance(raw, bytes) else ""
        message = json.loads(text)
        data = message["data"]
        texts = [*(message[key] for key in _TEXTS), *(data[key] for key in _DATA_TEXTS)]
        for moment in (message["time"], data["onset_time"]):
            parse_rfc3339(moment).timestamp()
        whole = all(isinstance(each, str) for each in texts) and int(message["sequence"]) == sequence
        numbers = (data["peak_score"], data.get("duration_s") or 0.0)
        whole = whole and "\\ud" not in text  # half a character, which cannot be sent
        whole = whole and all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return message if whole else None


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
) -> tuple[Page, Sick]:
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
        "SELECT s.onset_ms, s.sequence, s.peak_score, s.event_id, e.event_id, e.sequence, e.message "  # noqa: S608 - the texts above, no value
        "FROM sounds s JOIN events e ON e.sequence = s.last_sequence "
        f"{where}ORDER BY s.onset_ms DESC, s.sequence DESC LIMIT ?"
    )
    rows = connection.execute(query, [*values, limit + 1]).fetchall()
    more = len(rows) > limit
    items, sick = [], Sick()
    for onset_ms, sound, peak_score, *event_ids, sequence, raw in rows[:limit]:
        message = readable(sequence, raw)
        if message is None:
            sick.messages.append(sequence)
        elif (
            not isinstance(onset_ms, int)
            or not isinstance(peak_score, float)
            or event_ids != [message["data"]["event_id"].encode()] * 2
        ):
            sick.sounds.append(sound)
        else:
            items.append(_item(message, peak_score))
    # Where a row is sick, the page is asked for again; a cursor that cannot be made ends it.
    return Page(items, _to_cursor(*rows[limit - 1][:2]) if more and isinstance(rows[limit - 1][0], int) else None), sick


def one_event(connection: sqlite3.Connection, event_id: str) -> tuple[Json | None, Sick]:
    """Return one event as in `Page`, with all its CloudEvents, in order, as `messages`."""
    query = "SELECT sequence, message FROM events WHERE event_id = ? ORDER BY sequence"
    messages, sick = _sorted_out(connection.execute(query, [event_id]).fetchall())
    if not messages:
        return None, sick
    peak_score = max(message["data"]["peak_score"] for message in messages)
    return {**_item(messages[-1], peak_score), "messages": messages}, sick


def messages_after(connection: sqlite3.Connection, sequence: int, limit: int) -> tuple[list[Json], Sick]:
    """Return CloudEvents with a higher sequence, in order."""
    query = "SELECT sequence, message FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return _sorted_out(connection.execute(query, [sequence, limit]).fetchall())


def unfinished(connection: sqlite3.Connection, newest: int) -> tuple[list[Json], Sick]:
    """Return the last CloudEvent of every event up to the sequence `newest` that has no end, in order."""
    last = "SELECT last_sequence FROM sounds WHERE NOT ended AND last_sequence <= ?"
    query = f"SELECT sequence, message FROM events WHERE sequence IN ({last}) ORDER BY sequence"  # noqa: S608 - see above
    return _sorted_out(connection.execute(query, [newest]).fetchall())


def _sorted_out(rows: list[tuple[int, object]]) -> tuple[list[Json], Sick]:
    read = [(sequence, readable(sequence, raw)) for sequence, raw in rows]
    sick = Sick(messages=[sequence for sequence, message in read if message is None])
    return [message for _, message in read if message is not None], sick


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
        msg = f"cursor {cursor[:80]!r} is not from this history"
        raise UsageError(msg, remedy="use next_cursor of the page before, or leave it out") from exc
    return [onset_ms, sequence]
