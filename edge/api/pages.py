"""The pages for people: dashboard, documentation, sign-in. Everything comes from this package, nothing from afar."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PAGES = {"/": "index.html", "/docs": "docs.html"}
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
<label for="token">The node's token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button></form></main></html>"""


def login(status: int, word: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return the page that asks for the token."""
    more = {"WWW-Authenticate": 'Bearer realm="tocsin"'} if status == HTTPStatus.UNAUTHORIZED else {}
    policy = {"Content-Security-Policy": _LOGIN_POLICY}
    return HTMLResponse(_LOGIN.format(style=_STYLE, word=word), status, policy | more | dict(headers or {}))


def router() -> APIRouter:
    """Return the pages and what they load."""
    routes = APIRouter(include_in_schema=False)
    folder = files("edge.api") / "static"
    for item in folder.iterdir():
        content = item.read_bytes()
        _serve(routes, f"/static/{item.name}", content, _TYPES[item.name[item.name.rindex(".") :]])
    for path, name in _PAGES.items():
        _serve(routes, path, (folder / name).read_bytes(), _TYPES[".html"])
    return routes


def _serve(routes: APIRouter, path: str, content: bytes, media_type: str) -> None:
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}

    @routes.get(path)
    async def page(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)
