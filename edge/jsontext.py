"""The only JSON encoder, which writes NaN and infinities as null."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")


def dumps(value: object, **options: Any) -> str:  # noqa: ANN401 - those of `json.dumps`
    """Return `value` as JSON that every parser accepts."""
    try:
        return json.dumps(value, allow_nan=False, **options)  # noqa: TID251 - the place that all others use
    except ValueError:
        return json.dumps(_replace_nonfinite(value), allow_nan=False, **options)  # noqa: TID251 - likewise


def encode(value: object) -> bytes:
    """Return `value` as one line of JSON in UTF-8.

    A byte of a file name that is not UTF-8, which Python keeps as a surrogate, becomes U+FFFD, because some parsers
    refuse a lone surrogate.
    """
    text = dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATES.sub("\ufffd", text).encode()


def _replace_nonfinite(value: object) -> object:
    if isinstance(value, dict):
        return {_replace_nonfinite(key): _replace_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_nonfinite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
