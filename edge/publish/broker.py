"""TLS context and error messages for a broker."""

from __future__ import annotations

import contextlib
import ssl
import unicodedata
from typing import TYPE_CHECKING

from edge.errors import ConfigError, Unavailable, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.settings.tree import Mqtt

_REFUSED = {
    "Bad user name or password": "check mqtt.username and mqtt.password_file",
    "Not authorized": "check the broker's access rules, mqtt.username and mqtt.password_file",
    "Client identifier not valid": "set mqtt.client_id",
    "Unsupported protocol version": "set mqtt.version",
    "Session taken over": "set node.id or mqtt.client_id, because another client has the same name",
}

_AUTHORITY = ("the authority of its certificate is not trusted", "set mqtt.ca_file to that authority's certificate")
# Errors about a broker's certificate and their remedies, by OpenSSL's numbers (X509_V_ERR_...)
_UNTRUSTED = {
    **dict.fromkeys((2, 18, 19, 20, 21), _AUTHORITY),
    9: ("its certificate is not valid yet", "check this machine's clock (timedatectl)"),
    10: ("its certificate has expired", "renew it there, or check this machine's clock (timedatectl)"),
    62: ("its certificate is for another name", "set mqtt.host to a name that is in it"),
    64: ("its certificate is for another address", "set mqtt.host to a name or address that is in it"),
}

# A broker's TLS alerts about the node's certificate and their remedies, by OpenSSL's names
_ALERTS = {
    "CERTIFICATE_REQUIRED": ("requires a certificate of this node", "set mqtt.cert_file and mqtt.key_file"),
    "HANDSHAKE_FAILURE": (
        "breaks off the TLS handshake",
        "if it requires a certificate of this node, set mqtt.cert_file and mqtt.key_file",
    ),
    "UNKNOWN_CA": (
        "does not trust the authority of mqtt.cert_file",
        "have the certificate signed by an authority that the broker trusts",
    ),
    "BAD_CERTIFICATE": ("refuses the certificate in mqtt.cert_file", "check that it is this node's"),
    "CERTIFICATE_EXPIRED": ("reports that the certificate in mqtt.cert_file has expired", "renew it"),
    "CERTIFICATE_REVOKED": ("reports that the certificate in mqtt.cert_file is revoked", "get another"),
}
_CHECK_ALL = "check mqtt.port, mqtt.tls and mqtt.version"
_OTHER = "correct its certificate, or set mqtt.ca_file"
_LENGTH_MAX = 65_535  # the protocol's own bound

_WANTED = {
    "ca_file": "it must hold the authority's certificate in PEM",
    "cert_file": "it must hold a certificate in PEM, and its key unless mqtt.key_file is set",
    "key_file": "it must hold the unencrypted key of mqtt.cert_file in PEM",
}


class ConnectionLost(Unavailable):
    """Loss of an accepted connection without a reason from the broker."""


def tls_context(settings: Mqtt) -> ssl.SSLContext | None:
    """Return the TLS context, None without TLS; raises `ConfigError` for unusable files."""
    if not settings.tls:
        return None
    for name in ("ca_file", "cert_file", "key_file"):
        with _name_setting(name, getattr(settings, name)) as path:
            if path is not None:
                path.open("rb").close()  # an ssl.SSLContext does not say which file it could not open
    with _name_setting("ca_file", settings.ca_file):
        context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.cert_file is not None:
        with _name_setting("cert_file", settings.cert_file):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(settings.cert_file)
        name = "cert_file" if settings.key_file is None else "key_file"
        with _name_setting(name, settings.key_file or settings.cert_file):
            # An encrypted key is an error: a service cannot ask for its password.
            context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
    return context


@contextlib.contextmanager
def _name_setting(name: str, path: Path | None) -> Iterator[Path | None]:
    try:
        yield path
    except FileNotFoundError as exc:
        msg = "there is no such file"
        raise ConfigError(msg, where=f"mqtt.{name}: {path}") from exc
    except OSError as exc:  # ssl.SSLError is one
        msg = f"the file cannot be used ({reason_of(exc)})"
        raise ConfigError(msg, where=f"mqtt.{name}: {path}", remedy=_WANTED[name]) from exc


