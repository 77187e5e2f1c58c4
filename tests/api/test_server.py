"""The server's own life: begin, end, and ports that cannot be had."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

import httpx
import pytest

from edge.api.app import create_app
from edge.api.server import ApiServer
from edge.errors import Unavailable
from edge.settings.tree import Api

if TYPE_CHECKING:
    from tests.api.fake_node import FakeNode


def made(node: FakeNode, **settings: object) -> ApiServer:
    """Return a server that is not started."""
    api = Api(**{"port": 0, **settings})
    return ApiServer(create_app(node, api), api)


def test_port_zero_takes_a_free_one_and_says_which(node: FakeNode) -> None:
    """The address is known as soon as it is started, and answers until it is stopped."""
    server = made(node)
    server.start()
    assert httpx.get(f"{server.url}/livez").status_code == 200
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/livez")


def test_busy_port_is_one_clear_error(node: FakeNode) -> None:
    """The port that is taken is named with the mend, and the same node may be served elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"another program uses port {port} on .*api\.port"):
            made(node, port=port).start()
    again = made(node)
    again.start()
    assert "tocsin_classify_seconds" in httpx.get(f"{again.url}/metrics").text
    again.stop()


def test_host_that_is_no_address_is_told_apart_from_a_port_in_use(node: FakeNode) -> None:
    """It may become one when the network is there, so it is no wrong configuration."""
    with pytest.raises(Unavailable, match=r"api\.host"):
        made(node, host="no.such.host.invalid", token="t" * 8).start()


def test_address_of_another_machine_is_refused(node: FakeNode) -> None:
    """An address that this machine does not have cannot be opened."""
    with pytest.raises(Unavailable, match=r"api\.host"):
        made(node, host="192.0.2.1", token="t" * 8).start()


def test_stop_without_start_is_harmless(node: FakeNode) -> None:
    """A service that failed on its way up can stop everything."""
    made(node).stop()


def test_stop_ends_open_streams_promptly(node: FakeNode) -> None:
    """Listeners see a proper end, and nobody waits for them."""
    server = made(node)
    server.start()
    with (
        httpx.stream("GET", f"{server.url}/events/stream") as events,
        httpx.stream("GET", f"{server.url}/live/stream") as live,
    ):
        began = time.monotonic()
        server.stop()
        took_s = time.monotonic() - began
        assert b"connected" in events.read()
        assert b"connected" in live.read()
    assert took_s < 2
    assert [*node.on_event, *node.on_live] == []


def test_uploads_that_wait_at_the_end_are_answered(node: FakeNode) -> None:
    """The node that stops tells who still waits, instead of hanging up."""
    node.gate.clear()
    server = made(node)
    server.start()
    with ThreadPoolExecutor(2) as pool:
        uploads = [pool.submit(httpx.post, f"{server.url}/classify", content=b"sound", timeout=20) for _ in range(2)]
        while "tocsin_classify_uploads 2.0" not in httpx.get(f"{server.url}/metrics").text:
            assert not any(upload.done() for upload in uploads)
        assert node.working.acquire(timeout=10)
        server._server.ask_to_stop()
        waiting = next(as_completed(uploads, timeout=10))
        assert waiting.result().status_code == 503
        node.gate.set()
        uploads.remove(waiting)
        assert uploads[0].result().status_code == 200
    server.stop()


def test_package_loads_nothing_until_asked() -> None:
    """Importing the package costs a device without web side nothing."""
    code = "import sys, edge.api; sys.exit(bool({'fastapi', 'starlette', 'uvicorn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
