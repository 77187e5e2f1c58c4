"""Web pages: dashboard, documentation, settings and sign-in.

All parts come from this package; nothing is loaded from other hosts.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from edge.api.session import COOKIE

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PAGES = {"/": "index.html", "/docs": "docs.html", "/configuration": "configuration.html"}
_SIGN_OUT = b'<form id="sign-out" method="post" action="logout"'
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:20vh auto;padding:0 1rem}"
    "input,button{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;margin:.4rem 0}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_LOGIN_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_LOGIN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Tocsin: sign in</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>{style}</style><main><h1>Tocsin</h1><p role="alert">{word}</p><form method="post" action="login">
<input name="username" autocomplete="username" value="tocsin" hidden><label for="token">The node's token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button></form></main></html>"""


def render_login(status: int, word: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return the page to sign in."""
    more = {"WWW-Authenticate": 'Bearer realm="tocsin"'} if status == HTTPStatus.UNAUTHORIZED else {}
    policy = {"Content-Security-Policy": _LOGIN_POLICY}
    return HTMLResponse(_LOGIN.format(style=_STYLE, word=word), status, policy | more | dict(headers or {}))


def router(*, signs_in: bool) -> APIRouter:
    """Return the routes of the pages; with `signs_in` they offer to sign out."""
    routes = APIRouter(include_in_schema=False)
    folder = files("edge.api") / "static"
    for item in folder.iterdir():
        content = item.read_bytes()
        _serve(routes, f"/static/{item.name}", _TYPES[item.name[item.name.rindex(".") :]], content)
    for path, name in _PAGES.items():
        content = (folder / name).read_bytes()
        signed_in = content.replace(_SIGN_OUT + b" hidden", _SIGN_OUT)
        _serve(routes, path, _TYPES[".html"], content, signed_in if signs_in else content)
    return routes


def _serve(routes: APIRouter, path: str, media_type: str, content: bytes, signed_in: bytes | None = None) -> None:
    """Add a route for `content`; browsers with a session get `signed_in`."""

    @routes.get(path)
    async def page(request: Request) -> Response:
        shown = signed_in if signed_in and COOKIE in request.cookies else content
        tag = f'"{hashlib.sha256(shown).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(shown, headers=headers, media_type=media_type)
