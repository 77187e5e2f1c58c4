"""Damage in single rows: they are removed, and all others stay."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tests.store.messages import TOPIC, sound

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edge.store import Store
    from tests.store.conftest import OpenStore

DEEP = "[" * 100_000


def prepare(store: Store) -> None:
    """Record six events, the last two without an end, and close the store."""
    for number in range(6):
        store.record(sound(f"e{number}", onset_s=number), topic=TOPIC)
        if number < 4:
            store.record(sound(f"e{number}", "end", onset_s=number), topic=TOPIC)
    store.state_set("away", "kept")
    store.close()


def damage(folder: Path, *statements: tuple[str, list[Any]]) -> None:
    """Change the database of a stopped node."""
    with contextlib.closing(sqlite3.connect(folder / "tocsin.db", isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = ON")
        for statement, values in statements:
            database.execute(statement, values)


def check(store: Store, *, known: Iterable[str] = ()) -> list[str]:
    """Check that every operation of a store works; return the events that are left."""
    last = store.latest_sequence()
    made = [store.record(sound("new", phase, onset_s=1e6), topic=TOPIC) for phase in ("start", "end")]
    assert [int(message["sequence"]) for message in made] == [last + 1, last + 2]
    assert store.problem == ""
    found = [item["event_id"] for item in store.events(limit=100).items]
    assert found[0] == "new"
    assert set(known) <= set(found)
    for event_id in found:
        assert store.event(event_id) is not None
    assert store.messages_after(0, 1000)[-2:] == made
    store.list_unfinished()
    while rows := store.outbox_peek(0, 3):
        for row in rows:
            json.loads(row.payload)
            store.outbox_remove(row.sequence)
    assert store.outbox_stats() == (0, 0.0)
    assert (store.lost, store.unwritten) == (0, 0)
    return found


NOT_UTF8 = b'\xff\xfe{"'
MESSAGES = {
    "not UTF-8": NOT_UTF8, "no JSON": b"{", "another JSON": b"[1]", "deep": DEEP.encode(), "empty": b"",
    "without data": b'{"id": "a"}', "a number": b"1e999",
}  # fmt: skip


@pytest.mark.parametrize("content", MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("event_id", ["e1", "e5"])
def test_a_message_that_cannot_be_read(
    store: Store, open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, event_id: str
) -> None:
    """Its event is rebuilt from the readable messages, if any; it is removed, logged once, and counted."""
    prepare(store)
    statement = "UPDATE events SET message = CAST(? AS TEXT) WHERE sequence = ?"
    sequence = 4 if event_id == "e1" else 10  # the end of an event, and the only message of another
    damage(tmp_path / "state", (statement, [content, sequence]))
    store = open_store()
    assert [last["data"]["event_id"] for last in store.list_unfinished()] == [e for e in ("e4", "e5") if e != event_id]
    left = {f"e{number}" for number in range(6)} - ({"e5"} if event_id == "e5" else set())
    assert set(check(store, known=left)) == {*left, "new"}
    assert store.removed == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    store.close()
    assert set(check(open_store(), known=left)) == {*left, "new"}


@pytest.mark.parametrize(
    "change",
    [
        "event_id = 'e9'",
        "onset_ms = 'noon'",
        "peak_score = x'00'",
        "onset_ms = x'ff', peak_score = 'high'",
        "last_sequence = 7",
    ],
)
def test_an_event_is_rebuilt_from_its_messages(
    store: Store, open_store: OpenStore, tmp_path: Path, change: str
) -> None:
    """If only the columns for sorting are damaged, nothing is lost."""
    prepare(store)
    statement = f"UPDATE sounds SET {change} WHERE event_id = 'e3'"  # noqa: S608 - the table above
    damage(tmp_path / "state", (statement, []))
    check(open_store(), known={"e0", "e1", "e2", "e4", "e5"} | ({"e3"} if "last" not in change else set()))


@pytest.mark.parametrize(
    ("column", "value"),
    [("topic", None), ("payload", 1.5), ("payload", b"{"), ("payload", DEEP.encode()),
     ("payload", NOT_UTF8)],
)  # fmt: skip
def test_a_waiting_message_that_cannot_be_read(
    store: Store, open_store: OpenStore, tmp_path: Path, column: str, value: object
) -> None:
    """It is removed from the outbox and counted; the others are sent in order."""
    prepare(store)
    new = "CAST(x'74fe' AS TEXT)" if value is None else "?"
    statement = f"UPDATE outbox SET {column} = {new} WHERE sequence = 3"  # noqa: S608 - the table above
    damage(tmp_path / "state", (statement, [] if value is None else [value]))
    store = open_store()
    sent = [row.sequence for row in store.outbox_peek(0, 4)]
    assert sent == [1, 2, 4, 5]
    assert store.removed == 1
    assert len(check(store)) == 7


@pytest.mark.parametrize("place", ["-sequence", "sequence + (1 << 61)", "sequence - (1 << 62)"])
def test_a_waiting_message_with_a_damaged_sequence_is_sent(
    store: Store, open_store: OpenStore, tmp_path: Path, place: str
) -> None:
    """It is sent, and blocks no other."""
    prepare(store)
    damage(tmp_path / "state", (f"UPDATE outbox SET sequence = {place} WHERE sequence IN (1, 4)", []))  # noqa: S608
    store = open_store()
    first = store.outbox_peek(0, 99)
    new = store.record(sound("late"), topic=TOPIC)
    sent = [json.loads(row.payload)["id"] for row in first]
    assert sent[:8] == [f"m{number}" for number in (2, 3, 5, 6, 7, 8, 9, 10)]
    assert set(sent[8:]) == {"m1", "m4"}
    assert [json.loads(row.payload)["id"] for row in store.outbox_peek(first[-1].sequence, 99)] == [new["id"]]
    check(store)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE sqlite_sequence SET seq = 3", "DELETE FROM sqlite_sequence", "UPDATE sqlite_sequence SET seq = 'many'",
     "UPDATE sqlite_sequence SET seq = 9223372036854775807", "UPDATE sqlite_sequence SET seq = -1",
     "UPDATE sqlite_sequence SET seq = 1.5", "INSERT INTO sqlite_sequence VALUES ('events', x'00')"],
)  # fmt: skip
@pytest.mark.parametrize("note", [True, False])
def test_no_number_is_given_out_twice(
    store: Store, open_store: OpenStore, tmp_path: Path, statement: str, note: bool
) -> None:
    """Also if the database holds a wrong last sequence."""
    prepare(store)
    damage(tmp_path / "state", (statement, []))
    if not note:
        (tmp_path / "state" / "tocsin.sequence").unlink()
    store = open_store()
    assert 10 <= store.latest_sequence() < 1 << 53
    assert len(check(store)) == 7


@pytest.mark.parametrize(
    "statement",
    [*(f"DROP TABLE {name}" for name in ("events", "sounds", "outbox", "state")), "PRAGMA user_version = 0",
     "PRAGMA user_version = -1", "PRAGMA user_version = 65537", "ALTER TABLE sounds RENAME COLUMN label TO lapel",
     "ALTER TABLE outbox DROP COLUMN queued_s", "DELETE FROM sqlite_master"],
)  # fmt: skip
def test_a_database_that_is_another_is_moved_aside(
    store: Store, open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    """Outbox and states are copied if they exist, and sequences continue."""
    prepare(store)
    damage(tmp_path / "state", (statement, []))
    store = open_store()
    assert store.latest_sequence() >= 10
    gone = any(name in statement for name in ("outbox", "sqlite_master"))
    assert [row.sequence for row in store.outbox_peek(0, 99)] == ([] if gone else list(range(1, 11)))
    assert store.state_get("away") == (None if statement[-5:] in ("state", "aster") else "kept")
    assert check(store) == ["new"]
    assert "a new history is begun" in caplog.text
    assert len(list((tmp_path / "state").glob("tocsin.db.corrupt-*"))) == 1


@pytest.mark.parametrize("value", ["CAST(x'ff' AS TEXT)", "x'fe'"])
def test_a_state_that_cannot_be_read_does_not_count(
    store: Store, open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    """It is logged, and can be set again."""
    prepare(store)
    damage(tmp_path / "state", (f"UPDATE state SET value = {value}", []))  # noqa: S608 - the table above
    store = open_store()
    assert store.state_get("away") is None
    assert "away cannot be read" in caplog.text
    store.state_set("away", "new")
    assert store.state_get("away") == "new"


@pytest.mark.parametrize("kind", ["bit", "bits", "page", "index"])
@pytest.mark.parametrize("seed", range(12))
def test_random_damage(store: Store, open_store: OpenStore, tmp_path: Path, kind: str, seed: int) -> None:
    """After any damage the history answers, the outbox is sent, and new messages are recorded."""
    rng = random.Random(f"{kind} {seed}")
    for number in range(150):
        store.record(sound(f"e{number}", onset_s=number), topic=TOPIC)
    store.close()
    path = tmp_path / "state" / "tocsin.db"
    content = bytearray(path.read_bytes())
    if kind == "page":
        begin = rng.randrange(len(content) // 4096) * 4096
        content[begin : begin + 4096] = bytes(4096)
    else:
        for _ in range({"bit": 1, "bits": 50, "index": 400}[kind]):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    check(open_store())
