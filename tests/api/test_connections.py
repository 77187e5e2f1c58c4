"""Connections that keep a place without using it: none does for long, in whatever state, and none keeps others out."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from edge.api import connection, deadline, linger
from tests.api.fake_node import source
from tests.api.proxy import address_of
from tests.support.listener import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

TOKEN = "correct-horse-battery"
KEY = {"Authorization": f"Bearer {TOKEN}"}
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROMISED = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every deadline be near."""
    monkeypatch.setattr(connection, "HEAD_S", 0.25)
    monkeypatch.setattr(deadline, "GRACE_S", 0.25)
    monkeypatch.setattr(linger, "TOTAL_S", 0.25)


@contextmanager
def connected(client: httpx.Client) -> Iterator[socket.socket]:
    """Open a bare connection to the same server."""
    with socket.create_connection(address_of(client), timeout=10) as raw:
        yield raw


def drip(raw: socket.socket, seconds: float = 8) -> bytes:
    """Send a byte now and then until the other side hangs up; return what it said."""
    raw.settimeout(0.05)
    said, deadline_s = b"", time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        try:
            raw.sendall(b"x")
            received = raw.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return said
        if not received:
            return said
        said += received
    pytest.fail("the connection is still open")


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /livez HTTP/1.1\r\nHost: ", LIVEZ, LIVEZ + b"GET /li", LIVEZ * 3 + b"POST /classify HTTP/1.1\r\nHost:"],
    ids=["mute", "half", "idle", "half-second", "half-fourth"],
)
def test_half_a_request_is_not_waited_for(client: httpx.Client, sent: bytes) -> None:
    """The first or a later one, silent or a byte at a time: the whole head comes in time or the connection ends."""
    for talk in (drip, lambda raw: raw.recv(65536) if not sent.startswith(LIVEZ) else until_closed(raw)):
        with connected(client) as raw:
            raw.sendall(sent)
            talk(raw)


def until_closed(raw: socket.socket) -> bytes:
    """Read to the end, be it an orderly one or not."""
    said = bytearray()
    with suppress(ConnectionError):
        while received := raw.recv(65536):
            said += received
    return bytes(said)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    "line",
    ["POST /login", "POST /logout", "PUT /away", "POST /classify", "GET /livez", "GET /nothing", "GET /live/stream"],
)
def test_body_that_does_not_come_is_not_waited_for(serve: Serve, line: str, token: str | None) -> None:
    """Whatever the route does with a body, a client that promises one and drips keeps no place."""
    with serve(token=token) as client, connected(client) as raw:
        key = f"Authorization: Bearer {token}\r\n" if token else ""
        raw.sendall(f"{line} HTTP/1.1\r\n{key}".encode() + PROMISED)
        answer = drip(raw)
        assert answer.startswith(b"HTTP/1.1 ")
        assert client.get("/livez").status_code == 200


@pytest.mark.usefixtures("brief")
def test_slow_body_is_told_why(client: httpx.Client) -> None:
    """An upload that is too slow gets a problem with 408."""
    with connected(client) as raw:
        raw.sendall(b"POST /classify HTTP/1.1\r\n" + PROMISED)
        answer = drip(raw)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer


def test_upload_at_a_fair_rate_is_received(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent buys time: an upload may last longer than a body that does not come."""
    monkeypatch.setattr(deadline, "GRACE_S", 0.2)
    with connected(client) as raw:
        raw.sendall(b"POST /classify HTTP/1.1\r\n" + PROMISED.replace(b"5000", b"20000"))
        for _ in range(10):
            raw.sendall(bytes(2000))
            time.sleep(0.05)
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_answer_that_nobody_takes_is_not_kept(
    client: httpx.Client, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks for much and reads nothing is hung up on."""
    monkeypatch.setattr(connection, "STALL_S", 0.3)
    node.states[:] = [source("mic", detail="x" * 16_000_000)]
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(10)
        raw.connect(address_of(client))
        raw.sendall(b"GET /sources HTTP/1.1\r\nHost: localhost\r\n\r\n")
        began = time.monotonic()
        while time.monotonic() < began + 1.0:
            client.get("/livez")
        assert len(until_closed(raw)) < 16_000_000


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /",
        LIVEZ,
        LIVEZ + b"GET /",
        b"POST /login HTTP/1.1\r\n" + PROMISED,
        b"PUT /away HTTP/1.1\r\n" + PROMISED,
    ],
    ids=["mute", "half", "idle", "half-second", "sign-in", "away"],
)
def test_full_house_makes_room(serve: Serve, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """A crowd that does nothing keeps out neither a newcomer nor an upload that is on its way."""
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 8)
    with serve(token=TOKEN) as client, ExitStack() as crowd:
        upload = crowd.enter_context(connected(client))
        upload.sendall(f"POST /classify HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n".encode() + PROMISED)
        upload.sendall(bytes(4000))
        while "tocsin_classify_uploads 1.0" not in client.get("/metrics", headers=KEY).text:
            pass
        for _ in range(30):
            crowd.enter_context(connected(client)).sendall(sent)
        assert httpx.get(client.base_url.join("/livez"), timeout=2).status_code == 200
        upload.sendall(bytes(1000))
        assert upload.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("wanted", ["/", "/sources", "/static/app.js"])
def test_crowd_that_asks_without_end_makes_room(serve: Serve, monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    """Requests one behind the other, which need no token to keep a place as long as they are answered."""
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 8)
    with serve(token=TOKEN) as client, ExitStack() as crowd:
        for _ in range(9):
            raw = crowd.enter_context(socket.socket())
            raw.settimeout(0.2)
            raw.connect(address_of(client))
            with suppress(OSError):
                raw.sendall(f"GET {wanted} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 30_000)
        until(lambda: served(client.base_url.join("/livez")), timeout_s=5)


def served(url: httpx.URL) -> bool:
    """Return whether a newcomer is answered."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("line", ["POST /login", "POST /logout", "PUT /away", "POST /classify", "GET /sources"])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_client_that_leaves_before_its_body_is_no_fault(
    serve: Serve, line: str, token: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged of it: whoever may connect could fill the log."""
    with serve(token=token) as client:
        key = f"Authorization: Bearer {token}\r\n" if token else ""
        for body in (b"", b'{"sta'):
            with connected(client) as raw:
                raw.sendall(f"{line} HTTP/1.1\r\n{key}".encode() + PROMISED + body)
                client.get("/livez")
        client.get("/livez")
    assert [record.message for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        LIVEZ.replace(b"Host", b"Upgrade: websocket\r\nConnection: upgrade\r\nHost"),
    ],
    ids=["words", "version", "tls", "websocket"],
)
def test_what_is_no_request_is_answered_and_not_logged(
    client: httpx.Client, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can fill the log with what is no HTTP, or another protocol's."""
    with connected(client) as raw:
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
        until_closed(raw)
    client.get("/livez")
    assert caplog.records == []
