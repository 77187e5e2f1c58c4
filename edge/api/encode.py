"""Answers of the API in JSON."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from edge.jsontext import encode


class NodeJson(JSONResponse):
    """A JSON answer, with null where a figure is not a number."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as the base class
        """Encode the body."""
        return encode(content)
