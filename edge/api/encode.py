"""JSON as it leaves the node: compact, and with null where a figure is not a number."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.responses import JSONResponse


def dumps(value: object) -> bytes:
    """Return `value` as JSON in one line; infinite figures and NaN, which JSON has no word for, become null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


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
