"""Signing in and out with a browser: the right token buys a session."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from edge.api import pages
from edge.api.lock import TooManyGuesses
from edge.api.problems import sentence
from edge.api.session import COOKIE, LIFETIME_S, cookie_of

if TYPE_CHECKING:
    from edge.api.lock import Lock

LOGIN_PATH = "/login"
LOGOUT_PATH = "/logout"
_MAX_FORM_BYTES = 4096


def router(lock: Lock) -> APIRouter:
    """Return the two routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.post(LOGIN_PATH)
    async def sign_in(request: Request) -> Response:
        form = bytearray()
        async for chunk in request.stream():
            form += chunk
            if len(form) > _MAX_FORM_BYTES:
                return pages.login(413, "That is too long for a token.")
        given = parse_qs(form.decode("latin-1")).get("token", [""])[0].strip()
        try:
            if not lock.fits(given, request.client.host if request.client else ""):
                return pages.login(401, "That is not this node's token.")
        except TooManyGuesses as exc:
            return pages.login(429, sentence(exc), exc.headers)
        return _home(request, lock.sessions.begin(), LIFETIME_S)

    @routes.post(LOGOUT_PATH)
    async def sign_out(request: Request) -> Response:
        lock.sessions.end(cookie_of(request.headers.get("cookie", "")))
        return _home(request, "", 0)

    return routes


def _home(request: Request, cookie: str, max_age_s: int) -> Response:
    """Lead to the dashboard with another cookie, both relative to the path that the browser sees."""
    answer = RedirectResponse("./", 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, cookie, max_age_s, path=None, httponly=True, samesite="strict", secure=secure)
    return answer
