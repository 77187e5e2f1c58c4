"""Webhook actions: one request per try, bounded in time and size, without proxies."""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from edge import __version__
from edge.actions.trigger import Executor, Trigger, fill, make_placeholders
from edge.errors import ActionFailed
from edge.jsontext import dumps
from edge.settings.section import check_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.settings.actions import WebhookAction

_BODY_BYTES = 64 * 1024
_HOPS = 5
_HEADER_CHARS = 64  # of a header with a number or a date
_WAIT_MAX_S = 86_400.0
_VISIBLE = re.compile(r"[!-~]+")
_REDIRECTS = (301, 302, 303, 307, 308)
_TOO_MANY = 429
_OK, _REDIRECT, _REFUSED, _BROKEN = 200, 300, 400, 500


class WebhookExecutor(Executor):
    """Executor of one request.

    Its errors show only scheme, host and port of an address.
    """

    def __init__(self, action: WebhookAction, node: str) -> None:
        """Take the action, and create its TLS context."""
        self.tries, self.expire_s = action.tries, action.expire_s
        self._action, self._node = action, node
        self._tls = ssl.create_default_context()
        self._url = urlsplit(str(action.url))

    def __call__(self, trigger: Trigger, left_s: float) -> None:  # noqa: ARG002 - it may end later than that
        """Send the request and follow the redirects of a GET; raises `ActionFailed`."""
        deadline_s = time.monotonic() + self._action.timeout_s
        body = self._make_body(trigger)
        url = self._url
        for _ in range(1 + _HOPS):
            status, headers = self._request(url, body, deadline_s)
            if status not in _REDIRECTS:
                _check_status(status, headers, _format_origin(url))
                return
            url = self._find_redirect(url, status, headers.get("Location", ""))
        msg, remedy = f"the server redirects more than {_HOPS} times", "set the action's url to the last address"
        raise ActionFailed(msg, where=_format_origin(self._url), remedy=remedy, again=False)

    def _make_body(self, trigger: Trigger) -> bytes | None:
        if self._action.method == "GET":
            return None
        if self._action.body is not None:
            return fill(self._action.body, trigger, self._node).encode()
        details = {"intervals_ms": trigger.intervals_ms, "confidence": round(trigger.confidence, 3)}
        return dumps(make_placeholders(trigger, self._node) | details).encode()

    def _make_headers(self, url: SplitResult, body: bytes | None) -> dict[str, str]:
        """Return the headers; secrets go only to the configured server, not to a redirect's."""
        headers = {"user-agent": f"tocsin/{__version__}", "connection": "close"}
        if body is not None:
            headers["content-type"] = "application/json"
        if _format_origin(url) == _format_origin(self._url):
            if self._url.username is not None:
                login = f"{unquote(self._url.username)}:{unquote(self._url.password or '')}"
                headers["authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
            headers |= {name.lower(): value.get_secret_value() for name, value in self._action.headers.items()}
        return headers

    def _request(self, url: SplitResult, body: bytes | None, deadline_s: float) -> tuple[int, http.client.HTTPMessage]:
        """Send one request and return status and headers; raises `ActionFailed` without an answer in time."""
        connection = self._make_connection(url, max(0.001, deadline_s - time.monotonic()))
        try:
            with contextlib.closing(connection):
                connection.connect()
                with _limit_time(connection.sock, deadline_s):
                    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
                    connection.request(self._action.method, target, body, self._make_headers(url, body))
                    answer = connection.getresponse()
                    if time.monotonic() >= deadline_s:  # a connection closed within the headers looks like their end
                        raise TimeoutError
                    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                        answer.read(_BODY_BYTES)  # so that the server can send all of it; the result is not used
                    return answer.status, answer.headers
        except (OSError, ValueError, http.client.HTTPException) as exc:
            late = time.monotonic() >= deadline_s or isinstance(exc, TimeoutError)
            raise self._explain_failure(_format_origin(url), exc, late=late) from exc

    def _explain_failure(self, place: str, exc: Exception, *, late: bool) -> ActionFailed:
        if late:
            return ActionFailed(f"the server did not answer within {self._action.timeout_s:g} s", where=place)
        if isinstance(exc, ssl.SSLCertVerificationError):
            what = f"the server's certificate is not trusted ({exc.verify_message})"
            return ActionFailed(what, where=place, remedy="check the action's url and the certificate", again=False)
        if isinstance(exc, (ValueError, http.client.HTTPException)):
            return ActionFailed(f"the server did not answer in HTTP ({type(exc).__name__})", where=place)
        why = getattr(exc, "strerror", None) or type(exc).__name__
        return ActionFailed(f"the server cannot be reached ({why})", where=place)

    def _make_connection(self, url: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
        host = url.hostname or ""
        if url.scheme == "https":
            return http.client.HTTPSConnection(host, url.port, timeout=timeout_s, context=self._tls)
        return http.client.HTTPConnection(host, url.port, timeout=timeout_s)

    def _find_redirect(self, url: SplitResult, status: int, location: str) -> SplitResult:
        """Return the target of a redirected GET; raises `ActionFailed` for other methods and bad targets."""
        with contextlib.suppress(ValueError):  # an invalid host or port
            target = urlsplit(urljoin(url.geturl(), location))
            if location and target.scheme in ("http", "https") and _VISIBLE.fullmatch(target.geturl()):
                check_host(target.hostname or "")
                place = _format_origin(target)
                if self._action.method == "GET":
                    return target
                msg, remedy = f"the server redirects to {place} ({status})", "set the action's url to the new address"
                raise ActionFailed(msg, where=_format_origin(url), remedy=remedy, again=False)
        msg = f"the server redirects ({status}) without a valid address"
        raise ActionFailed(msg, where=_format_origin(url), remedy="check the action's url", again=False)


@contextlib.contextmanager
def _limit_time(connection: socket.socket, deadline_s: float) -> Iterator[None]:
    """Close a connection at the deadline.

    The timeout of the socket itself starts again with every byte received.
    """

    def cut() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline_s - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _check_status(status: int, headers: http.client.HTTPMessage, place: str) -> None:
    """Raise `ActionFailed` unless the status is a success."""
    if _OK <= status < _REDIRECT:
        return
    msg = f"the server answered {status} {http.client.responses.get(status, '')}".rstrip()
    if status == _TOO_MANY or status >= _BROKEN:
        raise ActionFailed(msg, where=place, wait_s=_parse_retry_after_s(headers.get("Retry-After", "")))
    raise ActionFailed(msg, where=place, remedy="check the action's url, method and headers", again=False)


def _parse_retry_after_s(text: str) -> float:
    """Return the seconds of a ``Retry-After``; 0 if it is invalid.

    It holds a number or a date. A server may send anything, such as a date beyond the calendar.
    """
    text = text.strip()[:_HEADER_CHARS]
    if text.isdecimal():
        return min(float(text), _WAIT_MAX_S)
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        left = parsedate_to_datetime(text).astimezone(timezone.utc) - datetime.now(timezone.utc)
        return min(max(0.0, left.total_seconds()), _WAIT_MAX_S)
    return 0.0


def _format_origin(url: SplitResult) -> str:
    """Return scheme, host and port of an address; its path and query may be secret."""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{url.scheme}://{host}:{port}"
