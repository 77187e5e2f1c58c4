"""JSON Schema of the records that the web side answers with."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping


def describe(example: Mapping[str, Any]) -> ConfigDict:
    """Return the pydantic configuration of a record: descriptions from its docstrings, and an example.

    A member with the default None is optional in the schema and never null, as `edge.jsontext` writes it.
    """

    def complete(schema: dict[str, Any], record: type) -> None:
        schema["description"] = inspect.getdoc(record)
        schema["examples"] = [dict(example)]
        for member in schema["properties"].values():
            if "default" in member and member.pop("default") is None:
                kind, _null = member.pop("anyOf")
                member.update(kind)

    return ConfigDict(use_attribute_docstrings=True, json_schema_extra=complete)
