"""paho's client, bounded: it reads no packet beyond `MAX_PACKET` and waits for no handshake beyond `CONNECT_S`.

paho takes whatever length the broker announces into memory. A subscription is open to everybody who may write its
topic, so the length is looked at before the packet is read.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.publish.line import TooLongError, UnsendableError
from edge.publish.topics import flaw

if TYPE_CHECKING:
    from edge.settings.tree import Mqtt

MAX_PACKET = 65_536
"""Bytes of the largest packet that is read, without its header: far more than any command or state needs."""
CONNECT_S = 8.0
"""Seconds for each of connecting, the TLS handshake and the broker's answer."""
_UNLIMITED = 65_535  # the protocol's own bound; the sender's windows are narrower
_VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
_LENGTH = 2  # bytes that say how long a topic is
_HEADER = 16  # bytes of a message's packet beside topic and payload, at most
_TYPE_AND_QOS, _PUBLISH_QOS_2 = 0xF6, 0x34


class TooLargeError(ConnectionError):
    """A packet that is not read; `topic` is empty where it is no message."""

    def __init__(self, topic: str, size: int) -> None:
        """Take what is known of it."""
        super().__init__(f"a packet of {size} bytes")
        self.topic, self.size = topic, size


class _HandshakeSocket(ssl.SSLSocket):
    """A TLS connection whose handshake has an end, and which is closed when that failed; the library does neither."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's own
        self.settimeout(CONNECT_S)
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Client(paho.Client):
    """A client for one connection."""

    def __init__(self, settings: Mqtt, client_id: str, password: str | None, tls: ssl.SSLContext | None) -> None:
        """Take what `open` needs; nothing is connected yet."""
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=_VERSIONS[settings.version],
            clean_session=None if settings.version == "5" else True,
            reconnect_on_failure=False,
        )
        self._settings = settings
        self._head = bytearray()
        self.failure: OSError | None = None
        """What ended the reading, where the library would keep it to itself."""
        self.packet_max: int | None = None
        """Bytes of the largest packet that the broker takes, where it said so."""
        self.max_inflight_messages_set(_UNLIMITED)
        self.connect_timeout = CONNECT_S
        if settings.username or password is not None:
            self.username_pw_set(settings.username, password)
        if tls is not None:
            tls.sslsocket_class = _HandshakeSocket
            self.tls_set_context(tls)

    def open(self) -> None:
        """Connect and send the request; raises `OSError` or `ValueError`."""
        wishes = None
        if self._settings.version == "5":
            wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            wishes.MaximumPacketSize = MAX_PACKET
        settings = self._settings
        self.connect(settings.host, settings.port, keepalive=settings.keepalive_s, properties=wishes)

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        """Send a message and return its number; None where it was not taken. Raises `UnsendableError`."""
        if why := flaw(topic):
            raise UnsendableError(why)
        if self.packet_max is not None and len(topic.encode()) + len(payload) + _HEADER > self.packet_max:
            msg = f"the message is longer than the {self.packet_max} bytes that the broker takes"
            raise TooLongError(msg)
        try:
            result = self.publish(topic, payload, qos=qos, retain=retain)
        except (ValueError, TypeError) as exc:
            raise UnsendableError(str(exc)) from exc
        # Its numbers have run out, or the connection is lost; the next one begins anew.
        return result.mid if result.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    @property
    def jammed(self) -> bool:
        """Whether the connection cannot carry more at the moment."""
        return self.want_write()

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read what paho asks for: at once all that is left of a packet, whose length is thereby known."""
        try:
            if self._in_packet["command"] & _TYPE_AND_QOS == _PUBLISH_QOS_2:
                msg = "the broker sent a message with QoS 2, which was not requested"  # it would be kept for its end
                raise ConnectionError(msg)
            if bufsize <= MAX_PACKET:
                self._head.clear()
                data = super()._sock_recv(bufsize)
            else:
                data = super()._sock_recv(MAX_PACKET)
                self._refuse_once_named(data, bufsize)
        except BlockingIOError:
            raise
        except OSError as exc:
            self.failure = exc
            raise
        return data

    def _refuse_once_named(self, data: bytes, left: int) -> None:
        """Refuse the packet as soon as its topic is there; its pieces may be small."""
        self._head += data
        end = _LENGTH + int.from_bytes(self._head[:_LENGTH], "big")
        if len(self._head) >= end:
            size = len(self._head) - len(data) + left
            raise TooLargeError(bytes(self._head[_LENGTH:end]).decode("utf-8", "replace"), size)
