"""The one encoder of JSON: a figure that is no number, which JSON has no word for, becomes null."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_NO_UNICODE = re.compile("[\ud800-\udfff]")


def dumps(value: object, **options: Any) -> str:  # noqa: ANN401 - those of `json.dumps`
    """Return `value` as JSON that every parser takes."""
    try:
        return json.dumps(value, allow_nan=False, **options)  # noqa: TID251 - the place that all others use
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, **options)  # noqa: TID251 - likewise


def encoded(value: object) -> bytes:
    """Return `value` as JSON in one line of UTF-8, for programs elsewhere.

    A byte of a file name that is no UTF-8, as Python keeps it, becomes U+FFFD: half a character is not JSON to all.
    """
    text = dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _NO_UNICODE.sub("\ufffd", text).encode()


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
