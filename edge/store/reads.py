"""Queries of the history.

Each is one statement, so it sees one state of the database. Every result comes with the `DamagedRows` that were found
and left out.
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

_DIGITS = 18  # of SQLite's integers
_TEXTS = ("id", "source", "subject", "type", "time", "sequence")
_DATA_TEXTS = ("event_id", "phase", "label", "source_name", "onset_time")


@dataclass(frozen=True)
class Page:
    """A page of the history, newest event first."""

    items: list[Json]
    """One object per event: the data of its last message, its highest score, and that message as `event`."""
    next_cursor: str | None
    """The cursor of the next page; None on the last."""


@dataclass(frozen=True)
class Filter:
    """Conditions on the events of a page; None means all."""

    label: str | Sequence[str] | None
    """One label, or several alternatives."""
    source: str | Sequence[str] | None
    """One source, or several alternatives."""
    after: float | None
    """The earliest onset, in Unix seconds."""
    before: float | None
    """The end of the onsets, exclusive, in Unix seconds."""
    min_score: float | None

    def make_conditions(self) -> tuple[list[str], list[object]]:
        """Return the SQL conditions on a row `s` of `sounds`, and their values."""
        filters: list[tuple[str, object]] = [
            ("s.onset_ms >= ?", _to_milliseconds(self.after)),
            ("s.onset_ms < ?", _to_milliseconds(self.before)),
            ("s.peak_score >= ?", self.min_score),
        ]
        chosen = [(text, value) for text, value in filters if value is not None]
        texts, values = [text for text, _ in chosen], [value for _, value in chosen]
        for column, names in (("s.label", self.label), ("s.source_name", self.source)):
            if chosen_names := [names] if isinstance(names, str) else names:
                texts.append(f"{column} IN ({', '.join('?' * len(chosen_names))})")
                values += chosen_names
        return texts, values


@dataclass
class DamagedRows:
    """Sequences of rows that cannot be read."""

    messages: list[int] = field(default_factory=list)
    """Rows of the table `events`."""
    sounds: list[int] = field(default_factory=list)
    """Rows of the table `sounds`."""

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.messages or self.sounds)


def parse_message(sequence: int, raw: object) -> Json | None:
    """Return the CloudEvent of a row, with all required fields; None if it is damaged."""
    try:
        text = raw.decode() if isinstance(raw, bytes) else ""
        message = json.loads(text)
        data = message["data"]
        texts = [*(message[key] for key in _TEXTS), *(data[key] for key in _DATA_TEXTS)]
        for moment in (message["time"], data["onset_time"]):
            parse_rfc3339(moment).timestamp()
        whole = all(isinstance(each, str) for each in texts) and int(message["sequence"]) == sequence
        numbers = (data["peak_score"], data.get("duration_s") or 0.0)
        whole = whole and "\\ud" not in text  # a lone surrogate, which cannot be sent
        whole = whole and all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return message if whole else None


def read_page(
    connection: sqlite3.Connection, wanted: Filter, *, limit: int, cursor: str | None
) -> tuple[Page, DamagedRows]:
    """Return a page of the wanted events, newest onset first."""
    texts, values = wanted.make_conditions()
    if cursor is not None:
        texts.append("(s.onset_ms, s.sequence) < (?, ?)")
        values += _decode_cursor(cursor)
    where = f"WHERE {' AND '.join(texts)} " if texts else ""
    query = (
        "SELECT s.onset_ms, s.sequence, s.peak_score, s.event_id, e.event_id, e.sequence, e.message "  # noqa: S608 - the texts above, no value
        "FROM sounds s JOIN events e ON e.sequence = s.last_sequence "
        f"{where}ORDER BY s.onset_ms DESC, s.sequence DESC LIMIT ?"
    )
    rows = connection.execute(query, [*values, limit + 1]).fetchall()
    more = len(rows) > limit
    items, damaged = [], DamagedRows()
    for onset_ms, sound, peak_score, *event_ids, sequence, raw in rows[:limit]:
        message = parse_message(sequence, raw)
        if message is None:
            damaged.messages.append(sequence)
        elif (
            not isinstance(onset_ms, int)
            or not isinstance(peak_score, float)
            or event_ids != [message["data"]["event_id"].encode()] * 2
        ):
            damaged.sounds.append(sound)
        else:
            items.append(_make_item(message, peak_score))
    # If a row is damaged, the query is repeated; without a valid cursor the page is the last.
    return Page(
        items, _encode_cursor(*rows[limit - 1][:2]) if more and isinstance(rows[limit - 1][0], int) else None
    ), damaged


def read_event(connection: sqlite3.Connection, event_id: str) -> tuple[Json | None, DamagedRows]:
    """Return one event as in `Page`, with all its CloudEvents in order as `messages`."""
    query = "SELECT sequence, message FROM events WHERE event_id = ? ORDER BY sequence"
    messages, damaged = _parse_rows(connection.execute(query, [event_id]).fetchall())
    if not messages:
        return None, damaged
    peak_score = max(message["data"]["peak_score"] for message in messages)
    return {**_make_item(messages[-1], peak_score), "messages": messages}, damaged


def read_messages(connection: sqlite3.Connection, sequence: int, limit: int) -> tuple[list[Json], DamagedRows]:
    """Return CloudEvents with a higher sequence, in order."""
    query = "SELECT sequence, message FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return _parse_rows(connection.execute(query, [sequence, limit]).fetchall())


def read_unfinished(connection: sqlite3.Connection, newest: int) -> tuple[list[Json], DamagedRows]:
    """Return the last CloudEvent of every open event up to the sequence `newest`, in order."""
    last = "SELECT last_sequence FROM sounds WHERE NOT ended AND last_sequence <= ?"
    query = f"SELECT sequence, message FROM events WHERE sequence IN ({last}) ORDER BY sequence"  # noqa: S608 - see above
    return _parse_rows(connection.execute(query, [newest]).fetchall())


def _parse_rows(rows: list[tuple[int, object]]) -> tuple[list[Json], DamagedRows]:
    read = [(sequence, parse_message(sequence, raw)) for sequence, raw in rows]
    damaged = DamagedRows(messages=[sequence for sequence, message in read if message is None])
    return [message for _, message in read if message is not None], damaged


def _make_item(message: Json, peak_score: float) -> Json:
    data = message["data"]
    return {**data, "source": data["source_name"], "score": peak_score, "peak_score": peak_score, "event": message}


def _to_milliseconds(seconds: float | None) -> float | None:
    # A float of seconds since 1970 is not exact to the millisecond; times are compared to 0.01 ms.
    return None if seconds is None else round(seconds * 1000.0, 2)


def _encode_cursor(onset_ms: int, sequence: int) -> str:
    return base64.urlsafe_b64encode(f"{onset_ms:d},{sequence:d}".encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> list[int]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        onset_ms, sequence = (int(part) for part in text.split(",") if len(part) <= _DIGITS)
    except ValueError as exc:
        msg = f"cursor {cursor[:80]!r} is not from this history"
        raise UsageError(msg, remedy="use next_cursor of the page before, or leave it out") from exc
    return [onset_ms, sequence]
