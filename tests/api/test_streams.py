"""Server-sent events: nothing lost, nothing twice, nobody held up."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edge.api.streams import MAX_STREAMS, Streams, StreamSignal, stream_events, stream_live_frames
from edge.jsontext import encode
from tests.api.fake_node import frame, source
from tests.api.proxy import address_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.api.fake_node import FakeNode

Event = dict[str, Any]


class Listener:
    """Reads one stream."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        while next(self._lines) != ": connected":
            pass

    def next(self) -> Event:
        """Return the next event with its fields."""
        event: Event = {}
        for line in self._lines:
            if not line and event:
                return event
            field, _, value = line.partition(": ")
            if field:
                event[field] = json.loads(value) if field == "data" else value
        msg = "the stream is over"
        raise EOFError(msg)

    def sequences(self, count: int) -> list[int]:
        """Return the ids of the next `count` events."""
        return [int(self.next()["id"]) for _ in range(count)]


@contextmanager
def listening(client: httpx.Client, path: str, last: int | None = None) -> Iterator[Listener]:
    """Open a stream that is sure to be subscribed."""
    headers = {} if last is None else {"Last-Event-ID": f"{last:020d}"}
    with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Listener(response.iter_lines())


def test_event_arrives_as_it_is_written(client: httpx.Client, node: FakeNode) -> None:
    """A listener gets the CloudEvents from now on, their sequence as id."""
    node.record("before")
    with listening(client, "/events/stream") as stream:
        written = node.record("e1", "gunshot")
        assert stream.next() == {"id": written["sequence"], "event": "event", "data": written}


def test_replay_continues_into_live_without_gap_or_duplicate(client: httpx.Client, node: FakeNode) -> None:
    """Who comes back while events are being written gets each that it missed, once and in order."""
    for i in range(350):
        node.record(f"old{i}")
    writer = threading.Thread(target=lambda: [node.record(f"new{i}") for i in range(200)])
    with listening(client, "/events/stream", last=50) as stream:
        writer.start()
        assert stream.sequences(500) == list(range(51, 551))
        writer.join()
        node.record("last")
        assert stream.sequences(1) == [551]


def test_replay_may_be_asked_for_in_the_query(client: httpx.Client, node: FakeNode) -> None:
    """A client that cannot set a header can replay too."""
    for i in range(3):
        node.record(f"e{i}")
    with listening(client, "/events/stream?last_event_id=1") as stream:
        assert stream.sequences(2) == [2, 3]


def test_id_from_an_older_history_is_not_waited_for(client: httpx.Client, node: FakeNode) -> None:
    """After the history was begun anew, a listener with a high number still hears."""
    with listening(client, "/events/stream", last=999) as stream:
        node.record("e1")
        assert stream.sequences(1) == [1]


@pytest.mark.parametrize("given", ["abc", "-1", "1.5", "9" * 30])
def test_id_that_is_none_is_refused(client: httpx.Client, given: str) -> None:
    """A Last-Event-ID that is no sequence is a problem, not a guess."""
    answer = client.get("/events/stream", headers={"Last-Event-ID": given})
    assert answer.status_code == 422
    assert given[:5] in answer.json()["detail"]


def test_live_frames_come_for_the_source_that_was_asked_for(client: httpx.Client, node: FakeNode) -> None:
    """A listener of one source hears that one; a listener of all hears both."""
    node.states[:] = [source("a"), source("b")]
    with listening(client, "/live/stream?source=b") as one, listening(client, "/live/stream") as both:
        node.play(frame("a"))
        node.play(frame("b"))
        assert one.next() == {"event": "live", "data": json.loads(encode(frame("b")))}
        assert [both.next()["data"]["source"] for _ in range(2)] == ["a", "b"]


def test_nothing_is_asked_of_the_node_when_nobody_listens(client: httpx.Client, node: FakeNode) -> None:
    """The node is subscribed to while a stream is open, and no longer."""
    assert [*node.on_live, *node.on_event] == []
    with listening(client, "/live/stream") as _live, listening(client, "/events/stream") as _events:
        assert (len(node.on_live), len(node.on_event)) == (1, 1)
    deadline = time.monotonic() + 10
    while node.on_live or node.on_event:
        assert time.monotonic() < deadline
        client.get("/livez")


def test_slow_listener_misses_frames_and_holds_up_nobody(client: httpx.Client, node: FakeNode) -> None:
    """A client that does not read costs no memory and no time, and hears the newest when it reads again."""
    address = address_of(client)
    node.states.append(source("other"))
    with socket.socket() as slow, listening(client, "/live/stream?source=other") as quick:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(address)
        slow.settimeout(10)
        slow.sendall(b"GET /live/stream?source=mic HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b": connected" not in slow.recv(4096):
            pass
        total = 20_000
        for i in range(total):
            node.play(frame("mic", scores={"number": i, "x" * 600: 0.0}))
        node.play(frame("other"))
        assert quick.next()["data"]["source"] == "other"
        received = b""
        while f'"number":{total - 1},'.encode() not in received[-3000:]:
            received += slow.recv(1 << 16)
    assert received.count(b"event: live") < total


def test_number_of_streams_is_limited(client: httpx.Client, node: FakeNode) -> None:
    """One stream too many is told to come again, and a place is free when another ends."""
    streams = [client.stream("GET", "/live/stream") for _ in range(MAX_STREAMS)]
    opened = [stream.__enter__() for stream in streams]
    assert {answer.status_code for answer in opened} == {200}
    refused = client.get("/events/stream")
    assert refused.status_code == 429
    assert refused.headers["retry-after"]
    for stream in streams:
        stream.__exit__(None, None, None)
    deadline = time.monotonic() + 10
    while True:
        with client.stream("GET", "/events/stream") as answer:
            if answer.status_code == 200:
                break
        assert time.monotonic() < deadline


@pytest.mark.parametrize("make", [stream_events, stream_live_frames])
def test_quiet_stream_gives_signs_of_life(node: FakeNode, make: Any) -> None:
    """A comment comes when nothing else does, and closing ends the stream."""

    async def listen() -> list[bytes]:
        streams = Streams()
        stream = make(node, streams.open(), None, heartbeat_s=0.01)
        heard = [await stream.__anext__() for _ in range(3)]
        streams.close()
        return heard + [chunk async for chunk in stream if chunk.startswith(b"event")]

    hello, *beats = asyncio.run(listen())
    assert hello.startswith(b"retry: ")
    assert beats == [b": still here\n\n"] * 2
    assert [*node.on_event, *node.on_live] == []


def test_bell_rung_after_the_loop_is_gone_is_quiet() -> None:
    """A node that speaks while the server ends comes to no harm."""

    async def make() -> StreamSignal:
        return StreamSignal()

    asyncio.run(make()).notify()
