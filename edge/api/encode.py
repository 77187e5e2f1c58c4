"""JSON answers of the API."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from edge.jsontext import encode


class NodeJson(JSONResponse):
    """A JSON answer, with null for NaN and infinity."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as the base class
        """Encode the body."""
        return encode(content)
