"""Events on their way to the disk: in order, kept while it is full, closed after a kill."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from edge.errors import StorageError
from edge.publish.payload import EventContext, ModelInfo
from edge.recorder import Recorder
from edge.store import Store
from edge.telemetry import Metrics
from edge.types import Event, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def utc(index: int) -> datetime:
    return NOON + timedelta(seconds=index / 16_000)


def event(number: int, phase: Phase = Phase.START) -> Event:
    end = 32_000 if phase is Phase.END else None
    return Event(f"e{number}", phase, "siren", 0.9, 0.9, 16_000, end, 40_000, laeq_db=-20.0, lafmax_db=-10.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path, retention_days=1, max_events=1000, outbox_max=1000, clips_max_mb=1)
    yield opened
    opened.close()


@pytest.fixture
def recorded() -> list[tuple[str, Event]]:
    return []


@pytest.fixture
def closed() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def build(store: Store, recorded: list[tuple[str, Event]], closed: list[tuple[str, str]]) -> Callable[[], Recorder]:
    def context(source: str, _event: Event) -> EventContext:
        model = ModelInfo("tiny", "1", "0" * 64, "cpu")
        return EventContext("n", source, "", model, calibrated=False, clock_synced=True, severity="info")

    def make() -> Recorder:
        return Recorder(
            store,
            Metrics(CollectorRegistry()),
            rate_hz=16_000,
            context=context,
            topic=lambda source: f"t/{source}",
            on_recorded=lambda source, event: recorded.append((source, event)),
            on_closed=lambda source, label: closed.append((source, label)),
        )

    return make


def messages(store: Store) -> list[dict[str, Any]]:
    return store.messages_after(0, 1000)


def test_messages_are_written_in_order_before_anybody_is_told(
    build: Callable[[], Recorder], store: Store, recorded: list[tuple[str, Event]]
) -> None:
    """Stopping writes what still waits."""
    recorder = build()
    for number in range(20):
        recorder.put("mic", event(number), utc)
    recorder.start()
    recorder.stop()
    assert [message["data"]["event_id"] for message in messages(store)] == [f"e{n}" for n in range(20)]
    assert [told.event_id for _, told in recorded] == [f"e{n}" for n in range(20)]
    assert messages(store)[0]["data"]["onset_time"] == "2026-01-01T12:00:01.000Z"
    assert store.outbox_stats()[0] == 20


def test_a_full_disk_delays_and_loses_nothing(
    build: Callable[[], Recorder], store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same messages are tried until there is room, in order; the reason is there to be shown, and said once."""
    failing, tried = threading.Event(), threading.Semaphore(0)
    failing.set()
    write = store.record

    def sometimes(*args: Any, **options: Any) -> dict[str, Any]:
        tried.release()
        if failing.is_set():
            msg = "the disk is full"
            raise StorageError(msg)
        return write(*args, **options)

    monkeypatch.setattr(store, "record", sometimes)
    monkeypatch.setattr("edge.recorder._RETRY_S", 0.01)
    recorder = build()
    recorder.start()
    for number in range(3):
        recorder.put("mic", event(number), utc)
    for _ in range(5):
        assert tried.acquire(timeout=5)
    assert recorder.problem == "the disk is full"
    failing.clear()
    recorder.stop()
    assert [message["data"]["event_id"] for message in messages(store)] == ["e0", "e1", "e2"]
    assert recorder.problem == ""
    assert sum("disk is full" in record.getMessage() for record in caplog.records) == 1


def test_more_than_fits_in_memory_is_counted_as_lost(
    build: Callable[[], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded, and never silent; the first place is taken by what a kill may have left open."""
    monkeypatch.setattr("edge.recorder.QUEUE_MAX", 5)
    recorder = build()
    for number in range(8):
        recorder.put("mic", event(number), utc)
    assert recorder._metrics.registry.get_sample_value("tocsin_events_lost_total") == 4


def test_an_event_left_open_by_a_kill_is_ended_at_the_next_start(
    build: Callable[[], Recorder], store: Store, closed: list[tuple[str, str]]
) -> None:
    """Once, with a gap, and its state goes off; one that had its end is left alone."""
    recorder = build()
    recorder.start()
    for record in (event(1), event(2), event(2, Phase.END)):
        recorder.put("mic", record, utc)
    recorder.stop()
    for _ in range(2):
        again = build()
        again.start()
        again.stop()
    ends = [m for m in messages(store) if m["type"] == "io.tocsin.sound.end.v1" and m["data"]["event_id"] == "e1"]
    assert len(ends) == 1
    assert ends[0]["data"]["gap"]
    assert len(messages(store)) == 4
    assert closed == [("mic", "siren")]


def test_the_sound_of_an_event_is_kept_when_it_is_given(build: Callable[[], Recorder], store: Store) -> None:
    """The message names the clip, and the store has it."""
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


def test_upkeep_that_fails_holds_up_no_event(
    build: Callable[[], Recorder], store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next upkeep comes in a minute anyway."""

    def fail(_now: float) -> None:
        msg = "a clip cannot be removed"
        raise StorageError(msg)

    monkeypatch.setattr(store, "maintain", fail)
    recorder = build()
    recorder.maintain()
    recorder.put("mic", event(1), utc)
    recorder.start()
    recorder.stop()
    assert len(messages(store)) == 1
    assert "put off: a clip cannot be removed" in caplog.text
    assert recorder.problem == ""


def test_stopping_never_hangs_and_counts_what_the_disk_did_not_take(
    build: Callable[[], Recorder], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even with a full queue on a full disk."""

    def full(*_args: Any, **_options: Any) -> dict[str, Any]:
        msg = "the disk is full"
        raise StorageError(msg)

    monkeypatch.setattr(store, "record", full)
    monkeypatch.setattr("edge.recorder.QUEUE_MAX", 4)
    monkeypatch.setattr("edge.recorder._RETRY_S", 0.01)
    recorder = build()
    for number in range(3):
        recorder.put("mic", event(number), utc)
    recorder.start()
    recorder.stop(0.1)
    assert not recorder._thread.is_alive()
    assert recorder._metrics.registry.get_sample_value("tocsin_events_lost_total") == 3


@pytest.mark.parametrize("step", [timedelta(days=20_000), timedelta(seconds=100), timedelta(days=-9_000)])
def test_a_clock_that_is_set_meanwhile_moves_no_onset_and_no_length(
    build: Callable[[], Recorder], store: Store, step: timedelta
) -> None:
    """A box without a battery learns the time late, and another's is set back."""
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
