"""Durability: a store that is killed, damaged, full or opened twice."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from edge.errors import StorageError
from edge.store import schema
from tests.store.messages import TOPIC, sound

if TYPE_CHECKING:
    from edge.store import Store
    from tests.store.conftest import OpenStore

ROOT = Path(__file__).parents[2]


def start(*arguments: str | Path, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start the writer in a process of its own."""
    command = [*prefix, sys.executable, "-m", "tests.store.writer", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_what_was_recorded_survives_a_kill(tmp_path: Path, open_store: OpenStore) -> None:
    """After two kills history and outbox hold every message that was reported as recorded."""
    said = []
    for _ in range(2):
        with start("endless", tmp_path / "state") as process:
            assert process.stdout is not None
            said += [int(process.stdout.readline()) for _ in range(30)]
            process.send_signal(signal.SIGKILL)
            said += [int(line) for line in process.stdout]
    store = open_store()
    stored = [int(message["sequence"]) for message in store.messages_after(0, 100_000)]
    assert stored == list(range(1, len(stored) + 1))
    assert said == sorted(set(said) & set(stored))
    assert [row.sequence for row in store.outbox_peek(0, 100_000)] == stored
    assert store.outbox_stats()[0] == len(stored)


def test_a_second_service_is_refused(store: Store, open_store: OpenStore, tmp_path: Path) -> None:
    """Two services never share a folder: the second names the first, and may start once that has ended."""
    with pytest.raises(StorageError, match=rf"another tocsin \(process {os.getpid()}\) uses the folder"):
        open_store()
    store.close()
    with start("endless", tmp_path / "state") as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StorageError, match=rf"another tocsin \(process {process.pid}\) uses the folder"):
            open_store()
        process.kill()
    assert open_store().latest_sequence() > 0


def test_an_unusable_folder_is_reported(open_store: OpenStore, tmp_path: Path) -> None:
    """A file in place of the folder is named, with a remedy."""
    (tmp_path / "state").write_text("no folder")
    with pytest.raises(StorageError, match=r"state: the folder cannot be used: File exists; set storage\.path"):
        open_store()


