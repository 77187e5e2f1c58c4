"""What opens a node that has a token: the token, or a browser's session that stands for it."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from edge.api.brake import Brake
from edge.api.session import Sessions, cookie_of
from edge.errors import Busy

if TYPE_CHECKING:
    from starlette.datastructures import Headers


class TooManyGuesses(Busy):
    """An address sent wrong tokens and must wait; `headers` say how long."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("this address sent too many wrong tokens", remedy=f"try again in {wait_s} s")
        self.headers = {"Retry-After": str(wait_s)}


class Lock:
    """Checks tokens and sessions."""

    def __init__(self, token: str) -> None:
        """Lock with `token`."""
        self._token = token
        self._brake = Brake()
        self.sessions = Sessions(token)

    def fits(self, given: str, address: str) -> bool:
        """Return whether `given`, sent from `address`, is the token; raises TooManyGuesses without looking at it."""
        if wait_s := self._brake.wait_s(address):
            raise TooManyGuesses(wait_s)
        right = hmac.compare_digest(given.encode(), self._token.encode())
        if not right:
            self._brake.wrong(address, given)
        return right

    def opens(self, headers: Headers, address: str) -> bool:
        """Return whether a request with these headers may pass; raises TooManyGuesses."""
        if self.sessions.valid(cookie_of(headers.get("cookie", ""))):
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.fits(given.strip(), address)
