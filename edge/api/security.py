"""Authentication and protection against requests of foreign web pages.

On loopback without a token the danger is the user's own browser: a foreign page may post to 127.0.0.1, and a foreign
name may resolve to it (DNS rebinding). So a POST from another origin is refused, and the Host must be a name of this
machine. Where a token is needed, a rebound name has neither the token nor the cookie. Embedded requests of another site
are refused as well: its streams would use up the limit of streams.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from edge.api import pages
from edge.api.authenticator import TooManyGuesses
from edge.api.health import LIVE_PATH
from edge.api.login import LOGIN_PATH
from edge.api.problems import make_problem, to_sentence
from edge.errors import ConfigError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edge.api.authenticator import Authenticator
    from edge.settings.tree import Api

MIN_TOKEN = 8
_OPEN = {LIVE_PATH, LOGIN_PATH}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_SENDABLE = re.compile(r"[!-~]([ -~]*[!-~])?")
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
log = logging.getLogger("tocsin.api")


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def require_token(settings: Api, token: str | None = None) -> str | None:
    """Return `token`, else the one in `settings`; None where none is needed.

    Raises ConfigError for an unfit or missing token.
    """
    token = token or (settings.token.get_secret_value() if settings.token else None)
    if token:
        place = f"api.token_file: {settings.token_file}" if settings.token_file else "api.token"
        if not _SENDABLE.fullmatch(token):
            msg = "the token holds characters that an HTTP header cannot carry"
            raise ConfigError(msg, where=place, remedy="use ASCII letters, digits and signs")
        if len(token) < MIN_TOKEN:
            msg = "the token is too easy to guess"
            remedy = f"give it {MIN_TOKEN} characters or more, as 'openssl rand -hex 16' does"
            raise ConfigError(msg, where=place, remedy=remedy)
        return token
    if settings.token_file:
        msg = f"there is no token in {settings.token_file}"
        raise ConfigError(msg, where="api.token_file", remedy="write one in its first line")
    if not is_loopback(settings.host):
        msg = f"{settings.host} is reachable from outside"
        raise ConfigError(msg, where="api.host", remedy="set api.token_file, or api.host to 127.0.0.1")
    return None


class Guard:
    """The outermost ASGI middleware: access checks, security headers, internal errors."""

    def __init__(self, app: ASGIApp, host: str, authenticator: Authenticator | None) -> None:
        self._app = app
        self._authenticator = authenticator
        self._local = is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._check(scope)
        try:
            await (refusal or self._app)(scope, receive, guarded)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if not started:
                detail = "Tocsin itself failed at this; its log says why."
                await make_problem(500, detail, scope["path"])(scope, receive, guarded)

    def _check(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host")
        if self._local and not self._authenticator and host is not None and not is_loopback(_strip_port(host)):
            detail = f"This node answers as localhost alone, not as {host[:80]!r}; behind a proxy, set api.token_file."
            return make_problem(421, detail, path)
        if path != LIVE_PATH and (page := _find_foreign_page(scope["method"], path, headers)):
            return make_problem(403, f"{page} may not do this.", path)
        if self._authenticator is None or path in _OPEN:
            return None
        return _refuse_without_token(
            self._authenticator, headers, path, scope["client"][0] if scope.get("client") else ""
        )


def _refuse_without_token(authenticator: Authenticator, headers: Headers, path: str, address: str) -> Response | None:
    try:
        if authenticator.is_allowed(headers, address):
            return None
    except TooManyGuesses as exc:
        return make_problem(429, to_sentence(exc), path, headers=exc.headers)
    if path == "/" and "text/html" in headers.get("accept", ""):
        return pages.render_login(401)
    detail = "This needs the node's token: send 'Authorization: Bearer TOKEN'."
    return make_problem(401, detail, path, headers={"WWW-Authenticate": 'Bearer realm="tocsin"'})


def _find_foreign_page(method: str, path: str, headers: Headers) -> str:
    """Return a description of the foreign page behind a request; empty without one.

    A link may lead from another site to a page, but a site may not embed pictures, scripts or streams.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    harmless = method in _SAFE_METHODS and not path.endswith("/stream")
    if site == "cross-site":
        followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if not (followed and harmless):
            return f"A page of another site ({(origin or 'unnamed')[:80]})"
    # "same-origin" of the browser is more reliable than a comparison with the Host, which a proxy may have changed.
    if site != "same-origin" and origin and not harmless and not _is_own(origin, headers):
        return f"A page of another origin ({origin[:80]})"
    return ""


def _is_own(origin: str, headers: Headers) -> bool:
    # A page cannot make a browser send X-Forwarded-Host to another origin: a proxy has set it.
    return urlsplit(origin).netloc in {headers.get("host", ""), headers.get("x-forwarded-host", "")} - {""}


def _strip_port(host: str) -> str:
    """Return a Host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
