"""Writes to the tables of the history: insertion, repair, retention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.clock import parse_rfc3339
from edge.store.reads import parse_message

if TYPE_CHECKING:
    import sqlite3

    from edge.store.reads import DamagedRows, Json

EARLIEST_MS = 1_704_067_200_000
"""The year 2024: an earlier time comes from a node with a wrong clock."""

_CANDIDATES = 10_000  # examined for the newest event that is certainly too old


def insert(connection: sqlite3.Connection, sequence: int, message: Json, text: str) -> None:
    """Write a message, and update its event."""
    connection.execute(
        "INSERT INTO events (sequence, event_id, message) VALUES (?, ?, ?)",
        [sequence, message["data"]["event_id"], text],
    )
    _update_event(connection, sequence, message)


def repair(connection: sqlite3.Connection, damaged: DamagedRows) -> int:
    """Remove unreadable messages, and rebuild their events from the rest; return the number removed."""
    before = connection.total_changes
    sounds = set(damaged.sounds)
    for sequence in damaged.messages:
        own = "(SELECT event_id FROM events WHERE sequence = ?)"
        query = f"SELECT sequence FROM sounds WHERE last_sequence = ? OR event_id = {own}"  # noqa: S608 - the line above
        sounds.update(sound for (sound,) in connection.execute(query, [sequence, sequence]))
        connection.execute("DELETE FROM events WHERE sequence = ?", [sequence])
    removed = connection.total_changes - before
    for sound in sounds:
        removed += _rebuild_event(connection, sound)
    return removed


def mark_ended(connection: sqlite3.Connection, event_id: str) -> None:
    """Mark an event as ended although it has no `end` message."""
    connection.execute("UPDATE sounds SET ended = 1 WHERE event_id = ?", [event_id])


def find_newest_expired(connection: sqlite3.Connection, oldest_s: float) -> int:
    """Return the sequence of the newest event surely older than `oldest_s`; 0 for none.

    `oldest_s` is in Unix seconds. Times of a node without a synchronized clock are not used. But an event that was
    recorded before one with a synchronized time is at least as old. The clock may have been wrong all the same, so the
    caller spares the events whose own times are recent.
    """
    query = """SELECT s.sequence FROM (
            SELECT sequence, onset_ms FROM sounds WHERE onset_ms >= ? AND onset_ms < ? ORDER BY onset_ms DESC LIMIT ?
        ) s JOIN events e ON e.sequence = s.sequence
        WHERE CASE WHEN json_valid(e.message) THEN json_extract(e.message, '$.data.clock.synced') END
        ORDER BY s.onset_ms DESC LIMIT 1"""
    row = connection.execute(query, [EARLIEST_MS, round(oldest_s * 1000.0), _CANDIDATES]).fetchone()
    return int(row[0]) if row else 0


def find_newest_excess(connection: sqlite3.Connection, max_events: int) -> int:
    """Return the sequence up to which events exceed the limit `max_events`; 0 for none."""
    query = "SELECT sequence FROM sounds ORDER BY sequence DESC LIMIT 1 OFFSET ?"
    row = connection.execute(query, [max_events]).fetchone()
    return int(row[0]) if row else 0


def remove_oldest(
    connection: sqlite3.Connection, sequence: int, limit: int, *, spared_s: tuple[float, float] | None = None
) -> list[str]:
    """Remove the oldest events up to a sequence, at most `limit`; return their ids.

    Events that began within `spared_s`, in Unix seconds, stay.
    """
    first_s, last_s = spared_s or (1.0, 0.0)  # an empty interval
    some = "FROM sounds WHERE sequence <= ? AND NOT onset_ms BETWEEN ? AND ?"
    spared_ms = [round(first_s * 1000.0), round(last_s * 1000.0)]
    query = f"SELECT sequence, event_id {some} ORDER BY sequence LIMIT ?"
    found = connection.execute(query, [sequence, *spared_ms, limit]).fetchall()
    if found:
        values = [found[-1][0], *spared_ms]
        own = f"SELECT event_id {some}"
        connection.execute(f"DELETE FROM events WHERE event_id IN ({own})", values)  # noqa: S608 - the line above
        connection.execute(f"DELETE {some}", values)
    return [event_id.decode(errors="replace") for _, event_id in found if isinstance(event_id, bytes)]


def find_newest_onset_s(connection: sqlite3.Connection) -> float | None:
    """Return the latest onset of an event, in Unix seconds; None without events."""
    (onset_ms,) = connection.execute("SELECT max(onset_ms) FROM sounds").fetchone()
    return onset_ms / 1000.0 if isinstance(onset_ms, int) else None


def find_sequences(connection: sqlite3.Connection, event_ids: list[str]) -> dict[str, int]:
    """Return the sequences of the events that are in the history."""
    found: dict[str, int] = {}
    for event_id in event_ids:
        row = connection.execute("SELECT sequence FROM sounds WHERE event_id = ?", [event_id]).fetchone()
        if row:
            found[event_id] = row[0]
    return found


def _rebuild_event(connection: sqlite3.Connection, sound: int) -> int:
    """Rebuild an event's row from its messages, and remove unreadable ones; return the number removed."""
    query = """SELECT e.sequence, e.message FROM events e JOIN sounds s
        ON e.event_id = s.event_id OR e.sequence = s.sequence OR e.sequence = s.last_sequence
        WHERE s.sequence = ? ORDER BY e.sequence"""
    rows: list[tuple[int, Any]] = connection.execute(query, [sound]).fetchall()
    connection.execute("DELETE FROM sounds WHERE sequence = ?", [sound])
    removed = 0
    for sequence, raw in rows:
        message = parse_message(sequence, raw)
        if message is None:
            removed += connection.execute("DELETE FROM events WHERE sequence = ?", [sequence]).rowcount
        else:
            event_id = message["data"]["event_id"]
            connection.execute("UPDATE events SET event_id = ? WHERE sequence = ?", [event_id, sequence])
            _update_event(connection, sequence, message)
    return removed


def _update_event(connection: sqlite3.Connection, sequence: int, message: Json) -> None:
    """Update an event by its newest message."""
    data = message["data"]
    connection.execute(
        """INSERT INTO sounds (sequence, event_id, last_sequence, label, source_name, onset_ms, peak_score, ended)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (event_id) DO UPDATE SET last_sequence = excluded.last_sequence,
        peak_score = max(peak_score, excluded.peak_score), ended = excluded.ended""",
        [
            sequence,
            data["event_id"],
            sequence,
            data["label"],
            data["source_name"],
            round(parse_rfc3339(data["onset_time"]).timestamp() * 1000.0),
            data["peak_score"],
            data["phase"] == "end",
        ],
    )
