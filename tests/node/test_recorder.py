"""Recording of events: in order, in memory with a full disk, ended after a kill."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from edge.errors import StorageError
from edge.node.recorder import Recorder
from edge.publish.payload import make_ending
from edge.store import Store
from edge.store.database import Database
from edge.store.faults import DiskRefusal
from edge.telemetry import Metrics
from edge.types import Event, Phase
from tests.support.listener import until
from tests.support.messages import make_messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.publish.payload import Stamp

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def utc(index: int) -> datetime:
    return NOON + timedelta(seconds=index / 16_000)


def event(number: int, phase: Phase = Phase.START) -> Event:
    end = 32_000 if phase is Phase.END else None
    return Event(f"e{number}", phase, "siren", 0.9, 0.9, 16_000, end, 40_000, laeq_db=-20.0, lafmax_db=-10.0)


def open_store(folder: Path) -> Store:
    return Store(folder, retention_days=1, max_events=1000, outbox_max=1000, clips_max_mb=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def recorded() -> list[tuple[str, Event]]:
    return []


@pytest.fixture
def closed() -> list[tuple[str, str]]:
    return []


Build = Callable[..., Recorder]


@pytest.fixture
def build(store: Store, recorded: list[tuple[str, Event]], closed: list[tuple[str, str]]) -> Build:
    """Return a function that makes a recorder of this or another store."""

    def make(into: Store = store) -> Recorder:
        return Recorder(
            into,
            Metrics(CollectorRegistry()),
            make_messages(),
            on_recorded=lambda source, event: recorded.append((source, event)),
            on_closed=lambda source, label: closed.append((source, label)),
        )

    return make


def messages(store: Store) -> list[dict[str, Any]]:
    return store.messages_after(0, 1000)


def test_messages_are_written_in_order_before_the_callback(
    build: Build, store: Store, recorded: list[tuple[str, Event]]
) -> None:
    """A stop writes the waiting ones."""
    recorder = build()
    for number in range(20):
        recorder.put("mic", event(number), utc)
    recorder.start()
    recorder.stop()
    assert [message["data"]["event_id"] for message in messages(store)] == [f"e{n}" for n in range(20)]
    assert [event.event_id for _, event in recorded] == [f"e{n}" for n in range(20)]
    assert messages(store)[0]["data"]["onset_time"] == "2026-01-01T12:00:01.000Z"
    assert store.outbox_stats()[0] == 20


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Return an event; while it is set, the disk refuses every change."""
    failing, transaction = threading.Event(), Database.transaction

    @contextlib.contextmanager
    def sometimes(self: Database, **options: Any) -> Iterator[Any]:
        if failing.is_set():
            msg = "the disk is full"
            raise DiskRefusal(msg)
        with transaction(self, **options) as connection:
            yield connection

    monkeypatch.setattr(Database, "transaction", sometimes)
    monkeypatch.setattr("edge.store.journal._RETRY_S", 0.01)
    monkeypatch.setattr("edge.node.recorder._TURN_S", 0.01)
    yield failing
    failing.clear()


