"""16-bit samples in datagrams, as a small sensor or ``ffmpeg … -f s16le udp://node:5005`` sends them."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.audio.ready import readable
from edge.audio.s16 import floats_from_s16
from edge.audio.source import Chunk
from edge.errors import SourceUnavailable

if TYPE_CHECKING:
    from edge.audio.spec import UdpSpec

_BUFFER_BYTES = 1 << 20
_MAX_DATAGRAMS = 64
_MAX_BYTES = 1 << 16


class UdpSource:
    """Listens on a port. Each datagram holds whole samples: a stray last byte is dropped, for it belongs to none.

    Two senders at once would be noise, so the first keeps the port until it has been quiet for `stall_s`.
    """

    live = True
    clocked = True
    stall_s = 3.0

    def __init__(self, spec: UdpSpec) -> None:
        """Take address and format; nothing is bound yet."""
        self.rate_hz, self._spec = spec.rate_hz, spec
        self._socket: socket.socket | None = None
        self._sender: Any = None
        self._heard_s = 0.0

    @property
    def device(self) -> str:
        """Where it listens, and who sends."""
        return f"udp port {self.port}" + (f" from {self._sender[0]}" if self._sender else "")

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._socket.getsockname()[1]) if self._socket else self._spec.port

    def open(self) -> None:
        """Bind the port; `SourceUnavailable` when that is refused."""
        self._sender = None
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self._spec.host or None, self._spec.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
            )[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.bind(address)
        except OSError as exc:
            self.close()
            msg = f"udp port {self._spec.port} cannot be listened on: {exc.strerror or exc}; choose a free port"
            raise SourceUnavailable(msg) from exc
        self._socket.setblocking(False)

    def read(self) -> Chunk | None:
        """Return what came in the datagrams that wait, or nothing after a quarter of a second."""
        if self._socket is None:
            return None
        readable(self._socket.fileno())
        parts: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while len(parts) < _MAX_DATAGRAMS:
                parts.append(self._receive(self._socket))
        frame = 2 * self._spec.channels
        whole = b"".join(part[: len(part) - len(part) % frame] for part in parts)
        return Chunk(floats_from_s16(whole, self._spec.channels) if whole else np.empty(0, np.float32))

    def close(self) -> None:
        """Free the port."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _receive(self, port: socket.socket) -> bytes:
        data, sender = port.recvfrom(_MAX_BYTES)
        now_s = time.monotonic()
        if sender != self._sender and now_s - self._heard_s < self.stall_s:
            return b""
        self._sender, self._heard_s = sender, now_s
        return data
