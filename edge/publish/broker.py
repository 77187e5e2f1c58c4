"""What can be said of a broker without speaking MQTT: whom to trust, and why there is no connection."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.settings import Mqtt

_REFUSED = {
    "Bad user name or password": "check mqtt.username and mqtt.password_file",
    "Not authorized": "check the broker's access rules, mqtt.username and mqtt.password_file",
    "Client identifier not valid": "set mqtt.client_id",
    "Unsupported protocol version": "set mqtt.version",
    "Session taken over": "another client has the same mqtt.client_id",
}

_WANTED = {
    "ca_file": "it must hold the authority's certificate in PEM",
    "cert_file": "it must hold a certificate in PEM, and its key unless mqtt.key_file is set",
    "key_file": "it must hold the unencrypted key of mqtt.cert_file in PEM",
}


def tls_context(settings: Mqtt) -> ssl.SSLContext | None:
    """Return whom to trust, and who we are; None without TLS. Raises `ConfigError` for files that cannot be used."""
    if not settings.tls:
        return None
    for name in ("ca_file", "cert_file", "key_file"):
        with _blaming(name, getattr(settings, name)) as path:
            if path is not None:
                path.open("rb").close()  # an ssl.SSLContext does not say which file it could not open
    with _blaming("ca_file", settings.ca_file):
        context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.cert_file is not None:
        with _blaming("cert_file", settings.cert_file):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(settings.cert_file)
        name = "cert_file" if settings.key_file is None else "key_file"
        with _blaming(name, settings.key_file or settings.cert_file):
            # An encrypted key is an error: a service has nobody to ask for its password.
            context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
    return context


@contextlib.contextmanager
def _blaming(name: str, path: Path | None) -> Iterator[Path | None]:
    try:
        yield path
    except FileNotFoundError as exc:
        msg = f"mqtt.{name}: {path}: there is no such file"
        raise ConfigError(msg) from exc
    except OSError as exc:  # ssl.SSLError is one
        msg = f"mqtt.{name}: {path}: cannot be used ({_reason(exc)}); {_WANTED[name]}"
        raise ConfigError(msg) from exc


def absence(settings: Mqtt, exc: Exception) -> str:
    """Return why no connection could be made, in one line."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"{_place(settings)} is not trusted ({exc.verify_message}); set mqtt.ca_file to its authority"
    if isinstance(exc, ssl.SSLError):
        return f"{_place(settings)} does not speak TLS with us ({exc.reason}); check mqtt.port and mqtt.tls"
    return f"no broker at {settings.host}:{settings.port} ({_reason(exc)})"


def refusal(settings: Mqtt, reason: str) -> str:
    """Return that the broker will not have us, in one line."""
    return f"{_place(settings)} refused us: {reason}; {mend(reason)}"


def loss(settings: Mqtt, *, accepted: bool) -> str:
    """Return that the broker ended the connection without giving a reason, in one line."""
    if accepted:
        return f"{_place(settings)} is gone"
    return f"{_place(settings)} ended the connection without an answer; check mqtt.port, mqtt.tls and mqtt.version"


def mend(reason: str) -> str:
    """Return what to do about a broker's reason."""
    return _REFUSED.get(reason, "see its log")


def _place(settings: Mqtt) -> str:
    return f"the broker at {settings.host}:{settings.port}"


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
