"""Changes to the tables of the history: a message is written, an event is put right, old ones are removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.clock import parse_rfc3339
from edge.store.reads import readable

if TYPE_CHECKING:
    import sqlite3

    from edge.store.reads import Json, Sick

EARLIEST_MS = 1_704_067_200_000
"""The year 2024: what was heard before it was heard by a node that did not know the time."""

_CANDIDATES = 10_000  # looked at for the newest event that is surely too old


def insert(connection: sqlite3.Connection, sequence: int, message: Json, text: str) -> None:
    """Write a message and what it says of its event."""
    connection.execute(
        "INSERT INTO events (sequence, event_id, message) VALUES (?, ?, ?)",
        [sequence, message["data"]["event_id"], text],
    )
    _follow(connection, sequence, message)


def mend(connection: sqlite3.Connection, sick: Sick) -> int:
    """Remove messages that cannot be read, and make their events anew from those that can; return how many went."""
    before = connection.total_changes
    sounds = set(sick.sounds)
    for sequence in sick.messages:
        own = "(SELECT event_id FROM events WHERE sequence = ?)"
        query = f"SELECT sequence FROM sounds WHERE last_sequence = ? OR event_id = {own}"  # noqa: S608 - the line above
        sounds.update(sound for (sound,) in connection.execute(query, [sequence, sequence]))
        connection.execute("DELETE FROM events WHERE sequence = ?", [sequence])
    gone = connection.total_changes - before
    for sound in sounds:
        gone += _make_anew(connection, sound)
    return gone


def forget_open(connection: sqlite3.Connection, event_id: str) -> None:
    """Count an event as ended though it has no message that says so."""
    connection.execute("UPDATE sounds SET ended = 1 WHERE event_id = ?", [event_id])


def newest_too_old(connection: sqlite3.Connection, oldest_s: float) -> int:
    """Return the sequence up to which events are surely older than `oldest_s`, in Unix seconds; 0 for none.

    The times of a node that did not know the time say nothing. But whatever was recorded before an event with a time
    that can be believed is at least as old. An event may have been believed wrongly, so those before it whose own
    times say otherwise are to be spared.
    """
    query = """SELECT s.sequence FROM (
            SELECT sequence, onset_ms FROM sounds WHERE onset_ms >= ? AND onset_ms < ? ORDER BY onset_ms DESC LIMIT ?
        ) s JOIN events e ON e.sequence = s.sequence
        WHERE CASE WHEN json_valid(e.message) THEN json_extract(e.message, '$.data.clock.synced') END
        ORDER BY s.onset_ms DESC LIMIT 1"""
    row = connection.execute(query, [EARLIEST_MS, round(oldest_s * 1000.0), _CANDIDATES]).fetchone()
    return int(row[0]) if row else 0


def newest_of_too_many(connection: sqlite3.Connection, max_events: int) -> int:
    """Return the sequence up to which events are too many; 0 for none."""
    query = "SELECT sequence FROM sounds ORDER BY sequence DESC LIMIT 1 OFFSET ?"
    row = connection.execute(query, [max_events]).fetchone()
    return int(row[0]) if row else 0


def remove_up_to(
    connection: sqlite3.Connection, sequence: int, limit: int, *, spared_s: tuple[float, float] | None = None
) -> list[str]:
    """Remove at most `limit` events up to a sequence, the oldest first; return their ids.

    Those that began within `spared_s`, in Unix seconds, stay.
    """
    first_s, last_s = spared_s or (1.0, 0.0)  # from one to nought: none
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


def newest_onset_s(connection: sqlite3.Connection) -> float | None:
    """Return the latest time at which an event began, in Unix seconds; None where there is none."""
    (onset_ms,) = connection.execute("SELECT max(onset_ms) FROM sounds").fetchone()
    return onset_ms / 1000.0 if isinstance(onset_ms, int) else None


def known(connection: sqlite3.Connection, event_ids: list[str]) -> dict[str, int]:
    """Return the sequences of those of the events that are in the history."""
    found: dict[str, int] = {}
    for event_id in event_ids:
        row = connection.execute("SELECT sequence FROM sounds WHERE event_id = ?", [event_id]).fetchone()
        if row:
            found[event_id] = row[0]
    return found


def _make_anew(connection: sqlite3.Connection, sound: int) -> int:
    """Write an event's row from its messages, and remove those that cannot be read; return how many went."""
    query = """SELECT e.sequence, e.message FROM events e JOIN sounds s
        ON e.event_id = s.event_id OR e.sequence = s.sequence OR e.sequence = s.last_sequence
        WHERE s.sequence = ? ORDER BY e.sequence"""
    rows: list[tuple[int, Any]] = connection.execute(query, [sound]).fetchall()
    connection.execute("DELETE FROM sounds WHERE sequence = ?", [sound])
    gone = 0
    for sequence, raw in rows:
        message = readable(sequence, raw)
        if message is None:
            gone += connection.execute("DELETE FROM events WHERE sequence = ?", [sequence]).rowcount
        else:
            event_id = message["data"]["event_id"]
            connection.execute("UPDATE events SET event_id = ? WHERE sequence = ?", [event_id, sequence])
            _follow(connection, sequence, message)
    return gone


def _follow(connection: sqlite3.Connection, sequence: int, message: Json) -> None:
    """Write what the newest message says of an event."""
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
