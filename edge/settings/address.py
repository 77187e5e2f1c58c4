"""Addresses that may hold a user and a password: how they are shown, and what must be encoded in them."""

from __future__ import annotations

import re
from urllib.parse import quote

# A host of IPv6, whose colons are none of a user.
_BRACKETS = r"(?!\[[^\]/?#@\s]*\](?::\d*)?[/?#])"
# Up to the last @ of the authority; a password with a / or ? that was not encoded is caught too, a port is none.
_USERINFO = re.compile(rf"(?<=://){_BRACKETS}(?:[^/?\s:@]*:(?!\d{{1,5}}[/?])\S*|[^/?\s]*)@")
_NOT_IN_USERINFO = re.compile(r"[/?#\[\]]|%(?![0-9A-Fa-f]{2})")
_WHITE = re.compile(r"\s")
_SECRET_VALUE = re.compile(r"(?i)([?&][^=&#\s]*(?:pass|pwd|token|key|secret|auth|user|sig)[^=&#\s]*=)[^&\s'\"]*")


def mask(text: str) -> str:
    """Return text with the user, the password and the secret parameters of any URL in it hidden."""
    return _SECRET_VALUE.sub(r"\1***", _USERINFO.sub("***@", text))


def unbroken(address: str) -> str:
    """Return one address without white space, at which `mask` would take it to end."""
    return _WHITE.sub("%20", address)


def misplaced(address: str) -> tuple[str, str] | None:
    """Return what is wrong with an address that has a sign where it means something else, and the remedy, or None.

    A `#`, `/` or `?` ends the host, so that a password with one would be taken for a path, and the user for the host.
    """
    userinfo = _USERINFO.search(unbroken(address))
    if userinfo and (sign := _NOT_IN_USERINFO.search(userinfo[0])):
        return f"a user or password must not hold {sign[0]} itself", f"write {quote(sign[0], safe='')} instead"
    return None
