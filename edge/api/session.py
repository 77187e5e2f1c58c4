"""Sessions of browsers: signed cookies that stand for the token."""

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
    """Maker and checker of session cookies.

    They are signed, not stored, so a restart of the node ends no session. Ended sessions are stored until the restart;
    the browser deletes its cookie.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        """Sign with `token`; another token ends every session."""
        self._key = hashlib.sha256(b"tocsin dashboard " + token.encode()).digest()
        self._clock = clock
        self._signed_out: dict[str, None] = {}

    def begin(self) -> str:
        """Return the cookie of a new session."""
        content = f"{int(self._clock()) + LIFETIME_S}.{secrets.token_urlsafe(18)}"
        return f"{content}.{self._signature(content)}"

    def is_valid(self, cookie: str) -> bool:
        """Return whether `cookie` belongs to an open session."""
        content, _, signature = cookie.rpartition(".")
        if (
            not hmac.compare_digest(signature.encode(), self._signature(content).encode())
            or content in self._signed_out
        ):
            return False
        # An end too far in the future was set by a clock that was ahead.
        return 0 < int(content.partition(".")[0]) - self._clock() <= LIFETIME_S

    def end(self, cookie: str) -> None:
        """End a session."""
        if self.is_valid(cookie):
            self._signed_out[cookie.rpartition(".")[0]] = None
            if len(self._signed_out) > _SIGNED_OUT:
                del self._signed_out[next(iter(self._signed_out))]

    def _signature(self, content: str) -> str:
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()


def read_cookie(header: str) -> str:
    """Return the session cookie of a Cookie header; empty without one."""
    try:
        cookie = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if cookie is None else cookie.value
