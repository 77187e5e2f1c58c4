"""The JSON Schema of the configuration."""

from __future__ import annotations

from typing import Any

from edge.settings.tree import Settings


def make_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
