"""Queries of the history."""

from __future__ import annotations

import base64
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import StorageError, UsageError
from edge.publish.payload import Stamp, make_ending
from edge.store import Page, Store
from tests.store.messages import NOON, NOON_S, sound

if TYPE_CHECKING:
    from tests.store.conftest import OpenStore


def ids(page: Page) -> list[str]:
    """Return the ids of the events of a page."""
    return [item["event_id"] for item in page.items]


def test_an_event_is_one_item_with_its_last_figures(store: Store) -> None:
    """The messages of an event are merged: the last one's data, the highest score, and the last message."""
    store.record(sound("a", score=0.7), topic=None)
    store.record(sound("a", "update", score=0.95), topic=None)
    last = store.record(sound("a", "end", score=0.2), topic=None)
    (item,) = store.events().items
    assert item["event"] == last
    assert (item["event_id"], item["phase"], item["label"], item["source"]) == ("a", "end", "siren", "mic")
    assert (item["onset_time"], item["end_time"]) == ("2026-05-01T12:00:00.000Z", "2026-05-01T12:00:01.000Z")
    assert item["score"] == item["peak_score"] == 0.95


def test_an_event_comes_with_all_its_messages(store: Store) -> None:
    """One event is the item of the list with its CloudEvents in order; an unknown one is None."""
    written = [store.record(sound("a", phase), topic=None) for phase in ("start", "update", "end")]
    store.record(sound("b"), topic=None)
    found = store.event("a")
    assert found is not None
    assert found.pop("messages") == written
    assert [found] == [item for item in store.events().items if item["event_id"] == "a"]
    assert store.event("c") is None


def test_text_of_any_language_survives(store: Store) -> None:
    """Labels and places in any language come back unchanged."""
    store.record(sound("a", label="sirène 🚨", source="Straße"), topic=None)
    assert ids(store.events(label="sirène 🚨", source="Straße")) == ["a"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["d", "c", "b", "a"]),
        ({"label": "horn"}, ["c", "b"]),
        ({"source": "roof"}, ["d", "c"]),
        ({"label": "horn", "source": "roof"}, ["c"]),
        ({"after": NOON_S + 20.25}, ["d", "c"]),
        ({"after": NOON_S + 20.251}, ["d"]),
        ({"before": NOON_S + 20.25}, ["b", "a"]),
        ({"after": NOON_S + 10, "before": NOON_S + 30}, ["c", "b"]),
        ({"min_score": 0.8}, ["d", "a"]),
        ({"label": "no such label"}, []),
        ({"limit": 2}, ["d", "c"]),
    ],
)
def test_filters(store: Store, filters: dict[str, Any], expected: list[str]) -> None:
    """Filters work alone and together; a time range includes its begin and excludes its end."""
    store.record(sound("a", onset_s=0, score=0.9), topic=None)
    store.record(sound("b", onset_s=10, score=0.7, label="horn"), topic=None)
    store.record(sound("c", onset_s=20.25, score=0.6, label="horn", source="roof"), topic=None)
    store.record(sound("d", onset_s=30, score=0.8, source="roof"), topic=None)
    assert ids(store.events(**filters)) == expected


