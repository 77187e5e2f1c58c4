"""A reverse proxy as it is set up below a path: `location /tocsin/ { proxy_pass http://127.0.0.1:PORT/; }`."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

PREFIX = "/tocsin"


def address_of(client: httpx.Client) -> tuple[str, int]:
    """Return the host and the port that a client asks."""
    assert client.base_url.port is not None
    return client.base_url.host, client.base_url.port


@contextmanager
def proxied(host: str, port: int, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve what is at `host` and `port` below a path; give its address. What is elsewhere is not there."""

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            upstream = http.client.HTTPConnection(host, port, timeout=20)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            sent = {**self.headers, **(headers or {}), "Host": f"{host}:{port}", "Connection": "close"}
            upstream.request(self.command, self.path[len(PREFIX) :], body, sent)
            answer = upstream.getresponse()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                while chunk := answer.read1(65536):
                    self.wfile.write(chunk)
            upstream.close()

        do_GET = do_POST = do_PUT = do_HEAD = forward  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}/"
    finally:
        server.shutdown()
        server.server_close()
