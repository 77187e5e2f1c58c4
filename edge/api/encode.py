"""JSON as it leaves the node: compact, and with null where a figure is not a number."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from starlette.responses import JSONResponse

_NO_UNICODE = re.compile("[\ud800-\udfff]")


def dumps(value: object) -> bytes:
    """Return `value` as JSON in one line.

    Infinite figures and NaN, which JSON has no word for, become null; a byte of a file name that is no UTF-8, as Python
    keeps it, becomes U+FFFD.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _NO_UNICODE.sub("\ufffd", text).encode()


class NodeJson(JSONResponse):
    """A JSON answer, encoded by `dumps`."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as the base class
        """Encode the body."""
        return dumps(content)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
