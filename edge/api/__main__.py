"""Printer of the API's description: `python -m edge.api > deploy/openapi.json`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

from edge.api.app import create_app
from edge.api.description import complete
from edge.jsontext import dumps
from edge.settings.tree import Api

if TYPE_CHECKING:
    from edge.api.ports import NodeApi


def make_document() -> dict[str, Any]:
    """Return the description of a node with every route and no token."""
    app = create_app(cast("NodeApi", None), Api())  # no route is called, so there need not be a node
    return complete(app.openapi(), needs_token=False)


if __name__ == "__main__":
    sys.stdout.write(dumps(make_document(), indent=2, ensure_ascii=False) + "\n")
