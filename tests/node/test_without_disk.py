"""A node whose disk is full, read-only, locked or spoilt goes on hearing, says so, and recovers by itself."""

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


def node_on(folder: Path, broker: Broker, spec: str = FAST) -> RunningNode:
    node = RunningNode(folder, spec, mqtt_port=broker.port)
    path = folder / "tocsin.toml"
    path.write_text(path.read_text().replace("[storage]\n", "[storage]\nmin_free_mb = 1\n"))
    return node


def reasons(node: RunningNode) -> str:
    """Return why the node is not ready; nothing when it is."""
    try:
        node.get("/readyz")
    except urllib.error.HTTPError as exc:
        return str(json.loads(exc.read())["detail"]) if exc.code == 503 else f"{exc.code}"
    return ""


def ended(node: RunningNode) -> bool:
    """Return whether the recording came to its end."""
    return bool(node.get("/sources")["items"][0]["detail"] == "end of file")


def ons(listener: Listener) -> list[str]:
    """Return the sounds that went on, in order."""
    return [m.topic.rpartition("/")[2] for m in listener.messages if "/sound/" in m.topic and m.payload == b"ON"]


def keys(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["id"], event["sequence"]) for event in events]


def check_all_was_heard(node: RunningNode, listener: Listener) -> None:
    """Check that every event left once, in order, with its sound going on and off, and is in the history now."""
    until(lambda: reasons(node) in ("", "Not ready: no audio: s0: end of file."))
    events = listener.events()
    assert len(set(keys(events))) == len(events)
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    starts = [event["subject"] for event in events if event["data"]["phase"] == "start"]
    assert {"siren", "gunshot", "horn"} <= set(starts)
    assert ons(listener) == starts
    until(lambda: node.metric("tocsin_events_waiting") == 0)
    stored = node.get("/events?limit=1000")["items"]
    assert {event["data"]["event_id"] for event in events} == {item["event_id"] for item in stored}
    database = sqlite3.connect(node.folder / "state" / "tocsin.db")
    rows = database.execute("SELECT json_extract(message, '$.id'), json_extract(message, '$.sequence') FROM events")
    assert rows.fetchall() == keys(events)
    database.close()
    assert node.metric("tocsin_outbox_messages") == 0
    assert node.metric("tocsin_events_lost_total") == 0


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_refuses_from_the_start(
    tmp_path: Path, small: Disk, broker: Broker, listener: Listener, how: str
) -> None:
    """A node without a history still raises every alarm; with room again, the history has all of it."""
    if how == "full":
        small.fill()
    else:
        small.remount("ro")
    with node_on(tmp_path, broker) as node:
        assert ("disk is full" if how == "full" else "read-only") in reasons(node).lower()
        until(lambda: ended(node))
        listener.wait(lambda heard: heard.last("tocsin/bench/s0/sound/siren") == "OFF" and len(ons(heard)) > 2)
        sent = len(listener.events())
        assert sent > 5
        if how == "full":
            small.make_room()
        else:
            small.remount("rw")
        check_all_was_heard(node, listener)
        assert len(listener.events()) == sent
    log = node.log_path.read_text()
    assert log.count("waits in memory") == 1
    assert "the history can be written again" in log
    assert "Traceback" not in log


def test_a_disk_that_fills_while_it_runs(tmp_path: Path, small: Disk, broker: Broker, listener: Listener) -> None:
    """The alarm that meets it goes out at once, as do those after it, and none goes out again when there is room."""
    with node_on(tmp_path, broker) as node:
        small.fill()
        until(lambda: ended(node))
        listener.wait(lambda heard: heard.last("tocsin/bench/s0/sound/siren") == "OFF" and len(ons(heard)) > 2)
        assert "disk is full" in reasons(node)
        small.make_room()
        check_all_was_heard(node, listener)


def test_what_a_full_disk_did_not_take_is_gone_after_a_kill_and_no_number_comes_again(
    tmp_path: Path, small: Disk, broker: Broker, listener: Listener
) -> None:
    """The broker has it all the same; sequences go on rising."""
    node = node_on(tmp_path, broker, f"file:{street_path()}?speed=16&loop=1")
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


def test_another_program_that_locks_the_database_is_named(
    tmp_path: Path, small: Disk, broker: Broker, listener: Listener
) -> None:
    """It holds up no alarm; once it lets go, all is written."""
    with node_on(tmp_path, broker) as node:
        until(lambda: ended(node))
    before = len(listener.events())
    other = sqlite3.connect(tmp_path / "state" / "tocsin.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with node_on(tmp_path, broker) as node:
        assert "the other program" in reasons(node)
        until(lambda: ended(node))
        listener.wait(lambda heard: len(heard.events()) == 2 * before)
        other.close()
        until(lambda: "another program" not in reasons(node))
        until(
            lambda: (
                len(node.get("/events?limit=1000")["items"]) == len({e["data"]["event_id"] for e in listener.events()})
            )
        )


def test_a_database_that_is_spoilt_while_it_runs_is_replaced(
    tmp_path: Path, small: Disk, broker: Broker, listener: Listener
) -> None:
    """Without a restart, and without the loss of what waits."""
    with node_on(tmp_path, broker, f"file:{street_path()}?speed=16&loop=1") as node:
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
        assert "disk" not in reasons(node)
        assert node.metric("tocsin_events_lost_total") == 0
        events = listener.events()
    assert [e["sequence"] for e in events] == sorted(e["sequence"] for e in events)


def test_a_state_folder_that_is_deleted_is_told(tmp_path: Path, small: Disk, broker: Broker) -> None:
    """As a reason, and no fault of Tocsin."""
    with node_on(tmp_path, broker, f"file:{street_path()}?loop=1") as node:
        until(lambda: reasons(node) == "")
        for path in small.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert "was removed" in reasons(node)
