"""Sequences continue after a loss of the database."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.store.sequence import SequenceFile
from tests.store.messages import TOPIC, sound

if TYPE_CHECKING:
    from edge.store import Store
    from tests.store.conftest import OpenStore

ROOT = Path(__file__).parents[2]


def record(store: Store, count: int) -> int:
    """Record events and return the last sequence."""
    made = [store.record(sound(os.urandom(4).hex()), topic=TOPIC) for _ in range(count)]
    return int(made[-1]["sequence"])


@pytest.mark.parametrize("lost", ["missing", "empty", "garbage"])
@pytest.mark.parametrize("clock_s", [1.0, 1.8e9])
def test_a_new_history_goes_on_where_the_old_one_was(
    store: Store, open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, lost: str, clock_s: float,
) -> None:  # fmt: skip
    """Also with a clock that begins in 1970; the loss is logged."""
    monkeypatch.setattr("time.time", lambda: clock_s)
    last = record(store, 37)
    store.close()
    path = tmp_path / "state" / "tocsin.db"
    if lost == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if lost == "empty" else b"no database" * 999)
    store = open_store()
    assert record(store, 1) > last
    assert [record.levelname for record in caplog.records] == ["ERROR" if lost == "garbage" else "WARNING"]
    last = record(store, 1)
    store.close()
    caplog.clear()
    assert record(open_store(), 1) == last + 1
    assert not caplog.records


@pytest.mark.parametrize("note", [None, b"", b"\0" * 21])
@pytest.mark.parametrize("log", [None, b"pages"])
def test_an_empty_database_without_a_sequence_file_reuses_no_number(
    store: Store, open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, note: bytes | None,
    log: bytes | None,
) -> None:  # fmt: skip
    """After a power cut, or an older version without the file, the clock gives the number; it is logged."""
    last = record(store, 37)
    store.close()
    folder = tmp_path / "state"
    (folder / "tocsin.sequence").unlink()
    for name, left in (("tocsin.db", b""), ("tocsin.sequence", note), ("tocsin.db-wal", log)):
        if left is not None:
            (folder / name).write_bytes(left)
    assert record(open_store(), 1) > last
    (said,) = (record.getMessage() for record in caplog.records)
    assert "tocsin.db is empty or missing" in said


def test_an_ordinary_first_start_says_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """The first sequence is one."""
    assert record(store, 1) == 1
    assert not caplog.records


@pytest.mark.parametrize("garbage", [True, False])
def test_a_lost_log_costs_messages_and_no_number_is_used_twice(
    open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, garbage: bool
) -> None:
    """The write-ahead log of a killed process is missing or damaged: the missing messages are logged."""
    folder = tmp_path / "state"
    command = [sys.executable, "-m", "tests.store.writer", "endless", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(30)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout]
    log = folder / "tocsin.db-wal"
    if garbage:
        log.write_bytes(b"garbage " * 5000)
    else:
        log.unlink()
    assert record(open_store(), 1) > said[-1]
    assert any("lost" in record.getMessage() for record in caplog.records)


def test_what_is_left_of_a_database_is_not_thrown_away(open_store: OpenStore, tmp_path: Path) -> None:
    """A power cut may leave an empty database and a full log, which SQLite would delete."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "tocsin.db").write_bytes(b"")
    (folder / "tocsin.db-wal").write_bytes(b"pages")
    open_store()
    (kept,) = folder.glob("tocsin.db.corrupt-*-wal")
    assert kept.read_bytes() == b"pages"


@pytest.mark.parametrize("text", [b"", b"\0" * 21, b"9" * 20, b"-5", b"12 34", "²".encode() * 9])
def test_a_damaged_note_says_nothing(tmp_path: Path, text: bytes) -> None:
    """After a power cut the file may hold no number."""
    path = tmp_path / "note"
    path.write_bytes(text)
    note = SequenceFile(path)
    assert note.read() == 0
    note.write(7)
    note.close()
    assert note.read() == 7


def test_an_older_copy_of_the_database_gives_no_number_again(
    store: Store, open_store: OpenStore, tmp_path: Path
) -> None:
    """A restored backup brings back its history; sequences continue."""
    path = tmp_path / "state" / "tocsin.db"
    record(store, 3)
    store.close()
    shutil.copy(path, tmp_path / "backup")
    store = open_store()
    last = record(store, 5)
    store.close()
    shutil.copy(tmp_path / "backup", path)
    store = open_store()
    assert len(store.events().items) == 3
    assert record(store, 1) > last
