"""Calling a web address: one request a try, bounded in time and size, without proxies."""

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
from edge.actions.occasion import Attempt, Occasion, fill, values
from edge.errors import ActionFailed
from edge.jsontext import dumps
from edge.settings.section import plain_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.settings.actions import WebhookAction

_BODY_BYTES = 64 * 1024
_HOPS = 5
_HEADER_CHARS = 64  # of a header that is a number or a date
_WAIT_MAX_S = 86_400.0
_VISIBLE = re.compile(r"[!-~]+")
_REDIRECTS = (301, 302, 303, 307, 308)
_TOO_MANY = 429
_OK, _REDIRECT, _REFUSED, _BROKEN = 200, 300, 400, 500


class WebhookAttempt(Attempt):
    """One call for an occasion. No line of it holds more of an address than scheme, host and port."""

    def __init__(self, action: WebhookAction, node: str) -> None:
        """Take what to call."""
        self.tries, self.expire_s = action.tries, action.expire_s
        self._action, self._node = action, node
        self._tls = ssl.create_default_context()
        self._url = urlsplit(str(action.url))

    def __call__(self, occasion: Occasion, left_s: float) -> None:  # noqa: ARG002 - it may end later than that
        """Call the address and follow where a GET is sent; raises `ActionFailed`."""
        deadline_s = time.monotonic() + self._action.timeout_s
        body = self._body(occasion)
        url = self._url
        for _ in range(1 + _HOPS):
            status, headers = self._request(url, body, deadline_s)
            if status not in _REDIRECTS:
                _judge(status, headers, _place(url))
                return
            url = self._next(url, status, headers.get("Location", ""))
        msg, remedy = f"the server redirects more than {_HOPS} times", "set the action's url to the last address"
        raise ActionFailed(msg, where=_place(self._url), remedy=remedy, again=False)

    def _body(self, occasion: Occasion) -> bytes | None:
        if self._action.method == "GET":
            return None
        if self._action.body is not None:
            return fill(self._action.body, occasion, self._node).encode()
        told = {"intervals_ms": occasion.intervals_ms, "confidence": round(occasion.confidence, 3)}
        return dumps(values(occasion, self._node) | told).encode()

    def _headers(self, url: SplitResult, body: bytes | None) -> dict[str, str]:
        """Return what to send; secrets go to the configured server alone, wherever it redirects to."""
        headers = {"user-agent": f"tocsin/{__version__}", "connection": "close"}
        if body is not None:
            headers["content-type"] = "application/json"
        if _place(url) == _place(self._url):
            if self._url.username is not None:
                login = f"{unquote(self._url.username)}:{unquote(self._url.password or '')}"
                headers["authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
            headers |= {name.lower(): value.get_secret_value() for name, value in self._action.headers.items()}
        return headers

    def _request(self, url: SplitResult, body: bytes | None, deadline_s: float) -> tuple[int, http.client.HTTPMessage]:
        """Return the status and the headers of the answer; raises `ActionFailed` where there is none in time."""
        connection = self._connection(url, max(0.001, deadline_s - time.monotonic()))
        try:
            with contextlib.closing(connection):
                connection.connect()
                with _cut_off(connection.sock, deadline_s):
                    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
                    connection.request(self._action.method, target, body, self._headers(url, body))
                    answer = connection.getresponse()
                    if time.monotonic() >= deadline_s:  # cut off among the headers, which looks like their end
                        raise TimeoutError
                    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                        answer.read(_BODY_BYTES)  # so that the other side can say all of it; it changes nothing
                    return answer.status, answer.headers
        except (OSError, ValueError, http.client.HTTPException) as exc:
            late = time.monotonic() >= deadline_s or isinstance(exc, TimeoutError)
            raise self._failure(_place(url), exc, late=late) from exc

    def _failure(self, place: str, exc: Exception, *, late: bool) -> ActionFailed:
        if late:
            return ActionFailed(f"the server did not answer within {self._action.timeout_s:g} s", where=place)
        if isinstance(exc, ssl.SSLCertVerificationError):
            what = f"the server's certificate is not trusted ({exc.verify_message})"
            return ActionFailed(what, where=place, remedy="check the action's url and the certificate", again=False)
        if isinstance(exc, (ValueError, http.client.HTTPException)):
            return ActionFailed(f"the server did not answer in HTTP ({type(exc).__name__})", where=place)
        why = getattr(exc, "strerror", None) or type(exc).__name__
        return ActionFailed(f"the server cannot be reached ({why})", where=place)

    def _connection(self, url: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
        host = url.hostname or ""
        if url.scheme == "https":
            return http.client.HTTPSConnection(host, url.port, timeout=timeout_s, context=self._tls)
        return http.client.HTTPConnection(host, url.port, timeout=timeout_s)

    def _next(self, url: SplitResult, status: int, location: str) -> SplitResult:
        """Return where a redirected GET goes; raises `ActionFailed` for anything else."""
        with contextlib.suppress(ValueError):  # a host or a port that is none
            target = urlsplit(urljoin(url.geturl(), location))
            if location and target.scheme in ("http", "https") and _VISIBLE.fullmatch(target.geturl()):
                plain_host(target.hostname or "")
                place = _place(target)
                if self._action.method == "GET":
                    return target
                msg, remedy = f"the server redirects to {place} ({status})", "set the action's url to the new address"
                raise ActionFailed(msg, where=_place(url), remedy=remedy, again=False)
        msg = f"the server redirects ({status}) without a valid address"
        raise ActionFailed(msg, where=_place(url), remedy="check the action's url", again=False)


@contextlib.contextmanager
def _cut_off(connection: socket.socket, deadline_s: float) -> Iterator[None]:
    """End a connection at the deadline: a socket's own time-out begins anew with every byte that drips in."""

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


def _judge(status: int, headers: http.client.HTTPMessage, place: str) -> None:
    """Return for an answer that is a success; raises `ActionFailed` for any other."""
    if _OK <= status < _REDIRECT:
        return
    msg = f"the server answered {status} {http.client.responses.get(status, '')}".rstrip()
    if status == _TOO_MANY or status >= _BROKEN:
        raise ActionFailed(msg, where=place, wait_s=_retry_after_s(headers.get("Retry-After", "")))
    raise ActionFailed(msg, where=place, remedy="check the action's url, method and headers", again=False)


def _retry_after_s(text: str) -> float:
    """Return the seconds that a ``Retry-After`` asks for, given as a number or a date; 0 where it does not.

    What a server sends may be anything, such as a date beyond the calendar.
    """
    text = text.strip()[:_HEADER_CHARS]
    if text.isdecimal():
        return min(float(text), _WAIT_MAX_S)
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        left = parsedate_to_datetime(text).astimezone(timezone.utc) - datetime.now(timezone.utc)
        return min(max(0.0, left.total_seconds()), _WAIT_MAX_S)
    return 0.0


def _place(url: SplitResult) -> str:
    """Return what of an address may be shown: paths and queries often are secrets."""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{url.scheme}://{host}:{port}"
