"""Messages that the disk refuses: kept in memory, sent from there, and written later."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from edge.errors import StorageError
from edge.store import Store
from tests.store.messages import TOPIC, sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.store.conftest import OpenStore

    Lock = Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store wait for no lock, and try again at once."""
    monkeypatch.setattr("edge.store.opening._BUSY_S", 0.0)
    monkeypatch.setattr("edge.store.journal._RETRY_S", 0.0)
    monkeypatch.setattr("edge.store.journal._PAUSE", 0)


@contextlib.contextmanager
def other_program(folder: Path, *statements: str) -> Iterator[None]:
    """Let another program lock the database."""
    with contextlib.closing(sqlite3.connect(folder / "state" / "tocsin.db", isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement)
        yield


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    """Return a context manager in which another program locks the database."""
    return lambda: other_program(tmp_path, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")


@pytest.fixture
def writing(tmp_path: Path) -> Lock:
    """Return a context manager in which another program writes to the database."""
    return lambda: other_program(tmp_path, "BEGIN IMMEDIATE")


def record(store: Store, name: str, *, topic: str | None = TOPIC) -> str:
    return str(store.record(sound(name), topic=topic)["id"])


def waiting(store: Store) -> list[str]:
    """Return the events in the outbox, in the order of sending."""
    found: list[str] = []
    after = 0
    while rows := store.outbox_peek(after, 2):
        found += [row.payload.decode().partition('"event_id":"')[2].partition('"')[0] for row in rows]
        after = rows[-1].sequence
    return found


def test_a_message_reaches_listeners_and_broker_while_it_waits_for_the_disk(
    writing: Lock, open_store: OpenStore
) -> None:
    """Listeners, outbox and replay have it at once; once acknowledged, it is not sent again."""
    store = open_store()
    told: list[str] = []
    store.subscribe(lambda message: told.append(message["id"]))
    record(store, "a")
    with writing():
        ids = [record(store, name) for name in "bcd"]
        assert "the other program" in store.problem
        assert told[1:] == ids
        assert [message["id"] for message in store.messages_after(1, 2)] == ids[:2]
        assert (waiting(store), store.outbox_stats()[0], store.unwritten) == (["a", "b", "c", "d"], 4, 3)
        for sequence in (1, 2):
            store.outbox_remove(sequence)
        assert (waiting(store), store.outbox_stats()[0]) == (["c", "d"], 2)
    store.catch_up()
    assert (store.problem, store.unwritten) == ("", 0)
    assert (waiting(store), store.outbox_stats()[0]) == (["c", "d"], 2)
    assert [item["event_id"] for item in store.events().items] == ["d", "c", "b", "a"]
    store.close()
    store = open_store()
    assert (waiting(store), store.outbox_stats()[0]) == (["c", "d"], 2)


def test_a_message_acknowledged_while_the_disk_refuses_is_removed_later(writing: Lock, store: Store) -> None:
    """It neither blocks later messages nor is it sent again."""
    for name in "abcd":
        record(store, name)
    with writing():
        for sequence in (1, 1, 3):
            store.outbox_remove(sequence)
        assert (waiting(store), store.outbox_stats()[0]) == (["b", "d"], 2)
    record(store, "e")
    store.outbox_remove(4)
    assert (waiting(store), store.outbox_stats()[0]) == (["b", "e"], 2)


def test_a_start_without_the_database_sends_what_is_old_behind_what_is_new(lock: Lock, open_store: OpenStore) -> None:
    """New messages are sent at once under unused sequences; those in the file follow once it opens."""
    store = open_store()
    old = [record(store, name) for name in "abc"]
    store.state_set("away", "kept")
    store.close()
    with lock():
        store = open_store()
        assert "the other program" in store.problem
        record(store, "new")
        (row,) = store.outbox_peek(0, 5)
        assert row.sequence > 3
        store.outbox_remove(row.sequence)
        record(store, "next")
        assert [row.sequence for row in store.outbox_peek(row.sequence, 5)] == [row.sequence + 1]
        store.state_set("away", "changed")
        assert store.state_get("away") == "changed"
    store.catch_up()
    assert store.problem == ""
    rows = store.outbox_peek(row.sequence + 1, 9)
    assert [id_.encode() in row.payload for id_, row in zip(old, rows, strict=True)] == [True] * 3
    assert waiting(store) == ["next", "a", "b", "c"]
    assert {item["event_id"] for item in store.events().items} == {"new", "next", "a", "b", "c"}
    assert int(store.record(sound("last"), topic=TOPIC)["sequence"]) > rows[-1].sequence
    store.close()
    assert open_store().state_get("away") == "changed"


def test_a_start_without_the_database_knows_what_was_kept(lock: Lock, open_store: OpenStore) -> None:
    """The away mode is unchanged, although the file cannot be opened for writing."""
    store = open_store()
    store.state_set("away", "kept")
    store.close()
    with lock():
        assert open_store().state_get("away") == "kept"


def test_a_start_on_a_disk_that_let_no_table_be_made_says_no_more_than_that(
    lock: Lock, open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A database without tables holds no state, and it is not damaged."""
    (tmp_path / "state").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "tocsin.db")) as begun:
        begun.execute("PRAGMA journal_mode = WAL")
    with lock():
        store = open_store()
        assert store.state_get("away") is None
        record(store, "a")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "wait in memory" in caplog.text
    store.catch_up()
    assert (store.problem, waiting(store)) == ("", ["a"])


def test_numbers_that_turn_out_to_be_taken_are_changed(
    lock: Lock, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If neither clock nor sequence file prevented it, sequences change; a message's id stays."""
    monkeypatch.setattr("edge.store.journal._SLACK", 3)
    store = open_store()
    for name in "abcdefg":
        record(store, name, topic=None)
    store.close()
    (tmp_path / "state" / "tocsin.sequence").unlink()
    monkeypatch.setattr("time.time", lambda: 1.0)
    with lock():
        store = open_store()
        id_ = record(store, "new")
    store.catch_up()
    (message,) = (message for message in store.messages_after(7, 10))
    assert (message["data"]["event_id"], store.lost) == ("new", 0)
    assert int(message["sequence"]) == store.latest_sequence() == 8
    assert id_.startswith("m")


@pytest.mark.parametrize("content", [b"", b"no log" * 999, bytes(4096 * 30)])
@pytest.mark.parametrize("ask", [Store.events, waiting])
def test_a_damaged_write_ahead_log_is_replaced(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, ask: Callable[[Store], object]
) -> None:
    """SQLite reports a disk error; the history continues at the next try."""
    record(store, "a")
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "tocsin.db")) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    record(store, "b")
    (tmp_path / "state" / "tocsin.db-wal").write_bytes(content)
    with contextlib.suppress(StorageError):
        ask(store)
    store.catch_up()
    for name in "cd":
        record(store, name)
    assert (store.problem, store.unwritten, store.lost) == ("", 0, 0)
    assert [item["event_id"] for item in store.events().items] in (["d", "c"], ["d", "c", "a"])
    assert waiting(store)[-2:] == ["c", "d"]
    # SQLite may write to the database what is in its log, before that is found to be wrong.
    assert "lacks the last messages before sequence 2" in caplog.text or "a new history is begun" in caplog.text


def test_memory_is_bounded(writing: Lock, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest messages are dropped and counted."""
    monkeypatch.setattr("edge.store.backlog.BACKLOG_MAX", 3)
    with writing():
        for name in "abcde":
            record(store, name)
        assert (waiting(store), store.lost) == (["c", "d", "e"], 2)
    store.catch_up()
    assert [item["event_id"] for item in store.events().items] == ["e", "d", "c"]


def test_an_invalid_message_blocks_no_other(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A programming error is logged and counted, and the others are written."""

    def broken(sequence: int) -> dict[str, object]:
        message = sound("broken")(sequence)
        message["data"]["label"] = None
        return message

    store.record(broken, topic=TOPIC)
    record(store, "a")
    assert [item["event_id"] for item in store.events().items] == ["a"]
    assert (store.problem, store.lost, waiting(store)) == ("", 1, ["a"])
    assert "cannot be recorded and is lost" in caplog.text
