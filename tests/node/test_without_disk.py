"""A node with a full, read-only, locked or damaged disk: it runs, reports it and recovers."""

from __future__ import annotations

import json
import shutil
import sqlite3
import urllib.error
from typing import TYPE_CHECKING, Any

import pytest

from edge.data import street_path
from tests.support.disk import disk
from tests.support.listener import Listener, until
from tests.support.node import RunningNode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import Broker
    from tests.support.disk import Disk

pytestmark = [
    pytest.mark.broker,
    pytest.mark.root,
]

FAST = f"file:{street_path()}?speed=16"
CONFIG = "min_free_mb = 1\n"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "state") as mounted:
        yield mounted


def make_node(folder: Path, broker: Broker, spec: str = FAST) -> RunningNode:
    node = RunningNode(folder, spec, mqtt_port=broker.port)
    path = folder / "tocsin.toml"
    path.write_text(path.read_text().replace("[storage]\n", "[storage]\nmin_free_mb = 1\n"))
    return node


def read_reasons(node: RunningNode) -> str:
    """Return the reasons why the node is not ready, or an empty text."""
    try:
        node.get("/readyz")
    except urllib.error.HTTPError as exc:
        return str(json.loads(exc.read())["detail"]) if exc.code == 503 else f"{exc.code}"
    return ""


def has_ended(node: RunningNode) -> bool:
    """Return whether the recording has ended."""
    return bool(node.get("/sources")["items"][0]["detail"] == "end of file")


def list_on(listener: Listener) -> list[str]:
    """Return the sounds that went ON, in order."""
    return [m.topic.rpartition("/")[2] for m in listener.messages if "/sound/" in m.topic and m.payload == b"ON"]


def list_keys(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["id"], event["sequence"]) for event in events]


def check_all_events(node: RunningNode, listener: Listener) -> None:
    """Check that every event was published once, in order, with its states, and is in the history."""
    until(lambda: read_reasons(node) in ("", "Not ready: no audio: s0: end of file."))
    events = listener.events()
    assert len(set(list_keys(events))) == len(events)
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    starts = [event["subject"] for event in events if event["data"]["phase"] == "start"]
    assert {"siren", "gunshot", "horn"} <= set(starts)
    assert list_on(listener) == starts
    until(lambda: node.metric("tocsin_events_waiting") == 0)
    stored = node.get("/events?limit=1000")["items"]
    assert {event["data"]["event_id"] for event in events} == {item["event_id"] for item in stored}
    database = sqlite3.connect(node.folder / "state" / "tocsin.db")
    rows = database.execute("SELECT json_extract(message, '$.id'), json_extract(message, '$.sequence') FROM events")
    assert rows.fetchall() == list_keys(events)
    database.close()
    assert node.metric("tocsin_outbox_messages") == 0
    assert node.metric("tocsin_events_lost_total") == 0


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_refuses_writes_from_the_start(
    tmp_path: Path, small: Disk, broker: Broker, listener: Listener, how: str
) -> None:
    """A node without a history publishes every event; once it can write, the history has all of them."""
    if how == "full":
        small.fill()
    else:
        small.remount("ro")
    with make_node(tmp_path, broker) as node:
        assert ("disk is full" if how == "full" else "read-only") in read_reasons(node).lower()
        until(lambda: has_ended(node))
        listener.wait(lambda heard: heard.last("tocsin/bench/s0/sound/siren") == "OFF" and len(list_on(heard)) > 2)
        sent = len(listener.events())
        assert sent > 5
        if how == "full":
            small.make_room()
        else:
            small.remount("rw")
        check_all_events(node, listener)
        assert len(listener.events()) == sent
    log = node.log_path.read_text()
    assert log.count("messages wait in memory") == 1
    assert "the history can be written again" in log
    assert "Traceback" not in log


def test_a_disk_that_becomes_full(tmp_path: Path, small: Disk, broker: Broker, listener: Listener) -> None:
    """Events are published at once, and none again when the disk has room."""
    with make_node(tmp_path, broker) as node:
        small.fill()
        until(lambda: has_ended(node))
        listener.wait(lambda heard: heard.last("tocsin/bench/s0/sound/siren") == "OFF" and len(list_on(heard)) > 2)
        assert "disk is full" in read_reasons(node)
        small.make_room()
        check_all_events(node, listener)


def test_a_kill_with_a_full_disk_loses_history_but_repeats_no_sequence(
    tmp_path: Path, small: Disk, broker: Broker, listener: Listener
) -> None:
    """The broker has all events, and sequences continue."""
    node = make_node(tmp_path, broker, f"file:{street_path()}?speed=16&loop=1")
    node.start()
    try:
        listener.wait(lambda heard: len(heard.events()) > 2)
        small.fill()
        before = len(listener.events())
        listener.wait(lambda heard: len(heard.events()) > before + 4)
        node.kill()
        small.make_room()
        last = max(event["sequence"] for event in listener.events())
        before = len(listener.events())
        node.start()
        listener.wait(lambda heard: len(heard.events()) > before + 4)
    finally:
        node.kill()
    fresh = {event["id"]: event["sequence"] for event in listener.events()[before:]}
    known = {event["id"] for event in listener.events()[:before]}
    assert min(sequence for id_, sequence in fresh.items() if id_ not in known) > last


def test_a_database_locked_by_another_program_is_reported(
    tmp_path: Path, small: Disk, broker: Broker, listener: Listener
) -> None:
    """It delays no event; after the lock all is written."""
    with make_node(tmp_path, broker) as node:
        until(lambda: has_ended(node))
    before = len(listener.events())
    other = sqlite3.connect(tmp_path / "state" / "tocsin.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with make_node(tmp_path, broker) as node:
        assert "the other program" in read_reasons(node)
        until(lambda: has_ended(node))
        listener.wait(lambda heard: len(heard.events()) == 2 * before)
        other.close()
        until(lambda: "the other program" not in read_reasons(node))
        until(
            lambda: (
                len(node.get("/events?limit=1000")["items"]) == len({e["data"]["event_id"] for e in listener.events()})
            )
        )


def test_a_database_damaged_at_run_time_is_replaced(
    tmp_path: Path, small: Disk, broker: Broker, listener: Listener
) -> None:
    """It needs no restart, and loses no waiting message."""
    with make_node(tmp_path, broker, f"file:{street_path()}?speed=16&loop=1") as node:
        listener.wait(lambda heard: len(heard.events()) > 2)
        with (tmp_path / "state" / "tocsin.db").open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(4096)
            file.write(bytes(max(0, size - 4096)))
        with (tmp_path / "state" / "tocsin.db-wal").open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(32)
            file.write(bytes(size - 32))
        before = len(listener.events())
        listener.wait(lambda heard: len(heard.events()) > before + 6)
        until(lambda: node.get("/events?limit=10")["items"])
        assert "disk" not in read_reasons(node)
        assert node.metric("tocsin_events_lost_total") == 0
        events = listener.events()
    assert [e["sequence"] for e in events] == sorted(e["sequence"] for e in events)


def test_a_deleted_state_folder_is_reported(tmp_path: Path, small: Disk, broker: Broker) -> None:
    """It is a reason why the node is not ready."""
    with make_node(tmp_path, broker, f"file:{street_path()}?loop=1") as node:
        until(lambda: read_reasons(node) == "")
        for path in small.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert "was removed" in read_reasons(node)