@settings(max_examples=15, deadline=None)
@given(
    onsets=st.lists(st.integers(0, 5), max_size=12),
    late=st.lists(st.integers(6, 9), max_size=4),
    limit=st.integers(1, 5),
)
def test_pages_hold_every_event_once(onsets: list[int], late: list[int], limit: int) -> None:
    """Over all pages every event comes once, newest first, although others are recorded meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), retention_days=1.0, max_events=1000, outbox_max=1000, clips_max_mb=1)
        try:
            for i, onset in enumerate(onsets):
                store.record(sound(f"e{i}", onset_s=onset), topic=None)
            seen, cursor, news = [], None, iter(late)
            while True:
                page = store.events(limit=limit, cursor=cursor)
                seen += ids(page)
                assert len(page.items) == limit or page.next_cursor is None
                if (cursor := page.next_cursor) is None:
                    break
                if (onset_late := next(news, None)) is not None:
                    store.record(sound(f"late{len(seen)}", onset_s=onset_late), topic=None)
        finally:
            store.close()
    expected = sorted(((onset, i) for i, onset in enumerate(onsets)), reverse=True)
    assert seen == [f"e{i}" for _, i in expected]


@pytest.mark.parametrize("text", ["", "1", "1,", "1,2,3", "1.5,2", "one,two", "9" * 30 + ",1", "1," + "9" * 19])
def test_a_cursor_with_anything_else_in_it_is_refused(store: Store, text: str) -> None:
    """A cursor that decodes to other values is a usage error."""
    with pytest.raises(UsageError, match="next_cursor"):
        store.events(cursor=base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


@pytest.mark.parametrize("cursor", ["1", "no cursor", "é", "-", "MSwy?", "A" * 255])
def test_an_invalid_cursor_is_refused(store: Store, cursor: str) -> None:
    """A cursor that does not decode is a usage error."""
    with pytest.raises(UsageError, match="next_cursor"):
        store.events(cursor=cursor)


def test_messages_after_a_sequence(store: Store) -> None:
    """A stream continues after the last message it has sent, in order and in portions."""
    assert (store.latest_sequence(), store.messages_after(0, 10)) == (0, [])
    written = [store.record(sound(f"e{i}"), topic=None) for i in range(5)]
    assert [message["sequence"] for message in written] == [f"{i:020d}" for i in range(1, 6)]
    assert store.messages_after(0, 2) == written[:2]
    assert store.messages_after(2, 10) == written[2:]
    assert (store.latest_sequence(), store.messages_after(5, 10)) == (5, [])


def test_listeners_hear_of_what_is_already_stored(store: Store) -> None:
    """A listener finds its message in the history; a failing one blocks no other, an unsubscribed one is not called."""
    heard: list[dict[str, Any]] = []

    def fail(_message: dict[str, Any]) -> None:
        msg = "a listener's own trouble"
        raise RuntimeError(msg)

    store.subscribe(fail)
    leave = store.subscribe(lambda message: heard.extend(store.messages_after(int(message["sequence"]) - 1, 1)))
    first = store.record(sound("a"), topic=None)
    leave()
    leave()
    store.record(sound("b"), topic=None)
    assert heard == [first]


def test_unfinished_events_can_be_ended(store: Store, open_store: OpenStore) -> None:
    """After a restart each open event is listed with its last message, until its end is recorded."""
    store.record(sound("a"), topic=None)
    store.record(sound("b"), topic=None)
    store.record(sound("b", "end"), topic=None)
    store.record(sound("c"), topic=None)
    last = store.record(sound("a", "update"), topic=None)
    store.close()
    again = open_store()
    assert [message["data"]["event_id"] for message in again.list_unfinished()] == ["c", "a"]
    assert again.list_unfinished()[1] == last
    for left in again.list_unfinished():

        def make(sequence: int, last: dict[str, Any] = left) -> dict[str, Any]:
            return make_ending(last, Stamp(f"m{sequence}", sequence, NOON))

        again.record(make, topic=None)
    assert again.list_unfinished() == []
    assert again.events(limit=1000).items[-1]["end_time"] is not None


def test_a_message_that_cannot_be_made_leaves_no_gap(store: Store) -> None:
    """The sequence grows by one, also after a message that failed."""

    def fail(_sequence: int) -> dict[str, Any]:
        msg = "no message"
        raise RuntimeError(msg)

    store.record(sound("a"), topic=None)
    with pytest.raises(RuntimeError, match="no message"):
        store.record(fail, topic=None)
    assert store.record(sound("b"), topic=None)["sequence"] == f"{2:020d}"


def test_threads_share_the_store(store: Store) -> None:
    """With concurrent writers and readers every message has its own sequence, and every read is complete."""
    errors: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for i in range(20):
                store.record(sound(f"{name}-{i}"), topic="t")
                assert store.event(f"{name}-{i}") is not None
                store.outbox_remove(store.outbox_peek(0, 1)[0].sequence)
        except BaseException as exc:  # noqa: BLE001 - told below
            errors.append(exc)

    threads = [threading.Thread(target=work, args=[name]) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [int(message["sequence"]) for message in store.messages_after(0, 1000)] == list(range(1, 81))
    assert store.outbox_stats()[0] == len(store.outbox_peek(0, 1000))


def test_states_are_kept(store: Store, open_store: OpenStore) -> None:
    """A state is kept until it is set again, also over a restart."""
    assert store.state_get("detect/mic") is None
    store.state_set("detect/mic", "ON")
    store.state_set("detect/mic", "OFF")
    store.close()
    assert open_store().state_get("detect/mic") == "OFF"


def test_a_closed_store_says_so(store: Store) -> None:
    """A call after `close` raises that the service is stopping; a second `close` does nothing."""
    store.close()
    store.close()
    with pytest.raises(StorageError, match="stopping"):
        store.events()
    with pytest.raises(StorageError, match="stopping"):
        store.record(sound("a"), topic=None)
