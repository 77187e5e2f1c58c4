"""TLS context and error messages for a broker."""

from __future__ import annotations

import contextlib
import ssl
import unicodedata
from typing import TYPE_CHECKING

from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.settings.tree import Mqtt

_REFUSED = {
    "Bad user name or password": "check mqtt.username and mqtt.password_file",
    "Not authorized": "check the broker's access rules, mqtt.username and mqtt.password_file",
    "Client identifier not valid": "set mqtt.client_id",
    "Unsupported protocol version": "set mqtt.version",
    "Session taken over": "another client has the same name; set node.id or mqtt.client_id",
}

_AUTHORITY = "the authority of its certificate is not trusted; set mqtt.ca_file to that authority's certificate"
# OpenSSL's errors about a broker's certificate, by their numbers (X509_V_ERR_...)
_UNTRUSTED = {
    **dict.fromkeys((2, 18, 19, 20, 21), _AUTHORITY),
    9: "its certificate is not valid yet; check this machine's clock (timedatectl)",
    10: "its certificate has expired; renew it there, or check this machine's clock (timedatectl)",
    62: "its certificate is for another name; set mqtt.host to a name that is in it",
    64: "its certificate is for another address; set mqtt.host to a name or address that is in it",
}

# A broker's TLS alerts about the node's certificate, by OpenSSL's names
_ALERTS = {
    "CERTIFICATE_REQUIRED": "wants a certificate of this node; set mqtt.cert_file and mqtt.key_file",
    "HANDSHAKE_FAILURE": "breaks off the TLS handshake; if it wants a certificate of this node, set mqtt.cert_file and"
    " mqtt.key_file",
    "UNKNOWN_CA": "does not trust the authority of mqtt.cert_file; have the certificate signed by one that it trusts",
    "BAD_CERTIFICATE": "does not take the certificate in mqtt.cert_file",
    "CERTIFICATE_EXPIRED": "says that the certificate in mqtt.cert_file has expired; renew it",
    "CERTIFICATE_REVOKED": "says that the certificate in mqtt.cert_file is revoked; get another",
}
_CHECK_ALL = "check mqtt.port, mqtt.tls and mqtt.version"
_OTHER = "have its certificate put right, or set mqtt.ca_file"
_LENGTH_MAX = 65_535  # the protocol's own bound

_WANTED = {
    "ca_file": "it must hold the authority's certificate in PEM",
    "cert_file": "it must hold a certificate in PEM, and its key unless mqtt.key_file is set",
    "key_file": "it must hold the unencrypted key of mqtt.cert_file in PEM",
}


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
        msg = f"mqtt.{name}: {path}: there is no such file"
        raise ConfigError(msg) from exc
    except OSError as exc:  # ssl.SSLError is one
        msg = f"mqtt.{name}: {path}: cannot be used ({_describe_error(exc)}); {_WANTED[name]}"
        raise ConfigError(msg) from exc


def check_names(client_id: str, username: str, password: str | None) -> None:
    """Raise `ConfigError` for names that MQTT does not allow.

    A broker would end the connection without a reason.
    """
    for name, value in {"client_id": client_id, "username": username, "password": password or ""}.items():
        if len(value.encode(errors="surrogatepass")) > _LENGTH_MAX:
            msg = f"mqtt.{name}: it is longer than {_LENGTH_MAX} bytes, the most that MQTT allows"
            raise ConfigError(msg)
        if name != "password" and any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value):
            msg = f"mqtt.{name}: it holds a control character, which MQTT does not allow"
            raise ConfigError(msg)


def explain_connect_error(settings: Mqtt, exc: Exception) -> str:
    """Return why no connection could be opened, in one line."""
    place = _name_broker(settings)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"{place} is not trusted ({exc.verify_message}): {_UNTRUSTED.get(exc.verify_code, _OTHER)}"
    if isinstance(exc, ssl.SSLError):
        if words := next((words for alert, words in _ALERTS.items() if str(exc.reason).endswith(alert)), ""):
            return f"{place} {words}"
        return f"{place} does not speak TLS with us ({exc.reason}); check mqtt.port and mqtt.tls"
    if isinstance(exc, TimeoutError) and settings.tls:
        return f"{place} does not answer, or does not speak TLS; check mqtt.host, mqtt.port and mqtt.tls"
    return f"no broker at {settings.host}:{settings.port} ({_describe_error(exc)})"


def explain_fault(settings: Mqtt, exc: Exception) -> str:
    """Describe a connection ended by an unexpected exception, in one line."""
    return f"the connection to {_name_broker(settings)} failed ({type(exc).__name__}: {exc})"


def explain_refusal(settings: Mqtt, reason: str) -> str:
    """Describe a refusal by the broker, in one line."""
    return f"{_name_broker(settings)} refused us: {reason}; {find_remedy(reason)}"


def explain_loss(settings: Mqtt, *, accepted: bool) -> str:
    """Describe a connection that the broker ended without a reason, in one line."""
    if accepted:
        return f"{_name_broker(settings)} is gone"
    ours = ", and mqtt.cert_file if it wants a certificate of this node" if settings.tls else ""
    return f"{_name_broker(settings)} ended the connection without an answer; {_CHECK_ALL}{ours}"


def explain_silence(settings: Mqtt) -> str:
    """Describe a broker that accepts the connection and does not answer, in one line."""
    return f"{_name_broker(settings)} takes the connection and does not answer; {_CHECK_ALL}"


def explain_rivalry(settings: Mqtt, client_id: str) -> str:
    """Describe connections that the broker repeatedly ends soon after it accepted them, in one line."""
    return (
        f"{_name_broker(settings)} is gone again and again, soon after it accepted us: perhaps another client is called"
        f" {client_id!r}; set node.id or mqtt.client_id; or its access rules forbid what is published; see its log"
    )


def find_remedy(reason: str) -> str:
    """Return the remedy for a broker's reason."""
    return _REFUSED.get(reason, "see its log")


def _name_broker(settings: Mqtt) -> str:
    return f"the broker at {settings.host}:{settings.port}"


def _describe_error(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