def test_a_programming_error_destroys_nothing(
    store: Store, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not every error at the start is damage: one in a migration leaves the file in place."""
    store.close()
    step = ("INSERT INTO state VALUES ('a', 'once')", "INSERT INTO state VALUES ('a', 'twice')")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    with pytest.raises(sqlite3.IntegrityError):
        open_store()
    assert list((tmp_path / "state").glob("*.corrupt-*")) == []


@pytest.mark.parametrize("damage", ["garbage", "truncated", "page"])
def test_a_damaged_history_is_moved_aside(
    store: Store, open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """The node starts a new history, keeps the damaged file, logs it once, and uses no sequence twice.

    Readable messages of the outbox are copied.
    """
    for i in range(50):
        store.record(sound(f"e{i}"), topic=TOPIC)
    store.close()
    path = tmp_path / "state" / "tocsin.db"
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content[:] = b"no database " * 1000
    elif damage == "truncated":
        del content[len(content) // 2 :]
    else:
        content[3 * 4096 : 4 * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    store = open_store()
    assert store.events().items == []
    taken_over = [row.sequence for row in store.outbox_peek(0, 100)]
    assert set(taken_over) <= set(range(1, 51))
    assert bool(taken_over) is (damage == "page")
    assert int(store.record(sound("new"), topic=None)["sequence"]) > 50
    (aside,) = path.parent.glob("tocsin.db.corrupt-*")
    assert aside.read_bytes() == content
    (record,) = caplog.records
    assert aside.name in record.getMessage()
    assert "\n" not in record.getMessage()


def test_damaged_files_do_not_pile_up(store: Store, open_store: OpenStore, tmp_path: Path) -> None:
    """A disk that damages the history at every start is not filled by the damaged files."""
    store.close()
    for _ in range(4):
        (tmp_path / "state" / "tocsin.db").write_bytes(b"no database " * 1000)
        open_store().close()
    assert len(list((tmp_path / "state").glob("tocsin.db.corrupt-*"))) == 2


def test_a_clock_that_is_behind_does_not_remove_what_was_just_moved_aside(
    store: Store, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The messages in its outbox are copied, whatever the names of earlier files."""
    store.record(sound("a"), topic=TOPIC)
    store.close()
    for year in (2026, 2031, 2028, 1970):
        clock = Mock(now=lambda zone, year=year: datetime(year, 1, 1, tzinfo=zone))
        monkeypatch.setattr("edge.store.damage.datetime", clock)
        with contextlib.closing(sqlite3.connect(tmp_path / "state" / "tocsin.db")) as database:
            database.execute("DROP TABLE sounds")
        store = open_store()
        assert [row.sequence for row in store.outbox_peek(0, 10)] == [1]
        store.close()
        names = [path.name for path in (tmp_path / "state").glob("tocsin.db.corrupt-*")]
        assert any(f"corrupt-{year}" in name for name in names)
        assert len(names) <= 2


def test_a_newer_database_is_left_alone(store: Store, open_store: OpenStore, tmp_path: Path) -> None:
    """After a downgrade the history is refused, not destroyed."""
    store.record(sound("a"), topic=None)
    store.close()
    path = tmp_path / "state" / "tocsin.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StorageError, match="newer Tocsin"):
        open_store()
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM events").fetchone() == (1,)
    database.close()


def test_a_migration_that_fails_changes_nothing(
    store: Store, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed migration the older version finds the history unchanged."""
    store.record(sound("a"), topic=None)
    store.close()
    step = ("ALTER TABLE state ADD COLUMN since REAL", "INSERT INTO state VALUES ('migrated', 'yes', 1.0)")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, (*step, "no SQL")))
        with pytest.raises(StorageError, match="syntax error"):
            open_store()
    store = open_store()
    assert (store.state_get("migrated"), store.event("a") is not None) == (None, True)


def test_a_migration_is_applied_once(store: Store, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second start has nothing to migrate, and the old events are there."""
    store.record(sound("a"), topic=None)
    store.close()
    step = ("ALTER TABLE state ADD COLUMN since REAL", "INSERT INTO state VALUES ('migrated', 'yes', 1.0)")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    for _ in range(2):
        store = open_store()
        assert (store.state_get("migrated"), store.event("a") is not None) == ("yes", True)
        store.close()


def test_sqlite_readers_from_outside_find_the_messages(store: Store, tmp_path: Path) -> None:
    """The file is plain SQLite: a table `events` by `sequence`, readable while the service writes."""
    message = store.record(sound("a"), topic=None)
    database = sqlite3.connect(tmp_path / "state" / "tocsin.db")
    rows = database.execute("SELECT sequence, event_id, json_extract(message, '$.id') FROM events").fetchall()
    database.close()
    assert rows == [(1, "a", message["id"])]


def test_a_file_that_may_not_grow(tmp_path: Path, open_store: OpenStore) -> None:
    """A refused write is logged in one line, and the messages are written later."""
    with start("limited", tmp_path / "state") as process:
        output, _ = process.communicate(timeout=30)
    check_refusal(output)
    store = open_store()
    assert [int(message["sequence"]) for message in store.messages_after(0, 100_000)] == sequences(output)


@pytest.mark.root
def test_a_full_disk(tmp_path: Path) -> None:
    """A full disk is logged in one line; once there is room, all messages are there without a gap."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=1m none "{disk}" && exec "$@"'
    with start("full", disk, prefix=("unshare", "-m", "sh", "-c", mount, "sh")) as process:
        output, _ = process.communicate(timeout=30)
    assert "make room on the disk" in check_refusal(output)


def sequences(output: str) -> list[int]:
    """Return the sequences that the writer reported."""
    return [int(line) for line in output.splitlines() if line.isdigit()]


def check_refusal(output: str) -> str:
    """Check that the writer was refused, continued, and left no gap; return the reason."""
    refused = [line for line in output.splitlines() if line.startswith("refused ")]
    done = sequences(output)
    assert len(refused) == 3, output
    assert "tocsin.db: it cannot be written" in refused[0]
    assert done == list(range(1, len(done) + 1))
    assert output.splitlines().index(refused[-1]) < len(output.splitlines()) - 2
    return refused[0]
