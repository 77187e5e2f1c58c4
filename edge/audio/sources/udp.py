"""Source of 16-bit samples in UDP datagrams.

A small sensor, or ``ffmpeg … -f s16le udp://node:5005``, sends them.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.audio.sources.ready import wait_readable
from edge.audio.sources.s16 import floats_from_s16
from edge.audio.sources.source import Chunk
from edge.errors import SourceUnavailable

if TYPE_CHECKING:
    from edge.settings.source_spec import UdpSpec

_BUFFER_BYTES = 1 << 20
_MAX_DATAGRAMS, _MAX_READ_S = 64, 1.0  # per read, so that an excess is dropped in small parts
_MAX_BYTES = 1 << 16
_RESTART_S = 0.3
_MAPPED = "::ffff:"  # prefix of an IPv4 address on a port for both kinds


class UdpSource:
    """Source that listens on a UDP port.

    Each datagram contains whole frames; the bytes of an incomplete one are dropped. Two senders at once would give
    noise, so the first sender keeps the port until it has sent nothing for `stall_s`. The same host on another port is
    probably a restarted sender, and waits a shorter time.
    """

    live = True
    clocked = True
    stall_s = 3.0

    def __init__(self, spec: UdpSpec) -> None:
        """Take address and format; no port is bound yet."""
        self.rate_hz, self._spec = spec.rate_hz, spec
        self._socket: socket.socket | None = None
        self._sender: tuple[str, int] | None = None
        self._last_sound_s = 0.0

    @property
    def device(self) -> str:
        """The port, and the address of the sender."""
        return f"udp port {self.port}" + (f" from {self._sender[0]}" if self._sender else "")

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self._socket.getsockname()[1]) if self._socket else self._spec.port

    def open(self) -> None:
        """Bind the port; raises `SourceUnavailable` if that fails.

        Without a host it accepts both IPv6 and IPv4.
        """
        self._sender = None
        try:
            self._socket = self._open_socket()
        except OSError as exc:
            taken = exc.errno in {errno.EADDRINUSE, errno.EACCES}
            remedy = "choose a free port" if taken else "name an address of this machine, or leave it out"
            msg = f"UDP port {self._spec.port} cannot be opened: {exc.strerror or exc}"
            raise SourceUnavailable(msg, remedy=remedy) from exc
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.setblocking(False)

    def _open_socket(self) -> socket.socket:
        host, port = self._spec.host, self._spec.port
        if not host and socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):  # IPv6 may be switched off; any other error occurs with IPv4 too
                return _bind(socket.AF_INET6, ("::", port))
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return _bind(family, address)

    def read(self) -> Chunk | None:
        """Return the samples of the waiting datagrams, or none after a quarter of a second."""
        if self._socket is None:
            return None
        wait_readable(self._socket.fileno())
        frame = 2 * self._spec.channels
        whole, most = bytearray(), round(_MAX_READ_S * self.rate_hz) * frame
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MAX_DATAGRAMS):
                part = self._receive(self._socket)
                whole += part[: len(part) - len(part) % frame]
                if len(whole) >= most:
                    break
        return Chunk(floats_from_s16(bytes(whole), self._spec.channels) if whole else np.empty(0, np.float32))

    def close(self) -> None:
        """Free the port."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _receive(self, port: socket.socket) -> bytes:
        """Return one datagram, or empty bytes if its sender has to wait."""
        data, (host, number, *_) = port.recvfrom(_MAX_BYTES)
        sender, now_s = (host.removeprefix(_MAPPED), number), time.monotonic()
        if self._sender is not None and sender != self._sender:
            quiet_s = _RESTART_S if sender[0] == self._sender[0] else self.stall_s
            if now_s - self._last_sound_s < quiet_s:
                return b""
        self._sender, self._last_sound_s = sender, now_s
        return data


def _bind(family: int, address: tuple[Any, ...]) -> socket.socket:
    port = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if address[0] == "::":
            port.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        port.bind(address)
    except OSError:
        port.close()
        raise
    return port
