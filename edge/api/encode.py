"""JSON as it leaves the node: compact, and with null where a figure is not a number."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import JSONResponse

from edge import jsontext

_NO_UNICODE = re.compile("[\ud800-\udfff]")


def dumps(value: object) -> bytes:
    """Return `value` as JSON in one line.

    Infinite figures and NaN, which JSON has no word for, become null; a byte of a file name that is no UTF-8, as Python
    keeps it, becomes U+FFFD.
    """
    text = jsontext.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _NO_UNICODE.sub("\ufffd", text).encode()


class NodeJson(JSONResponse):
    """A JSON answer, encoded by `dumps`."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as the base class
        """Encode the body."""
        return dumps(content)
