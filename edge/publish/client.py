"""MQTT client with bounds: `MAX_PACKET` for a packet that it reads, `CONNECT_S` for a handshake.

paho reads packets of any announced length into memory. Every client that may write a subscribed topic can send one,
so the length is checked before the packet is read.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.publish.topics import find_flaw
from edge.publish.transport import TooLongError, UnsendableError

if TYPE_CHECKING:
    from edge.settings.tree import Mqtt

MAX_PACKET = 65_536
"""Most bytes of a packet that is read, without its header: far more than any command or state needs."""
CONNECT_S = 8.0
"""Seconds for each of connecting, the TLS handshake and the broker's answer."""
_UNLIMITED = 65_535  # the protocol's own bound; the sender's windows are narrower
_VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
_LENGTH = 2  # bytes of the length of a topic
_HEADER = 16  # bytes of a message's packet beside topic and payload, at most
_TYPE_AND_QOS, _PUBLISH_QOS_2 = 0xF6, 0x34


class TooLargeError(ConnectionError):
    """A packet too large to read; `topic` is empty if it is not a message."""

    def __init__(self, topic: str, size: int) -> None:
        """Take the topic and the size of the packet."""
        super().__init__(f"a packet of {size} bytes")
        self.topic, self.size = topic, size


class _HandshakeSocket(ssl.SSLSocket):
    """A TLS connection with a timeout for its handshake, closed when that fails.

    The library does neither.
    """

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's own
        self.settimeout(CONNECT_S)
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Client(paho.Client):
    """An MQTT client for one connection."""

    def __init__(self, settings: Mqtt, client_id: str, password: str | None, tls: ssl.SSLContext | None) -> None:
        """Take the settings of the connection, which `open` makes."""
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=_VERSIONS[settings.version],
            clean_session=None if settings.version == "5" else True,
            reconnect_on_failure=False,
        )
        self._settings = settings
        self._packet_start = bytearray()
        self.failure: OSError | None = None
        """The error that ended the reading, which the library does not report."""
        self.packet_max: int | None = None
        """Most bytes of a packet that the broker accepts, if it announced a limit."""
        self.max_inflight_messages_set(_UNLIMITED)
        self.connect_timeout = CONNECT_S
        if settings.username or password is not None:
            self.username_pw_set(settings.username, password)
        if tls is not None:
            tls.sslsocket_class = _HandshakeSocket
            self.tls_set_context(tls)

    def open(self) -> None:
        """Connect and send the connect request; raises `OSError` or `ValueError`."""
        properties = None
        if self._settings.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MAX_PACKET
        settings = self._settings
        self.connect(settings.host, settings.port, keepalive=settings.keepalive_s, properties=properties)

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        """Send a message; return its number, None if it was not accepted. Raises `UnsendableError`."""
        if why := find_flaw(topic):
            raise UnsendableError(why)
        if self.packet_max is not None and len(topic.encode()) + len(payload) + _HEADER > self.packet_max:
            msg = f"the message is longer than the {self.packet_max} bytes that the broker takes"
            raise TooLongError(msg)
        try:
            result = self.publish(topic, payload, qos=qos, retain=retain)
        except (ValueError, TypeError) as exc:
            raise UnsendableError(str(exc)) from exc
        # Without success its packet ids have run out, or the connection is lost; the message stays with the caller.
        return result.mid if result.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    @property
    def congested(self) -> bool:
        """Whether earlier messages still wait to be written."""
        return self.want_write()

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read for paho.

        paho asks for the whole rest of a packet at once, so its length is known.
        """
        try:
            if self._in_packet["command"] & _TYPE_AND_QOS == _PUBLISH_QOS_2:
                # paho would keep it until the broker releases it.
                msg = "the broker sent a message with QoS 2, which was not requested"
                raise ConnectionError(msg)
            if bufsize <= MAX_PACKET:
                self._packet_start.clear()
                data = super()._sock_recv(bufsize)
            else:
                data = super()._sock_recv(MAX_PACKET)
                self._refuse_packet(data, bufsize)
        except BlockingIOError:
            raise
        except OSError as exc:
            self.failure = exc
            raise
        return data

    def _refuse_packet(self, data: bytes, left: int) -> None:
        """Refuse the packet once its topic is complete; it may arrive in small pieces."""
        self._packet_start += data
        end = _LENGTH + int.from_bytes(self._packet_start[:_LENGTH], "big")
        if len(self._packet_start) >= end:
            size = len(self._packet_start) - len(data) + left
            raise TooLargeError(bytes(self._packet_start[_LENGTH:end]).decode("utf-8", "replace"), size)
