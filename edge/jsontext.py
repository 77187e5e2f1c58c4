"""The one encoder of JSON: a figure that is no number, which JSON has no word for, becomes null."""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(value: object, **options: Any) -> str:  # noqa: ANN401 - those of `json.dumps`
    """Return `value` as JSON that every parser takes."""
    try:
        return json.dumps(value, allow_nan=False, **options)  # noqa: TID251 - the place that all others use
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, **options)  # noqa: TID251 - likewise


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
