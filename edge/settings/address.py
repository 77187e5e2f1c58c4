"""Masking and checks of URLs with a user and a password."""

from __future__ import annotations

import re
from urllib.parse import quote

# An IPv6 host, whose colons separate no user from a password.
_BRACKETS = r"(?!\[[^\]/?#@\s]*\](?::\d*)?[/?#])"
# Up to the last @ of the authority, including passwords with an unencoded / or ?, but not a port.
_USERINFO = re.compile(rf"(?<=://){_BRACKETS}(?:[^/?\s:@]*:(?!\d{{1,5}}[/?])\S*|[^/?\s]*)@")
_NOT_IN_USERINFO = re.compile(r"[/?#\[\]]|%(?![0-9A-Fa-f]{2})")
_WHITE = re.compile(r"\s")
_SECRET_VALUE = re.compile(r"(?i)([?&][^=&#\s]*(?:pass|pwd|token|key|secret|auth|user|sig)[^=&#\s]*=)[^&\s'\"]*")


def mask(text: str) -> str:
    """Hide the user, password and secret parameters of every URL in a text."""
    return _SECRET_VALUE.sub(r"\1***", _USERINFO.sub("***@", text))


def escape_white_space(address: str) -> str:
    """Encode the white space of one address, so that `mask` covers all of it."""
    return _WHITE.sub("%20", address)


def explain_misplaced_sign(address: str) -> tuple[str, str] | None:
    """Explain which character of a user or password must be encoded, and how.

    None if there is no such character. A `#`, `/` or `?` ends the host: the rest of the password would become the path,
    and the user the host.
    """
    userinfo = _USERINFO.search(escape_white_space(address))
    if userinfo and (sign := _NOT_IN_USERINFO.search(userinfo[0])):
        return f"a user or password must not hold {sign[0]} itself", f"write {quote(sign[0], safe='')} instead"
    return None
