"""The HTTP server and its thread."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from edge.api.connection import Connection
from edge.errors import Forbidden, TocsinError, Unavailable

if TYPE_CHECKING:
    from fastapi import FastAPI

    from edge.settings.tree import Api

_BACKLOG = 128
_DEAD_PEER_MS = 30_000
_TICK_S = 1.0
_START_S, _RESOLVE_S = 10.0, 3.0
log = logging.getLogger("tocsin.api")


class ApiServer:
    """The HTTP server of an application, for one start and one stop."""

    def __init__(self, app: FastAPI, settings: Api) -> None:
        """Take the application; no socket is opened yet."""
        self._app = app
        self._settings = settings
        self._port = settings.port
        self._socket: socket.socket | None = None
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",  # it warns of every invalid request, and anybody can send those
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="tocsin-api", daemon=True)

    @property
    def url(self) -> str:
        """The address, such as `http://127.0.0.1:8080`; with the configured port before the start."""
        host = self._settings.host
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    def start(self) -> None:
        """Bind the port and start to answer; raises Unavailable or Forbidden."""
        self._socket = _listen(self._settings.host, self._settings.port)
        self._port = self._socket.getsockname()[1]
        self._thread.start()
        self._server.up.wait(_START_S)
        if not self._server.started:
            msg = "the web server did not start"
            raise Unavailable(msg, remedy="see the log")
        log.info("serving on %s", self.url)

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the open streams, wait for other answers, and close."""
        if self._server.started:
            self._server.ask_to_stop()
            self._thread.join(timeout_s)
            self._server.force_exit = True

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket] if self._socket else None)
        finally:
            self._server.up.set()


class _Server(uvicorn.Server):
    """Uvicorn with a start signal, a one-second tick and an early end of streams."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            try:
                await asyncio.wait_for(self._stop.wait(), _TICK_S)
            except asyncio.TimeoutError:
                continue
        state = self.config.app.state  # type: ignore[union-attr]
        state.streams.close()
        state.worker.close()

    def ask_to_stop(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)


def _listen(host: str, port: int) -> socket.socket:
    family, address = _resolve(host, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The kernel drops a client that stops reading or vanishes; accepted sockets inherit this.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MS)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise _refused(exc, host, port) from exc
    return listener


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Return the address of `host`.

    The query runs on a thread, so that a slow resolver does not delay signals.
    """
    found: list[tuple[socket.AddressFamily, Any]] = []
    why = f"no answer within {_RESOLVE_S:g} s"

    def ask() -> None:
        nonlocal why
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            found.append((family, address))
        except OSError as exc:
            why = exc.strerror or type(exc).__name__

    thread = threading.Thread(target=ask, name="tocsin-resolve", daemon=True)
    thread.start()
    thread.join(_RESOLVE_S)
    if found:
        return found[0]
    # Before the network is up no name resolves, so a wrong name cannot be distinguished.
    msg = f"{host!r} is not an address of this machine ({why})"
    raise Unavailable(msg, where="api.host", remedy="use 127.0.0.1 or 0.0.0.0")


def _refused(error: OSError, host: str, port: int) -> TocsinError:
    if error.errno == errno.EADDRINUSE:
        return Unavailable(f"another program uses port {port} on {host}", remedy="stop it, or set api.port")
    if error.errno == errno.EACCES:
        return Forbidden(f"port {port} needs privileges", remedy="set api.port to 1024 or above")
    what = f"the web server cannot listen on {host}:{port} ({error.strerror})"
    return Unavailable(what, remedy="check api.host and api.port")
