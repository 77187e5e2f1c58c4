"""Authentication with the token of a node, or with a session of a browser."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from edge.api.guesses import GuessLimiter
from edge.api.session import Sessions, read_cookie
from edge.errors import Busy

if TYPE_CHECKING:
    from starlette.datastructures import Headers


class TooManyGuesses(Busy):
    """The refusal of an address after wrong tokens; `headers` give the waiting time."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("this address sent too many wrong tokens", remedy=f"try again in {wait_s} s")
        self.headers = {"Retry-After": str(wait_s)}


class Authenticator:
    """Checker of tokens and sessions."""

    def __init__(self, token: str) -> None:
        """Take the token of the node."""
        self._token = token
        self._limiter = GuessLimiter()
        self.sessions = Sessions(token)

    def check_token(self, given: str, address: str) -> bool:
        """Return whether `given`, sent from `address`, is the token.

        Raises TooManyGuesses, without a comparison, while the address must wait.
        """
        if wait_s := self._limiter.wait_s(address):
            raise TooManyGuesses(wait_s)
        right = hmac.compare_digest(given.encode(), self._token.encode())
        if not right:
            self._limiter.count_wrong(address, given)
        return right

    def is_allowed(self, headers: Headers, address: str) -> bool:
        """Return whether a request with these headers may pass; raises TooManyGuesses."""
        if self.sessions.is_valid(read_cookie(headers.get("cookie", ""))):
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.check_token(given.strip(), address)
