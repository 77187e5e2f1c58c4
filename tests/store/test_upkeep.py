"""Retention of events and clips, and the files of clips."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from edge.errors import StorageError
from edge.store import upkeep
from tests.store.messages import NOON_S, TOPIC, sound

if TYPE_CHECKING:
    from pathlib import Path

    from edge.store import Store
    from tests.store.conftest import OpenStore

DAY_S = 86_400.0
RATE_HZ = 16_000


def noise(seconds: float = 0.5) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return noise, which FLAC cannot compress."""
    return np.random.default_rng(1).uniform(-1.0, 1.0, round(seconds * RATE_HZ)).astype(np.float32)


def ids(store: Store) -> list[str]:
    """Return the ids of the remaining events, newest first."""
    return [item["event_id"] for item in store.events(limit=1000).items]


def test_old_events_go_with_messages_and_sound(open_store: OpenStore) -> None:
    """After the retention time an event is removed with messages and clip; a slightly younger one stays."""
    store = open_store(retention_days=2.0)
    for name, onset_s in (("old", 0.0), ("young", 0.001)):
        store.record(sound(name, onset_s=onset_s), topic=None)
        store.record(sound(name, "end", onset_s=onset_s), topic=None)
        store.save_clip(name, noise(), RATE_HZ)
    store.maintain(NOON_S + 2.0 * DAY_S + 0.001)
    assert ids(store) == ["young"]
    assert [message["data"]["event_id"] for message in store.messages_after(0, 10)] == ["young", "young"]
    assert (store.event("old"), store.clip_path("old")) == (None, None)
    assert store.clip_path("young") is not None


def test_times_of_a_clock_that_was_not_set_are_not_believed(open_store: OpenStore) -> None:
    """Events with an unsynchronized time are removed with the next event that is certainly too old."""
    store = open_store(retention_days=2.0)
    events = [("right", 0.0, True), ("1970", -NOON_S + 9.0, True), ("slow", -5 * DAY_S, False), ("next", 1.0, True)]
    for name, onset_s, synced in (*events, ("behind", -5 * DAY_S, False)):
        store.record(sound(name, onset_s=onset_s, synced=synced), topic=None)
    store.maintain(NOON_S + 1.0)
    assert len(ids(store)) == 5
    store.maintain(NOON_S + 2.0 * DAY_S + 0.5)
    assert set(ids(store)) == {"1970", "slow", "next", "behind"}
    store.maintain(NOON_S + 2.0 * DAY_S + 1.5)
    assert ids(store) == ["behind"]


@pytest.mark.parametrize("behind_days", [3, 400])
def test_a_clock_that_was_behind_for_a_while_removes_nothing_younger(open_store: OpenStore, behind_days: int) -> None:
    """Only events whose own times are old are removed, in any order of recording."""
    store = open_store(retention_days=2.0)
    behind_s = -behind_days * DAY_S
    events = [("old", -3 * DAY_S, True), ("unset", -NOON_S + 9.0, False), ("a", 0.0, True), ("slow", 1.0, False)]
    for name, onset_s, synced in (*events, ("behind", behind_s, True), ("behind too", behind_s + 1.0, True)):
        store.record(sound(name, onset_s=onset_s, synced=synced), topic=None)
        store.record(sound(name, "end", onset_s=onset_s, synced=synced), topic=None)
    store.record(sound("b", onset_s=60.0), topic=None)
    store.save_clip("a", noise(), RATE_HZ)
    for _ in range(3):
        store.maintain(NOON_S + DAY_S)
    assert ids(store) == ["b", "slow", "a"]
    assert [message["data"]["event_id"] for message in store.messages_after(0, 99)] == ["a", "a", "slow", "slow", "b"]
    assert store.clip_path("a") is not None
    store.maintain(NOON_S + 2 * DAY_S + 30.0)
    assert ids(store) == ["b", "slow"]  # nothing says how old this one is before the next is too old
    store.maintain(NOON_S + 2 * DAY_S + 90.0)
    assert ids(store) == []


