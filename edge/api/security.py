"""Who may ask: bearer token, browser session, and requests a foreign web page makes a browser send.

On loopback without a token the danger is the user's own browser: a foreign page may post to 127.0.0.1, and a foreign
name may be made to resolve to it (DNS rebinding). So a POST from another origin is refused, and the Host must be a
name of this machine. Where a token is needed, a rebound name has neither the token nor the cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import re
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response

from edge.api import pages
from edge.api.health import LIVE_PATH
from edge.api.problems import problem
from edge.errors import ConfigError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edge.settings import Api

COOKIE = "tocsin_session"
LOGIN_PATH = "/login"
_MAX_FORM_BYTES = 4096
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
_log = logging.getLogger("tocsin.api")


def is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine alone."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def require_token(settings: Api, token: str | None = None) -> str | None:
    """Return the token to ask for: `token`, else the one in `settings`; raises ConfigError when there must be one."""
    token = token or (settings.token.get_secret_value() if settings.token else None)
    if token and _SENDABLE.fullmatch(token):
        return token
    if token:
        where = "token" if settings.token else "token_file"
        msg = f"api.{where}: must be of ASCII's letters, digits and signs, for a header carries no others"
        raise ConfigError(msg)
    if settings.token_file:
        msg = f"api.token_file: no token in {settings.token_file}; write one in its first line"
        raise ConfigError(msg)
    if not is_loopback(settings.host):
        msg = f"api.host {settings.host} is reachable from outside: set api.token_file, or api.host to 127.0.0.1"
        raise ConfigError(msg)
    return None


def session(token: str) -> str:
    """Return what the browser's cookie holds: proof of having known the token, not the token."""
    return hmac.new(token.encode(), b"tocsin dashboard", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def login_router(token: str) -> APIRouter:
    """Return the route of the sign-in form: the right token buys a session cookie."""
    routes = APIRouter(include_in_schema=False)

    @routes.post(LOGIN_PATH)
    async def sign_in(request: Request) -> Response:
        form = bytearray()
        async for chunk in request.stream():
            form += chunk
            if len(form) > _MAX_FORM_BYTES:
                return pages.login(413, "That is too long for a token.")
        given = parse_qs(form.decode("latin-1")).get("token", [""])[0]
        if not same(given.strip(), token):
            return pages.login(401, "That is not this node's token.")
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, session(token), httponly=True, samesite="strict", secure=secure)
        return answer

    return routes


class Guard:
    """ASGI middleware before everything: refuses who may not, adds the security headers, hides tracebacks."""

    def __init__(self, app: ASGIApp, host: str, token: str | None) -> None:
        self._app = app
        self._token = token
        self._session = session(token) if token else ""
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

        refusal = self._refusal(scope)
        try:
            await (refusal or self._app)(scope, receive, guarded)
        except Exception:  # noqa: BLE001 - whatever it was, the log is told and nobody else
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if not started:
                detail = "Tocsin itself failed at this; its log says why."
                await problem(500, detail, scope["path"])(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if self._local and not self._token and host and not is_loopback(_host_name(host)):
            detail = f"This node answers as localhost alone, not as {host[:80]!r}; behind a proxy, set api.token_file."
            return problem(421, detail, path)
        origin = headers.get("origin")
        if scope["method"] not in _SAFE_METHODS and origin and urlsplit(origin).netloc != host:
            return problem(403, f"A page of another origin ({origin[:80]}) may not do this.", path)
        if not self._token or path in {LIVE_PATH, LOGIN_PATH} or self._knows(headers, self._token):
            return None
        if path == "/" and "text/html" in headers.get("accept", ""):
            return pages.login(401)
        detail = "This needs the node's token: send 'Authorization: Bearer TOKEN'."
        return problem(401, detail, path, headers={"WWW-Authenticate": 'Bearer realm="tocsin"'})

    def _knows(self, headers: Headers, token: str) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return same(given.strip(), token)
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and same(cookie.value, self._session)


def _host_name(host: str) -> str:
    """Return a Host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
