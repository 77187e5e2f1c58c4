"""Routes to sign in and out with a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from edge.api import pages
from edge.api.authenticator import TooManyGuesses
from edge.api.problems import to_sentence
from edge.api.session import COOKIE, LIFETIME_S, read_cookie

if TYPE_CHECKING:
    from edge.api.authenticator import Authenticator

LOGIN_PATH = "/login"
LOGOUT_PATH = "/logout"
_MAX_FORM_BYTES = 4096


def router(authenticator: Authenticator) -> APIRouter:
    """Return the two routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.post(LOGIN_PATH)
    async def sign_in(request: Request) -> Response:
        form = bytearray()
        async for chunk in request.stream():
            form += chunk
            if len(form) > _MAX_FORM_BYTES:
                return pages.render_login(413, "That is too long for a token.")
        given = parse_qs(form.decode("latin-1")).get("token", [""])[0].strip()
        try:
            if not authenticator.check_token(given, request.client.host if request.client else ""):
                return pages.render_login(401, "That is not this node's token.")
        except TooManyGuesses as exc:
            return pages.render_login(429, to_sentence(exc), exc.headers)
        return _redirect_home(request, authenticator.sessions.begin(), LIFETIME_S)

    @routes.post(LOGOUT_PATH)
    async def sign_out(request: Request) -> Response:
        authenticator.sessions.end(read_cookie(request.headers.get("cookie", "")))
        return _redirect_home(request, "", 0)

    return routes


def _redirect_home(request: Request, cookie: str, max_age_s: int) -> Response:
    """Redirect to the dashboard with another cookie, relative to the path of the browser."""
    answer = RedirectResponse("./", 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, cookie, max_age_s, path=None, httponly=True, samesite="strict", secure=secure)
    return answer