def test_an_upkeep_by_age_removes_little(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock may be corrected meanwhile."""
    monkeypatch.setattr(upkeep, "_STEP", 2)
    store = open_store()
    for i in range(20):
        store.record(sound(f"e{i}", onset_s=i), topic=None)
    store.maintain(NOON_S + 365 * DAY_S)
    assert len(ids(store)) == 20 - 2 * upkeep._STEPS_BY_AGE


@pytest.mark.parametrize("written_s", [NOON_S, 9.0])
def test_without_a_clock_nothing_goes_by_age(open_store: OpenStore, written_s: float) -> None:
    """Neither events nor clips are removed by age; the limits of number still apply."""
    store = open_store(retention_days=1.0, max_events=2)
    for i in range(3):
        store.record(sound(f"e{i}", onset_s=i), topic=None)
        store.save_clip(f"e{i}", noise(), RATE_HZ)
    store.save_clip("alone", noise(), RATE_HZ)
    path = store.clip_path("alone")
    assert path is not None
    os.utime(path, (written_s, written_s))
    store.maintain(4e9, by_age=False)
    assert ids(store) == ["e2", "e1"]
    assert [store.clip_path(name) is None for name in ("e0", "e1", "e2", "alone")] == [True, False, False, False]


def test_a_clip_of_1970_is_no_older_than_its_event(open_store: OpenStore) -> None:
    """Excess clips are removed in the order of their events, not of file times; those without an event first."""
    store = open_store(clips_max_mb=1)
    for i in range(8):
        store.record(sound(f"c{i}", onset_s=i), topic=None)
        store.save_clip(f"c{i}", noise(8.0), RATE_HZ)
        path = store.clip_path(f"c{i}")
        assert path is not None
        os.utime(path, (NOON_S - i, NOON_S - i))
    store.save_clip("alone", noise(), RATE_HZ)
    store.maintain(NOON_S)
    left = [i for i in range(8) if store.clip_path(f"c{i}")]
    assert left
    assert left == list(range(8 - len(left), 8))
    assert store.clip_path("alone") is None


def test_clips_leave_room_for_the_history(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A little more than `min_free_mb` stays free; upkeep removes the oldest clips for it and for new ones."""
    folder = tmp_path / "state" / "clips"
    others = 0  # that use the disk

    def free(_path: Path) -> int:
        return (90 << 20) - others - sum(path.stat().st_size for path in folder.iterdir())

    monkeypatch.setattr("edge.store.faults.free_bytes", free)
    store = open_store(min_free_mb=64)
    names = [f"c{i:02d}" for i in range(80)]
    for i, name in enumerate(names):
        store.record(sound(name, onset_s=i), topic=None)
    for name in names[:40]:
        store.save_clip(name, noise(8.0), RATE_HZ)  # some 230 kB each
    others = 14 << 20
    with pytest.raises(StorageError, match="almost full"):
        store.save_clip(names[40], noise(8.0), RATE_HZ)
    for first in (40, 50, 60, 70):
        store.maintain(NOON_S)
        for name in names[first : first + 10]:
            store.save_clip(name, noise(8.0), RATE_HZ)
        left = sorted(path.stem for path in folder.iterdir())
        assert left == names[first + 10 - len(left) : first + 10]
        assert free(folder) > (64 << 20) + 1_000_000
        others += 200_000  # the history


def test_the_newest_of_too_many_stay(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly `max_events` stay, for any step size and also with equal onsets."""
    monkeypatch.setattr(upkeep, "_STEP", 3)
    store = open_store(max_events=5)
    for i in range(17):
        store.record(sound(f"e{i:02d}"), topic=None)
    store.maintain(NOON_S)
    assert ids(store) == ["e16", "e15", "e14", "e13", "e12"]


def test_upkeep_is_bounded_and_goes_on_at_the_next_call(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """One upkeep removes a bounded number of events, the oldest first."""
    monkeypatch.setattr(upkeep, "_STEP", 2)
    monkeypatch.setattr(upkeep, "_STEPS", 2)
    store = open_store(max_events=1)
    for i in range(8):
        store.record(sound(f"e{i}", onset_s=i), topic=None)
    store.maintain(NOON_S)
    assert ids(store) == ["e7", "e6", "e5", "e4"]
    store.maintain(NOON_S)
    assert ids(store) == ["e7"]


def test_what_waits_for_the_broker_outlives_the_history(open_store: OpenStore) -> None:
    """Retention removes an event from the history, not from the outbox; sequences continue after a restart."""
    store = open_store()
    payload = store.record(sound("a"), topic=TOPIC)["id"]
    store.maintain(NOON_S + 365 * DAY_S)
    assert (ids(store), store.messages_after(0, 10)) == ([], [])
    store.close()
    store = open_store()
    (row,) = store.outbox_peek(0, 10)
    assert payload.encode() in row.payload
    assert store.record(sound("b"), topic=None)["sequence"] == f"{2:020d}"


def test_the_disk_gets_its_room_back(open_store: OpenStore, tmp_path: Path) -> None:
    """The file shrinks after events are removed."""
    store = open_store()
    for i in range(300):
        store.record(sound(f"e{i}"), topic=None)
    store.close()
    path = tmp_path / "state" / "tocsin.db"
    full_bytes = path.stat().st_size
    store = open_store()
    store.maintain(NOON_S + 365 * DAY_S)
    store.close()
    assert path.stat().st_size < full_bytes / 2


def test_a_clip_sounds_as_it_was_heard(store: Store) -> None:
    """A clip is a FLAC file that differs from the samples by less than a 16-bit step; louder samples are clipped."""
    samples = noise()
    samples[:3] = (1.5, -1.5, 0.25)
    name = store.save_clip("a", samples, RATE_HZ)
    path = store.clip_path("a")
    assert path is not None
    assert path.name == name == "a.flac"
    found, rate_hz = soundfile.read(path, dtype="float32")
    assert (rate_hz, soundfile.info(path).format) == (RATE_HZ, "FLAC")
    np.testing.assert_allclose(found, np.clip(samples, -1.0, 1.0), atol=2.0**-15)


def test_the_oldest_clips_go_when_they_are_too_much(open_store: OpenStore) -> None:
    """After an upkeep clips fit their limit, and the newest stay."""
    store = open_store(clips_max_mb=1)
    size_bytes = 0
    for i in range(8):
        store.save_clip(f"c{i}", noise(8.0), RATE_HZ)
        path = store.clip_path(f"c{i}")
        assert path is not None
        os.utime(path, (NOON_S + i, NOON_S + i))
        size_bytes = path.stat().st_size
    store.maintain(NOON_S)
    fit = (1 << 20) // size_bytes
    assert 0 < fit < 8
    assert [i for i in range(8) if store.clip_path(f"c{i}")] == list(range(8 - fit, 8))


def test_old_clips_go(open_store: OpenStore) -> None:
    """A clip without an event in the history is removed by its own age."""
    store = open_store(retention_days=1.0)
    store.save_clip("a", noise(), RATE_HZ)
    path = store.clip_path("a")
    assert path is not None
    os.utime(path, (NOON_S, NOON_S))
    store.maintain(NOON_S + DAY_S)
    assert path.exists()
    store.maintain(NOON_S + DAY_S + 1.0)
    assert not path.exists()


def test_old_clips_go_also_where_events_cannot(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk removing events fails; removing clips frees the room."""

    def full(*_: object, **__: object) -> None:
        msg = "tocsin.db: it cannot be written: database or disk is full"
        raise StorageError(msg)

    store = open_store(retention_days=1.0)
    store.record(sound("b"), topic=None)
    store.save_clip("a", noise(), RATE_HZ)
    monkeypatch.setattr("edge.store.database.Database.transaction", full)
    with pytest.raises(StorageError, match="full"):
        store.maintain(4e9)
    assert store.clip_path("a") is None


def test_old_events_go_also_where_clips_cannot(open_store: OpenStore, tmp_path: Path) -> None:
    """A missing folder of clips is an error, but old events are removed."""
    store = open_store(max_events=1)
    for name in ("a", "b"):
        store.record(sound(name), topic=None)
    (tmp_path / "state" / "clips").rmdir()
    with pytest.raises(StorageError, match="clips: it cannot be cleaned"):
        store.maintain(NOON_S)
    assert ids(store) == ["b"]


def test_a_clip_that_cannot_be_removed_keeps_no_other(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder among the clips stays, and so does a clip that cannot be removed, which is logged; the others go."""
    store = open_store(retention_days=1.0)
    for i, name in enumerate("abc"):
        store.record(sound(name, onset_s=i), topic=None)
        store.save_clip(name, noise(), RATE_HZ)
    clips, unlink = tmp_path / "state" / "clips", os.unlink
    (clips / "folder").mkdir()

    def hold(path: str | Path) -> None:
        if os.fspath(path) == str(clips / "a.flac"):
            raise PermissionError(1, "Operation not permitted")
        unlink(path)

    monkeypatch.setattr(os, "unlink", hold)
    store.maintain(NOON_S + DAY_S + 10.0)
    assert (ids(store), [path.name for path in clips.glob("*.flac")]) == ([], ["a.flac"])
    store.save_clip("d", noise(), RATE_HZ)
    store.maintain(4e9)
    assert sorted(path.name for path in clips.iterdir()) == ["a.flac", "folder"]
    assert "a.flac cannot be removed: Operation not permitted" in caplog.text


def test_a_half_written_clip_is_cleared_away(store: Store, open_store: OpenStore, tmp_path: Path) -> None:
    """An incomplete file of a killed process is removed at the next start."""
    part = tmp_path / "state" / "clips" / "a.flac.part"
    part.write_bytes(b"fLaC")
    assert store.clip_path("a") is None
    store.close()
    open_store()
    assert not part.exists()


def test_a_clip_that_cannot_be_written_is_reported(store: Store, tmp_path: Path) -> None:
    """In one line; a folder that was removed is created again."""
    folder = tmp_path / "state" / "clips"
    folder.rmdir()
    store.save_clip("a", noise(), RATE_HZ)
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "a.flac").rename(tmp_path / "a.flac")
    folder.rmdir()
    folder.touch()
    with pytest.raises(StorageError, match=r"a\.flac: it cannot be written: Not a directory"):
        store.save_clip("a", noise(), RATE_HZ)


@pytest.mark.parametrize("event_id", ["../tocsin", "..", "", "a/b", "a\0b", "x" * 300, ".hidden"])
def test_no_name_leads_out_of_the_folder(store: Store, tmp_path: Path, event_id: str) -> None:
    """An event id with a path in it has no clip."""
    (tmp_path / "state" / "tocsin.flac").write_bytes(b"not for the web")
    assert store.clip_path(event_id) is None


def test_clips_are_for_the_owner_alone(store: Store, tmp_path: Path) -> None:
    """Other users of the device cannot read clips."""
    assert store.clip_path("a") is None
    assert (tmp_path / "state" / "clips").stat().st_mode & 0o077 == 0
