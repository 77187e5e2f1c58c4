"""The web side on the store that the node has: the seam between the two."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edge.store import Store
from tests.api.fake_node import FakeNode, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.api.conftest import Serve


class StoredNode(FakeNode):
    """A node with a real history."""

    store: Any

    def record(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Write one message; the store tells everybody."""
        made: dict[str, Any] = {}

        def make(sequence: int) -> dict[str, Any]:
            made.update(message(sequence, *args, **kwargs))
            return made

        self.store.record(make, topic=None)
        return made

    def subscribe_events(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        stop: Callable[[], None] = self.store.subscribe(callback)
        return stop


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """Open a store for a while."""
    store = Store(folder, retention_days=36500, max_events=1000, outbox_max=1000, clips_max_mb=10)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StoredNode]:
    """Return a node with a real history of five events."""
    with opened(tmp_path / "state") as store:
        node = StoredNode()
        node.store = store
        for i in range(5):
            node.record(f"e{i}", "horn" if i % 2 else "siren")
            node.record(f"e{i}", "horn" if i % 2 else "siren", "end")
        yield node


def test_pages_and_filters(client: httpx.Client, node: StoredNode) -> None:
    """The cursor leads through the whole history, and filters and times choose from it."""
    seen, query = [], {"limit": 2}
    while "cursor" not in query or query["cursor"]:
        page = client.get("/events", params=query).json()
        seen += [item["event_id"] for item in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert seen == ["e4", "e3", "e2", "e1", "e0"]
    assert len(client.get("/events?label=horn").json()["items"]) == 2
    for both in ("label=horn,siren", "label=horn&label=siren"):
        page = client.get(f"/events?{both}&limit=3").json()
        page["items"] += client.get(f"/events?{both}&cursor={page['next_cursor']}").json()["items"]
        assert [item["event_id"] for item in page["items"]] == ["e4", "e3", "e2", "e1", "e0"]
    assert client.get("/events?source=other").status_code == 422
    late = client.get("/events", params={"after": message(5, "")["time"]}).json()["items"]
    assert [item["event_id"] for item in late] == ["e4", "e3", "e2"]
    assert client.get("/events?cursor=nonsense").status_code == 422


def test_one_event(client: httpx.Client, node: StoredNode) -> None:
    """An event comes with its messages, and its sound only where it was kept."""
    assert [each["data"]["phase"] for each in client.get("/events/e1").json()["messages"]] == ["start", "end"]
    assert client.get("/events/e9").status_code == 404
    assert client.get("/events/e1/clip").status_code == 404


def test_replay_and_live(serve: Serve, node: StoredNode) -> None:
    """A listener gets what it missed, then what is written while it listens."""
    with serve() as client, client.stream("GET", "/events/stream", headers={"Last-Event-ID": f"{8:020d}"}) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("id: "))
        assert [next(lines) for _ in range(2)] == [f"id: {9:020d}", f"id: {10:020d}"]
        node.record("e5")
        assert next(lines) == f"id: {11:020d}"
