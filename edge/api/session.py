"""The browser's session: a cookie that proves having known the token, for a while and until signing out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

COOKIE = "tocsin_session"
LIFETIME_S = 30 * 86400
_SIGNED_OUT = 1000


class Sessions:
    """Makes and checks cookies. They are signed, not kept: a restart of the node signs nobody out.

    What was signed out is remembered until then; the browser forgets it for good.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        """Sign with `token`: with another one every session is over."""
        self._key = hashlib.sha256(b"tocsin dashboard " + token.encode()).digest()
        self._clock = clock
        self._signed_out: dict[str, None] = {}

    def begin(self) -> str:
        """Return the cookie of a new session."""
        content = f"{int(self._clock()) + LIFETIME_S}.{secrets.token_urlsafe(18)}"
        return f"{content}.{self._signature(content)}"

    def valid(self, cookie: str) -> bool:
        """Return whether `cookie` is of a session that is not over."""
        content, _, signature = cookie.rpartition(".")
        if (
            not hmac.compare_digest(signature.encode(), self._signature(content).encode())
            or content in self._signed_out
        ):
            return False
        # An end that is too far away was set by a clock that was ahead.
        return 0 < int(content.partition(".")[0]) - self._clock() <= LIFETIME_S

    def end(self, cookie: str) -> None:
        """Have a session be over."""
        if self.valid(cookie):
            self._signed_out[cookie.rpartition(".")[0]] = None
            if len(self._signed_out) > _SIGNED_OUT:
                del self._signed_out[next(iter(self._signed_out))]

    def _signature(self, content: str) -> str:
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()


def cookie_of(header: str) -> str:
    """Return the session in a Cookie header; empty where there is none."""
    try:
        cookie = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if cookie is None else cookie.value