def check_names(client_id: str, username: str, password: str | None) -> None:
    """Raise `ConfigError` for names that MQTT does not allow.

    A broker would end the connection without a reason.
    """
    for name, value in {"client_id": client_id, "username": username, "password": password or ""}.items():
        if len(value.encode(errors="surrogatepass")) > _LENGTH_MAX:
            msg = f"the value is longer than the {_LENGTH_MAX} bytes that MQTT allows"
            raise ConfigError(msg, where=f"mqtt.{name}")
        if name != "password" and any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value):
            msg = "the value holds a control character, which MQTT does not allow"
            raise ConfigError(msg, where=f"mqtt.{name}")


def make_connect_error(settings: Mqtt, exc: Exception) -> Unavailable:
    """Return the error for a connection that could not be opened."""
    place = _name_broker(settings)
    if isinstance(exc, ssl.SSLCertVerificationError):
        why, remedy = _UNTRUSTED.get(exc.verify_code, ("its certificate is not valid", _OTHER))
        return Unavailable(f"{place} is not trusted ({exc.verify_message}): {why}", remedy=remedy)
    if isinstance(exc, ssl.SSLError):
        what, remedy = next(
            (facts for alert, facts in _ALERTS.items() if str(exc.reason).endswith(alert)),
            (f"does not speak TLS ({exc.reason})", "check mqtt.port and mqtt.tls"),
        )
        return Unavailable(f"{place} {what}", remedy=remedy)
    if isinstance(exc, TimeoutError) and settings.tls:
        what = f"{place} does not answer, or does not speak TLS"
        return Unavailable(what, remedy="check mqtt.host, mqtt.port and mqtt.tls")
    return Unavailable(
        f"no broker answers at {settings.host}:{settings.port} ({reason_of(exc)})",
        remedy="start one there, correct mqtt.host, or set mqtt.enabled = false",
    )


def make_unexpected_error(settings: Mqtt, exc: Exception) -> Unavailable:
    """Return the error for a connection ended by an unexpected exception."""
    return Unavailable(f"the connection to {_name_broker(settings)} failed ({type(exc).__name__}: {exc})")


def make_refusal_error(settings: Mqtt, reason: str) -> Unavailable:
    """Return the error for a connection that the broker refused."""
    return Unavailable(f"{_name_broker(settings)} refused the connection: {reason}", remedy=find_remedy(reason))


def make_loss_error(settings: Mqtt, *, accepted: bool) -> Unavailable:
    """Return the error for a connection that the broker ended without a reason."""
    if accepted:
        return ConnectionLost(f"the connection to {_name_broker(settings)} was lost")
    ours = ", and mqtt.cert_file if it requires a certificate of this node" if settings.tls else ""
    return Unavailable(f"{_name_broker(settings)} ended the connection without an answer", remedy=f"{_CHECK_ALL}{ours}")


def make_silence_error(settings: Mqtt) -> Unavailable:
    """Return the error for a broker that accepts the connection and does not answer."""
    return Unavailable(f"{_name_broker(settings)} takes the connection and does not answer", remedy=_CHECK_ALL)


def make_rivalry_error(settings: Mqtt, client_id: str) -> Unavailable:
    """Return the error for connections that the broker repeatedly ends after accepting them."""
    return Unavailable(
        f"{_name_broker(settings)} keeps ending the connection soon after it accepted it: perhaps another client is"
        f" called {client_id!r}, or its access rules forbid what is published",
        remedy="set node.id or mqtt.client_id, or see the broker's log",
    )


def find_remedy(reason: str) -> str:
    """Return the remedy for a broker's reason."""
    return _REFUSED.get(reason, "see the broker's log")


def _name_broker(settings: Mqtt) -> str:
    return f"the broker at {settings.host}:{settings.port}"
