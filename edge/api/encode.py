"""JSON as it leaves the node: compact, and with null where a figure is not a number."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from edge import jsontext


def dumps(value: object) -> bytes:
    """Return `value` as JSON in one line; infinite figures and NaN, which JSON has no word for, become null."""
    return jsontext.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class NodeJson(JSONResponse):
    """A JSON answer, encoded by `dumps`."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as the base class
        """Encode the body."""
        return dumps(content)
