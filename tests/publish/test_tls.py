"""Failed TLS handshakes: each reason has its remedy, and every wait is bounded."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest

from edge.errors import Unavailable
from edge.publish import broker, client
from edge.publish.mqtt import MqttPublisher, check_broker
from edge.settings.tree import Mqtt
from tests.support.certificates import Authority
from tests.support.listener import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.store import Store


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextlib.contextmanager
def server(context: ssl.SSLContext) -> Iterator[int]:
    """Yield the port of a server that accepts TLS handshakes and sends nothing else."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.settimeout(10)
            with connection.dup() as held, contextlib.suppress(OSError):
                try:
                    context.wrap_socket(connection, server_side=True)
                finally:
                    held.shutdown(socket.SHUT_WR)  # a close with something unread would overtake the alert
                    while held.recv(1000):
                        pass

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


def serving(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def reason(port: int, **values: object) -> str:
    with pytest.raises(Unavailable) as caught:
        check_broker(Mqtt.model_validate({"port": port, "tls": True, **values}), None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (
            {"begin": "20200101000000Z", "end": "20210101000000Z"},
            "has expired; renew it there, or check this machine's",
        ),
        ({"begin": "20980101000000Z"}, "is not valid yet; check this machine's clock"),
        ({"host": "IP:127.0.0.2"}, "is for another address; set mqtt.host"),
    ],
)
def test_an_invalid_broker_certificate_is_reported(
    certificate: dict[str, str], words: str, authority: Authority
) -> None:
    """The error does not name the authority, which is right."""
    with server(serving(authority.sign("broker", **certificate))) as port:
        line = reason(port, ca_file=authority.certificate)
    assert words in line
    assert "ca_file" not in line


def test_a_certificate_for_another_name_is_reported(authority: Authority) -> None:
    """As after moving a broker."""
    with server(serving(authority.sign("broker", "DNS:broker.example"))) as port:
        line = reason(port, host="localhost", ca_file=authority.certificate)
    assert "is for another name; set mqtt.host" in line


def test_an_authority_that_is_not_trusted_is_asked_for(authority: Authority, tmp_path: Path) -> None:
    """The error asks for the authority's certificate."""
    with server(serving(authority.sign("broker"))) as port:
        for values in ({}, {"ca_file": Authority(tmp_path / "other", "other").certificate}):
            assert "set mqtt.ca_file to that authority's certificate" in reason(port, **values)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_of_ours_that_is_wanted_is_asked_for(
    version: ssl.TLSVersion, authority: Authority, tmp_path: Path, store: Store
) -> None:
    """It is missing, or the broker does not trust it; TLS 1.3 reports it only after the handshake."""
    context = serving(authority.sign("broker"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.certificate)
    context.maximum_version = version
    stranger, key = Authority(tmp_path / "other", "other").sign("stranger")
    with server(context) as port:
        assert "set mqtt.cert_file and mqtt.key_file" in reason(port, ca_file=authority.certificate)
        other = {"cert_file": stranger, "key_file": key, "ca_file": authority.certificate}
        assert "does not trust the authority of mqtt.cert_file" in reason(port, **other)
        publisher = MqttPublisher(Mqtt(port=port, tls=True, ca_file=authority.certificate), "lamp", store)
        publisher.start()
        until(lambda: "set mqtt.cert_file and mqtt.key_file" in publisher.last_error)
        publisher.stop(0.1)
    assert "mqtt.cert_file" in broker.make_loss_error(Mqtt(tls=True), accepted=False).remedy, (
        "where the alert was lost on its way"
    )


@pytest.mark.parametrize("tls", [True, False])
def test_a_broker_that_takes_the_connection_and_says_nothing_is_not_waited_for(
    tls: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before or after the handshake; the timeout applies to the whole, not to each byte."""
    assert client.CONNECT_S < 10.0
    monkeypatch.setattr(client, "CONNECT_S", 0.5)
    monkeypatch.setattr("edge.publish.connection.CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        publisher = MqttPublisher(Mqtt(port=mute.getsockname()[1], tls=tls), "lamp", store)
        begin_s = time.monotonic()
        publisher.start()
        until(lambda: "answer" in publisher.last_error)
        assert time.monotonic() - begin_s < 5.0
        publisher.stop(0.1)