def test_a_full_disk_neither_delays_nor_loses_events(
    build: Build,
    store: Store,
    recorded: list[tuple[str, Event]],
    full: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each callback runs at once, and once; messages can be sent, and are written later in order."""
    recorder = build()
    recorder.start()
    full.set()
    for number in range(3):
        recorder.put("mic", event(number), utc)
    until(lambda: len(recorded) == 3)
    assert recorder.problem == "the disk is full"
    sent = store.outbox_peek(0, 100)
    assert [json.loads(row.payload)["data"]["event_id"] for row in sent] == ["e0", "e1", "e2"]
    assert [int(message["sequence"]) for message in messages(store)] == [1, 2, 3]
    store.outbox_remove(1)
    full.clear()
    until(lambda: recorder.problem == "")
    recorder.stop()
    assert [message["data"]["event_id"] for message in messages(store)] == ["e0", "e1", "e2"]
    assert store.outbox_peek(0, 100) == sent[1:]
    assert (store.unwritten, len(recorded)) == (0, 3)
    assert sum("disk is full" in record.getMessage() for record in caplog.records) == 1


def test_events_beyond_the_queue_are_counted_as_lost(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded."""
    monkeypatch.setattr("edge.node.recorder.QUEUE_MAX", 5)
    recorder = build()
    for number in range(8):
        recorder.put("mic", event(number), utc)
    assert recorder._metrics.registry.get_sample_value("tocsin_events_lost_total") == 3


def test_an_event_left_open_by_a_kill_is_ended_at_the_next_start(
    build: Build, store: Store, closed: list[tuple[str, str]], tmp_path: Path
) -> None:
    """It ends once, with a gap, and its state is OFF; an ended event is unchanged."""
    recorder = build()
    recorder.start()
    for record in (event(1), event(2), event(2, Phase.END)):
        recorder.put("mic", record, utc)
    recorder.stop()
    store.close()
    for _ in range(2):
        with contextlib.closing(open_store(tmp_path)) as reopened:
            again = build(reopened)
            again.start()
            again.stop()
            written = messages(reopened)
    ends = [m for m in written if m["type"] == "io.tocsin.sound.end.v1" and m["data"]["event_id"] == "e1"]
    assert len(ends) == 1
    assert ends[0]["data"]["gap"]
    assert len(written) == 4
    assert closed == [("mic", "siren")]


def test_an_event_that_cannot_be_ended_does_not_block_others(
    build: Build, store: Store, closed: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged and counts as ended; the others are ended, and new events are recorded."""
    recorder = build()
    recorder.start()
    for number in range(3):
        recorder.put("mic", event(number), utc)
    recorder.stop()
    store.close()
    ending = make_ending

    def fail(last: dict[str, Any], stamp: Stamp) -> dict[str, Any]:
        if last["data"]["event_id"] == "e1":
            raise ValueError
        return ending(last, stamp)

    monkeypatch.setattr("edge.node.recorder.make_ending", fail)
    with contextlib.closing(open_store(tmp_path)) as reopened:
        again = build(reopened)
        again.put("mic", event(7), utc)
        again.start()
        again.stop()
        written = messages(reopened)
    assert [(m["data"]["event_id"], m["data"]["phase"]) for m in written[3:]] == [
        ("e0", "end"),
        ("e2", "end"),
        ("e7", "start"),
    ]
    with contextlib.closing(open_store(tmp_path)) as reopened:
        assert [last["data"]["event_id"] for last in reopened.list_unfinished()] == ["e7"]


def test_the_clip_of_an_event_is_stored(build: Build, store: Store) -> None:
    """The message names the clip, and the store has its file."""
    recorder = build()
    recorder.start()
    recorder.put("mic", event(1), utc)
    recorder.put("mic", event(1, Phase.END), utc, np.zeros(16_000, np.float32))
    recorder.stop()
    start, end = messages(store)
    assert start["data"]["clip"] is None
    assert end["data"]["clip"]
    path = store.clip_path("e1")
    assert path is not None
    assert path.stat().st_size > 0


def test_failed_maintenance_does_not_block_events(
    build: Build, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next maintenance is in a minute."""

    def fail(_now: float, *, by_age: bool) -> None:
        msg = "a clip cannot be removed"
        raise StorageError(msg)

    monkeypatch.setattr(store, "maintain", fail)
    recorder = build()
    recorder.maintain()
    recorder.put("mic", event(1), utc)
    recorder.start()
    recorder.stop()
    assert len(messages(store)) == 1
    assert "postponed: a clip cannot be removed" in caplog.text
    assert recorder.problem == ""


def test_a_stop_with_a_full_disk_is_quick_and_logs_the_loss(
    build: Build,
    store: Store,
    recorded: list[tuple[str, Event]],
    full: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log also has the number that the broker lacks."""
    recorder = build()
    recorder.start()
    full.set()
    for number in range(3):
        recorder.put("mic", event(number), utc)
    until(lambda: len(recorded) == 3)
    store.outbox_remove(2)
    begin_s = time.monotonic()
    recorder.stop()
    store.close()
    assert time.monotonic() - begin_s < 1.0
    assert "3 messages are not in the history" in caplog.text
    assert "the broker lacks 2 of them" in caplog.text


def test_a_failed_job_does_not_block_others(build: Build, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and counted, and not tried again."""

    def fail(_stamp: Stamp) -> dict[str, Any]:
        raise RuntimeError

    recorder = build()
    recorder.put_pattern(fail, topic=None, body=lambda _: b"", on_recorded=lambda: None)
    recorder.put("mic", event(1), utc)
    recorder.start()
    recorder.stop()
    assert [message["data"]["event_id"] for message in messages(store)] == ["e1"]
    assert "could not be recorded" in caplog.text
    assert recorder._metrics.registry.get_sample_value("tocsin_events_lost_total") == 1


@pytest.mark.parametrize("synced", [True, False])
def test_maintenance_by_age_needs_a_synchronised_clock(
    build: Build, store: Store, monkeypatch: pytest.MonkeyPatch, synced: bool
) -> None:
    """Otherwise only the number of events counts."""
    by_ages: list[bool] = []
    monkeypatch.setattr("edge.systemd.is_clock_synced", lambda: synced)
    monkeypatch.setattr(store, "maintain", lambda _now, *, by_age: by_ages.append(by_age))
    recorder = build()
    recorder.maintain()
    recorder.start()
    recorder.stop()
    assert by_ages == [synced]


@pytest.mark.parametrize("step", [timedelta(days=20_000), timedelta(seconds=100), timedelta(days=-9_000)])
def test_a_step_of_the_clock_changes_neither_onset_nor_duration(build: Build, store: Store, step: timedelta) -> None:
    """The clock may be set forwards, as on a device without a clock battery, or back."""
    recorder = build()
    recorder.start()
    recorder.put("mic", event(1), utc)
    recorder.put("mic", event(1, Phase.UPDATE), lambda index: utc(index) + step)
    recorder.put("mic", event(1, Phase.END), lambda index: utc(index) + step)
    recorder.put("mic", event(2), lambda index: utc(index) + step)
    recorder.stop()
    *one, _left = messages(store)
    assert {message["data"]["onset_time"] for message in one} == {"2026-01-01T12:00:01.000Z"}
    assert [message["data"]["duration_s"] for message in one] == [1.5, 1.5, 1.0]
    assert [message["time"] for message in one][1:] == ["2026-01-01T12:00:02.500Z", "2026-01-01T12:00:02.000Z"]
    assert one[-1]["data"]["end_time"] == "2026-01-01T12:00:02.000Z"
    again = build()
    again.start()
    again.stop()
    closed = messages(store)[-1]["data"]
    assert (closed["event_id"], closed["duration_s"]) == ("e2", 1.5)
